"""Rules, channels, what fires, and who was told. Every change of what fires is one compare-and-set (`look.py`)."""

from __future__ import annotations

from datetime import datetime
from urllib.parse import urlsplit

from django.conf import settings
from django.db import models

from .judge import Phase


class Severity(models.TextChoices):
    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"


class ChannelKind(models.TextChoices):
    WEBHOOK = "webhook"
    EMAIL = "e-mail"


class Channel(models.Model):
    """A way to tell somebody. Where a webhook goes is a secret as much as its key: many carry a token in their path."""

    name = models.CharField(max_length=100, unique=True)
    kind = models.CharField(max_length=12, choices=ChannelKind.choices)
    enabled = models.BooleanField(default=True)  # one that is switched off is told nothing, also not later
    url = models.CharField(max_length=2000, blank=True)  # of a webhook
    secret = models.CharField(max_length=200, blank=True)  # signs what is sent; "": unsigned
    addresses = models.JSONField(default=list)  # of e-mail
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return f"channel {self.name}"

    @property
    def where(self) -> str:
        """As much of the place as anybody may see.

        >>> Channel(kind="webhook", url="https://hooks.example/T0/secret").where
        'https://hooks.example/…'
        >>> Channel(kind="e-mail", addresses=["a@one.example", "b@one.example"]).where
        '2 at one.example'
        """
        if self.kind == ChannelKind.EMAIL:
            hosts = sorted({address.rpartition("@")[2] for address in self.addresses})
            return f"{len(self.addresses)} at {', '.join(hosts)}"
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}/…"


class Rule(models.Model):
    """What to look for, how long it must hold, and whom to tell."""

    name = models.CharField(max_length=120, unique=True)
    condition = models.CharField(max_length=40)  # name of a `Condition`; never changes
    scope = models.CharField(max_length=500, default="*")  # names with * and ?, separated by commas
    threshold = models.FloatField(null=True)  # in the condition's unit; None: it has none
    clear_at = models.FloatField(null=True)  # None: the threshold itself
    statuses = models.JSONField(default=list)  # of a condition that looks at words
    window_s = models.IntegerField(default=300)  # of a condition that counts what happened
    for_s = models.IntegerField(default=0)  # beyond for so long before it fires
    clear_for_s = models.IntegerField(default=60)  # calm for so long before it clears
    severity = models.CharField(max_length=10, choices=Severity.choices, default=Severity.WARNING)
    enabled = models.BooleanField(default=True)
    muted_until = models.DateTimeField(null=True)
    channels = models.ManyToManyField(Channel, blank=True, related_name="rules")
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return f"rule {self.name}"

    def muted(self, now: datetime) -> bool:
        return self.muted_until is not None and self.muted_until > now


class Firing(models.Model):
    """One time that a rule fired for one subject. `cleared_at` NULL: it still does."""

    rule = models.ForeignKey(Rule, null=True, on_delete=models.SET_NULL, related_name="firings")
    rule_name = models.CharField(max_length=120)
    condition = models.CharField(max_length=40)
    subject = models.CharField(max_length=600)
    severity = models.CharField(max_length=10, choices=Severity.choices)
    href = models.CharField(max_length=1000, blank=True)  # page of the subject

    opened_at = models.DateTimeField()
    opened_value = models.FloatField(null=True)  # NULL: the condition looks at words
    opened_says = models.TextField()  # one sentence
    announced_at = models.DateTimeField(null=True)  # NULL: nobody was told, because the rule is muted
    acknowledged_at = models.DateTimeField(null=True)
    acknowledged_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    cleared_at = models.DateTimeField(null=True)
    cleared_value = models.FloatField(null=True)
    cleared_says = models.TextField(blank=True)

    class Meta:
        ordering = ("-id",)
        indexes = (
            models.Index(fields=["cleared_at", "-id"], name="alerts_firing_now"),
            models.Index(fields=["rule", "-id"], name="alerts_firing_of_rule"),
        )

    def __str__(self) -> str:
        return f"{self.rule_name}: {self.subject} since {self.opened_at:%Y-%m-%d %H:%M:%S}"


class Watched(models.Model):
    """What `judge` remembers of a subject. No row: nothing."""

    rule = models.ForeignKey(Rule, on_delete=models.CASCADE, related_name="watched")
    subject = models.CharField(max_length=600)
    phase = models.CharField(max_length=10, choices=[(phase.value, phase.value) for phase in Phase])
    since_ms = models.BigIntegerField()
    firing = models.ForeignKey(Firing, null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        constraints = (models.UniqueConstraint(fields=["rule", "subject"], name="alerts_watched_once"),)

    def __str__(self) -> str:
        return f"{self.subject} {self.phase}"


class NoticeState(models.TextChoices):
    """The life of a notice.

    waiting ──claim──▶ sending ──▶ told
       ▲                  │ └────▶ given up: the receiver refuses it, or was away for a day
       └──── failed ──────┘   a claim that outlives its worker runs out, and it is sent again under the same key
    """

    WAITING = "waiting"
    SENDING = "sending"
    TOLD = "told"
    GIVEN_UP = "given up"


class Notice(models.Model):
    """One thing that one channel is told: that alerts of a rule opened, or cleared. Frozen when it is made."""

    key = models.CharField(max_length=40, unique=True)  # the same at every attempt
    channel = models.ForeignKey(Channel, null=True, on_delete=models.SET_NULL, related_name="notices")
    channel_name = models.CharField(max_length=100)
    event = models.CharField(max_length=10)  # opened or cleared
    firings = models.ManyToManyField(Firing, related_name="notices")
    body = models.JSONField()  # what a webhook is sent; an e-mail is written from it
    created_at = models.DateTimeField(auto_now_add=True)

    state = models.CharField(max_length=10, choices=NoticeState.choices, default=NoticeState.WAITING)
    due_at = models.DateTimeField()  # waiting: of the next attempt; sending: when the claim runs out
    claim = models.CharField(max_length=32, blank=True)
    attempts = models.IntegerField(default=0)
    told_at = models.DateTimeField(null=True)
    answer = models.CharField(max_length=300, blank=True)  # of the last attempt, in words
    response = models.TextField(blank=True)  # how the receiver's answer begins; for Admins

    class Meta:
        ordering = ("-id",)
        indexes = (models.Index(fields=["state", "channel", "id"], name="alerts_notice_due"),)

    def __str__(self) -> str:
        return f"notice {self.key} to {self.channel_name}, {self.state}"


class Watchman(models.Model):
    """One row: which process looks, and when it last did."""

    THE_ONE = 1

    holder = models.CharField(max_length=32, blank=True)
    held_until = models.DateTimeField(null=True)
    looked_at = models.DateTimeField(null=True)
    took_ms = models.FloatField(null=True)
    trouble = models.CharField(max_length=300, blank=True)  # what could not be seen at the last look

    def __str__(self) -> str:
        return f"watchman {self.holder or 'nobody'}"

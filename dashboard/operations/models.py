"""An operation as it stands in the database. The row is the truth; Celery is only what turns the wheel.

    draft ──confirm──▶ queued ──claim──▶ running ──▶ done ──▶ undone (by an operation that takes it back)
                         │                 │  ▲ └──▶ failed
                         └──cancel──▶ cancelled ◀──┘  │
                                           lost: the worker died; a kind that can goes on where it stopped

Every arrow is one UPDATE that names the state it expects (`life.py`), so of two who try exactly one wins.
"""

from __future__ import annotations

from django.conf import settings
from django.db import models


class State(models.TextChoices):
    DRAFT = "draft"  # previewed, waits for a confirmation
    QUEUED = "queued"  # confirmed, waits for a worker
    RUNNING = "running"  # a worker has it
    DONE = "done"
    CANCELLED = "cancelled"  # stopped on request; what was done until then stays done
    FAILED = "failed"
    UNDONE = "undone"  # done, and taken back by another operation


ACTIVE = (State.QUEUED, State.RUNNING)


class Operation(models.Model):
    """One thing that an operator asked for."""

    kind = models.CharField(max_length=40)  # name of a `Kind`
    subject = models.CharField(max_length=300)  # what it is about: "group revenue"
    spec = models.JSONField()  # what was asked for; the kind's form made it
    state = models.CharField(max_length=12, choices=State.choices, default=State.DRAFT)

    preview = models.JSONField(default=dict)  # `Preview` as it was shown
    world = models.JSONField(
        default=dict
    )  # what the preview was true of; compared before anything is changed
    previewed_at = models.DateTimeField(null=True)

    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    confirmed_at = models.DateTimeField(null=True)
    confirmed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    done = models.BigIntegerField(default=0)  # steps so far
    total = models.BigIntegerField(null=True)  # None: not known
    note = models.CharField(max_length=300, blank=True)  # what it does just now
    progress = models.JSONField(default=dict)  # where it would go on after a worker's death
    result = models.JSONField(default=dict)  # `Result`
    error = models.TextField(blank=True)

    cancel_wanted = models.BooleanField(default=False)
    claim = models.CharField(max_length=32, blank=True)  # the run that has it; a new one each time
    runs = models.IntegerField(default=0)  # how often a worker began
    sent_at = models.DateTimeField(null=True)  # last handed to Celery
    beat_at = models.DateTimeField(null=True)  # last sign of life of its worker
    undoes = models.ForeignKey("self", null=True, on_delete=models.SET_NULL, related_name="undone_by")

    class Meta:
        ordering = ("-id",)
        indexes = (models.Index(fields=["state", "-id"], name="operations_state"),)

    def __str__(self) -> str:
        return f"operation {self.pk}: {self.kind} of {self.subject}, {self.state}"

    @property
    def active(self) -> bool:
        return self.state in ACTIVE

    @property
    def over(self) -> bool:
        return self.state in (State.DONE, State.CANCELLED, State.FAILED, State.UNDONE)

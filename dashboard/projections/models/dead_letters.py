"""Dead letters and what they have in common."""

from __future__ import annotations

from django.db import models


class LetterState(models.TextChoices):
    """The life of one dead letter.

    dead ──replay──▶ replaying ──▶ recovered
      │                  └───────▶ failed again: another letter lies behind this one now
      ├──discard──▶ discarded
      ◀──restore───────┘
    """

    DEAD = "dead"
    REPLAYING = "replaying"
    RECOVERED = "recovered"
    FAILED_AGAIN = "failed again"
    DISCARDED = "discarded"


class DeadLetter(models.Model):
    """One death of one record in one group. A record that is replayed and dies again has two letters.

    A letter may be known from what came after it alone, when its own event is late or gone: `died_ms` is NULL then.
    """

    key = models.TextField(unique=True)  # place, replays before this death, group
    group = models.TextField()
    topic = models.TextField()
    partition = models.IntegerField()
    offset = models.BigIntegerField()
    replays = models.IntegerField(default=0)  # before this death
    record_id = models.TextField()
    record_key = models.TextField(null=True)  # noqa: DJ001 - base64; NULL: no key

    state = models.CharField(max_length=12, choices=LetterState.choices)
    state_ms = models.BigIntegerField()  # since when

    died_ms = models.BigIntegerField(null=True)
    cause = models.TextField(default="")
    exception = models.TextField(default="")
    message = models.TextField(default="")
    call_site = models.TextField(default="")
    fingerprint = models.TextField(default="")
    schema_subject = models.TextField(default="")
    schema_version = models.IntegerField(null=True)
    attempts = models.IntegerField(default=0)
    member = models.TextField(default="")
    dlq_topic = models.TextField(default="")
    dlq_partition = models.IntegerField(null=True)
    dlq_offset = models.BigIntegerField(null=True)

    replayed_ms = models.BigIntegerField(null=True)
    replayed_by = models.TextField(default="")
    replay_id = models.TextField(default="")
    replay_target = models.TextField(default="")  # group, source, topic
    edited = models.BooleanField(default=False)
    recovered_ms = models.BigIntegerField(null=True)
    failed_again_ms = models.BigIntegerField(null=True)
    discarded_ms = models.BigIntegerField(null=True)
    discarded_by = models.TextField(default="")
    discard_reason = models.TextField(default="")
    restored_ms = models.BigIntegerField(null=True)

    class Meta:
        indexes = (
            models.Index(fields=["died_ms"], name="letter_by_time"),
            models.Index(fields=["state", "died_ms"], name="letter_by_state"),
            models.Index(fields=["group", "died_ms"], name="letter_of_group_by_time"),
            models.Index(fields=["group", "topic", "state", "died_ms"], name="letter_of_group"),
            models.Index(fields=["fingerprint", "died_ms"], name="letter_of_fingerprint"),
            models.Index(fields=["topic", "partition", "offset"], name="letter_of_place"),
            models.Index(fields=["dlq_topic", "dlq_partition", "dlq_offset"], name="letter_of_dlq_place"),
            models.Index(fields=["record_id"], name="letter_of_record"),
            models.Index(fields=["replay_id"], name="letter_of_replay"),
        )

    def __str__(self) -> str:
        return self.key


class FailureGroup(models.Model):
    """Dead letters of one group and topic with one fingerprint, counted by state; always exact."""

    group = models.TextField()
    topic = models.TextField()
    fingerprint = models.TextField()  # "": letters of which only the aftermath is known
    exception = models.TextField(default="")
    call_site = models.TextField(default="")
    message = models.TextField(default="")  # with its variables taken out
    example = models.TextField(default="")  # message of the newest letter, as it was
    first_ms = models.BigIntegerField(null=True)  # first and last death
    last_ms = models.BigIntegerField(null=True)
    example_key = models.TextField(default="")  # of the newest letter
    dead = models.IntegerField(default=0)
    replaying = models.IntegerField(default=0)
    recovered = models.IntegerField(default=0)
    failed_again = models.IntegerField(default=0)
    discarded = models.IntegerField(default=0)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["group", "topic", "fingerprint"], name="failure_group_key"),
        )
        indexes = (models.Index(fields=["last_ms"], name="failure_group_by_time"),)

    def __str__(self) -> str:
        return f"{self.group} {self.topic} {self.fingerprint}"

    @property
    def total(self) -> int:
        return self.dead + self.replaying + self.recovered + self.failed_again + self.discarded

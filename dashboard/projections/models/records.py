"""What happened to single records: attempts, deaths, recoveries, replays. One row an event."""

from __future__ import annotations

from django.db import models

ATTEMPTS = ("record.retried", "record.dead_lettered", "record.recovered", "record.released")


class RecordEvents(models.QuerySet["RecordEvent"]):
    def attempts(self) -> RecordEvents:
        """Those that an attempt at handling ended with; a death without any attempt is none."""
        return self.filter(kind__in=ATTEMPTS, attempt__gt=0)

    def newest(self, most: int) -> tuple[list[RecordEvent], bool]:
        """So many at most, in the order in which they happened, and whether there are earlier ones."""
        found = list(self.order_by("-at_ms", "-replays", "-attempt", "-id")[: most + 1])
        return found[:most][::-1], len(found) > most

    def timeline(self, record_id: str) -> RecordEvents:
        """A record's whole way, in the order in which it went."""
        return self.filter(record_id=record_id).order_by("at_ms", "replays", "attempt", "id")


class RecordEvent(models.Model):
    """Times are ms since 1970. What an event of this kind does not say is NULL, or empty where it is text."""

    event_id = models.TextField(unique=True)
    kind = models.CharField(max_length=40)  # type without its prefix: "record.retried"
    at_ms = models.BigIntegerField()

    record_id = models.TextField()
    group = models.TextField()
    topic = models.TextField()
    partition = models.IntegerField()
    offset = models.BigIntegerField()
    replays = models.IntegerField(default=0)
    attempt = models.IntegerField(default=0)  # 0: none was made
    member = models.TextField(default="")

    planned_ms = models.BigIntegerField(null=True)  # when this attempt was due
    started_ms = models.BigIntegerField(null=True)  # when it really began
    took_ms = models.FloatField(null=True)
    due_ms = models.BigIntegerField(null=True)  # when the next attempt is due

    exception = models.TextField(default="")
    message = models.TextField(default="")
    call_site = models.TextField(default="")
    fingerprint = models.TextField(default="")
    note = models.TextField(default="")  # cause of a death, target of a replay, reason of a discard
    by = models.TextField(default="")

    objects = RecordEvents.as_manager()

    class Meta:
        indexes = (
            models.Index(fields=["record_id", "at_ms"], name="record_event_of_record"),
            models.Index(fields=["topic", "partition", "offset"], name="record_event_of_place"),
            models.Index(fields=["group", "at_ms"], name="record_event_of_group"),
            models.Index(fields=["at_ms"], name="record_event_by_time"),
        )

    def __str__(self) -> str:
        return self.event_id

    @property
    def late_ms(self) -> int | None:
        """How much later than planned the attempt began; None when nobody planned it."""
        if self.planned_ms is None or self.started_ms is None:
            return None
        return self.started_ms - self.planned_ms

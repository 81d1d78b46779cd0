"""What happened to groups, topics, configuration and schemas. One row an event; times are ms since 1970."""

from __future__ import annotations

from django.db import models


class BrokerEvent(models.Model):
    """Every event that is not about a single record, also those that have a table of their own."""

    event_id = models.TextField(unique=True)
    kind = models.CharField(max_length=80)  # type without its prefix: "member.joined"
    at_ms = models.BigIntegerField()
    group = models.TextField(default="")  # "": not about a group
    topic = models.TextField(default="")
    subject = models.TextField(default="")  # CloudEvents subject
    by = models.TextField(default="")
    data = models.JSONField(default=dict)  # all its fields

    class Meta:
        indexes = (
            models.Index(fields=["at_ms"], name="broker_event_by_time"),
            models.Index(fields=["kind", "at_ms"], name="broker_event_by_kind"),
            models.Index(fields=["group", "at_ms"], name="broker_event_of_group"),
            models.Index(fields=["topic", "at_ms"], name="broker_event_of_topic"),
        )

    def __str__(self) -> str:
        return self.event_id


class Rebalance(models.Model):
    """One rebalance of one group."""

    event_id = models.TextField(unique=True)
    at_ms = models.BigIntegerField()
    group = models.TextField()
    epoch = models.BigIntegerField()
    cause = models.TextField()
    assignor = models.TextField(default="")
    members_before = models.JSONField(default=list)
    members_after = models.JSONField(default=list)
    moved = models.JSONField(default=list)  # topic, partition, before, after, standstill_ms of each partition
    moved_count = models.IntegerField(default=0)
    longest_standstill_ms = models.FloatField(null=True)  # NULL: no partition's is known
    took_ms = models.FloatField(null=True)

    class Meta:
        indexes = (
            models.Index(fields=["group", "at_ms"], name="rebalance_of_group"),
            models.Index(fields=["at_ms"], name="rebalance_by_time"),
        )

    def __str__(self) -> str:
        return f"{self.group} epoch {self.epoch}"


class ConfigChange(models.Model):
    """One setting that got another value."""

    event_id = models.TextField(unique=True)
    at_ms = models.BigIntegerField()
    entity_type = models.TextField()  # broker, topic, group, client
    entity = models.TextField()  # "": the broker's defaults
    name = models.TextField()
    before = models.TextField(null=True)  # noqa: DJ001 - NULL: it was not set
    after = models.TextField(null=True)  # noqa: DJ001 - NULL: it is not set any more
    by = models.TextField(default="")
    revision = models.BigIntegerField(null=True)

    class Meta:
        indexes = (
            models.Index(fields=["entity_type", "entity", "at_ms"], name="config_change_of_entity"),
            models.Index(fields=["at_ms"], name="config_change_by_time"),
        )

    def __str__(self) -> str:
        return f"{self.entity_type} {self.entity} {self.name}"


class OffsetReset(models.Model):
    """Committed offsets that somebody moved."""

    event_id = models.TextField(unique=True)
    at_ms = models.BigIntegerField()
    group = models.TextField()
    strategy = models.TextField(default="")
    by = models.TextField(default="")
    repeated = models.BigIntegerField(null=True)  # records; NULL: not counted
    skipped = models.BigIntegerField(null=True)
    positions = models.JSONField(default=list)  # topic, partition, before, after
    partitions = models.IntegerField(default=0)

    class Meta:
        indexes = (
            models.Index(fields=["group", "at_ms"], name="offset_reset_of_group"),
            models.Index(fields=["at_ms"], name="offset_reset_by_time"),
        )

    def __str__(self) -> str:
        return f"{self.group} at {self.at_ms}"

"""Events that wait to be sent, and how far each partition's numbers are."""

from __future__ import annotations

from django.db import models


class OutboxEvent(models.Model):
    """One record that is to be sent. It is there exactly when the change that it tells of is."""

    topic = models.CharField(max_length=249)
    key = models.BinaryField(null=True)
    value = models.BinaryField(null=True)
    headers = models.JSONField(default=list)  # [[name, value in base64 or null], …]
    created_at = models.DateTimeField(auto_now_add=True)
    # set together, before the first attempt; then they never change
    partition = models.IntegerField(null=True)
    epoch = models.IntegerField(null=True)
    number = models.BigIntegerField(null=True)  # among the records of the epoch and partition

    class Meta:
        ordering = ("pk",)
        indexes = (models.Index(fields=["topic", "partition", "number"], name="outbox_numbered"),)

    def __str__(self) -> str:
        return f"event {self.pk} for {self.topic}"


class OutboxPosition(models.Model):
    """Which number the next record of a partition gets."""

    topic = models.CharField(max_length=249)
    partition = models.IntegerField()
    epoch = models.IntegerField(default=0)
    next_number = models.BigIntegerField(default=0)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["topic", "partition"], name="outbox_position_of"),)

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition} at {self.next_number}"

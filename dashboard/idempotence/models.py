"""Which events a consumer has handled. A row is written in the transaction of the effect, or not at all."""

from __future__ import annotations

from django.db import models
from django.utils import timezone


class Processed(models.Model):
    consumer = models.CharField(max_length=255)  # whose effect it is, such as the group
    event_id = models.CharField(max_length=512)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["consumer", "event_id"], name="processed_once_a_consumer"),
        )
        indexes = (models.Index(fields=["at"], name="processed_by_time"),)

    def __str__(self) -> str:
        return f"{self.consumer} {self.event_id}"

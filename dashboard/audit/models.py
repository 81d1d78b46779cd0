"""The audit trail: rows that are only ever added."""

from __future__ import annotations

from django.conf import settings
from django.db import models


class Entry(models.Model):
    """One thing that somebody did or tried."""

    at = models.DateTimeField(auto_now_add=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    who = models.CharField(max_length=150)  # the name as it was; "" when nobody was signed in
    origin = models.CharField(max_length=45, blank=True)  # network address; "" for a job
    action = models.CharField(max_length=60)  # "operation.confirmed"
    subject = models.CharField(max_length=300, blank=True)  # "group revenue"
    operation = models.BigIntegerField(null=True)  # its number, when it belongs to one
    detail = models.JSONField(default=dict)

    class Meta:
        ordering = ("-id",)
        verbose_name_plural = "entries"
        indexes = (
            models.Index(fields=["action", "-id"], name="audit_action"),
            models.Index(fields=["who", "-id"], name="audit_who"),
            models.Index(fields=["operation"], name="audit_operation"),
        )

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.who} {self.action} {self.subject}"

    @property
    def effect(self) -> str:
        """What came of it, in words; "" where the action says it all."""
        return str(self.detail.get("error") or self.detail.get("effect") or "")

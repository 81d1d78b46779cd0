"""Masking rules as Admins keep them."""

from __future__ import annotations

from django.db import models


class MaskingRule(models.Model):
    """One field that nobody sees in the records of some topics."""

    topics = models.CharField(max_length=249)  # name or pattern: "orders", "shop.*", "*"
    field = models.CharField(max_length=500)  # a field's name, a JSON path, @key, @value
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.CharField(max_length=150, blank=True)  # "": on the command line

    class Meta:
        constraints = (models.UniqueConstraint(fields=["topics", "field"], name="masking_rule_once"),)

    def __str__(self) -> str:
        return f"{self.field} of {self.topics}"

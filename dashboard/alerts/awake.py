"""Whether anybody watches."""

from __future__ import annotations

from django.utils import timezone

from .models import Watchman

ASLEEP_MS = 15_000
"""When the last look is longer ago than this, nobody does."""


def looked_ago_ms() -> int | None:
    """Since anybody last looked; None: nobody ever did. Raises DatabaseError."""
    looked_at = Watchman.objects.values_list("looked_at", flat=True).first()
    return None if looked_at is None else max(0, round((timezone.now() - looked_at).total_seconds() * 1000))

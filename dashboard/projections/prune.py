"""What the tables of history forget, so that they do not grow for ever.

Attempts and what happened to groups and topics go by age. Dead letters stay, and so do the counts of their groups: they
are what operators decide about. Settings that were changed stay: they are few, and an audit asks for them.
"""

from __future__ import annotations

import time

from .models import BrokerEvent, OffsetReset, Rebalance, RecordEvent

DAY_MS = 86_400_000
ROWS_A_TURN = 5_000
"""Looked up at a time; deleted in smaller pieces, so that nobody waits for long."""


def prune(days: int, now_ms: int | None = None) -> int:
    """Delete rows older than so many days; 0 keeps all. How many were deleted. Raises DatabaseError."""
    if days <= 0:
        return 0
    before_ms = (time.time_ns() // 1_000_000 if now_ms is None else now_ms) - days * DAY_MS
    gone = 0
    for table in (RecordEvent, BrokerEvent, Rebalance, OffsetReset):
        while True:
            old = table._default_manager.filter(at_ms__lt=before_ms).order_by("at_ms")
            keys = list(old.values_list("pk", flat=True)[:ROWS_A_TURN])
            for start in range(0, len(keys), 500):
                table._default_manager.filter(pk__in=keys[start : start + 500]).delete()
            gone += len(keys)
            if len(keys) < ROWS_A_TURN:
                break
    return gone

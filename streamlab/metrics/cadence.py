"""When to take the next snapshot: at the middle of every second of the server's clock, without drift."""

from __future__ import annotations

PERIOD_MS = 1_000
PHASE_MS = 500
"""In the middle, so that a little jitter never puts two snapshots into one second and none into the next."""


def tick(server_ms: int) -> int:
    """Number of the tick that this moment belongs to.

    >>> tick(10_499), tick(10_500), tick(11_499)
    (9, 10, 10)
    """
    return (server_ms - PHASE_MS) // PERIOD_MS


def wait_s(server_ms: int, since_s: float) -> float:
    """Seconds to sleep now, when the server's clock showed `server_ms` as of `since_s` seconds ago.

    Never so little that the same tick comes twice; 0 when the next is due.

    >>> wait_s(10_540, since_s=0.25), wait_s(10_540, since_s=2.0), wait_s(10_490, since_s=0.0)
    (0.71, 0.0, 1.01)
    """
    after_ms = server_ms + PERIOD_MS // 4
    due_ms = (tick(after_ms) + 1) * PERIOD_MS + PHASE_MS
    return max(0.0, round((due_ms - server_ms) / 1000 - since_s, 6))


def skipped(before_ms: int | None, now_ms: int) -> int:
    """Ticks between two snapshots that had none.

    >>> skipped(10_540, 11_530), skipped(10_540, 14_600), skipped(None, 14_600)
    (0, 3, 0)
    """
    return 0 if before_ms is None else max(0, tick(now_ms) - tick(before_ms) - 1)

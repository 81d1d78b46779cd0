"""Two clocks: wall time is stored and shown, monotonic time is subtracted.

Nothing else in the core asks the operating system for the time, so that a test can hand in its own clock
instead of sleeping. Leases and append times use neither: they are the server's time, read inside the scripts.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Protocol


class Clock(Protocol):
    def wall_ns(self) -> int:
        """Nanoseconds since the Unix epoch, UTC. May jump when the system's clock is set."""

    def wall_ms(self) -> int:
        """Milliseconds since the Unix epoch, UTC. May jump when the system's clock is set."""

    def monotonic(self) -> float:
        """Seconds since an arbitrary start. Never goes back; only differences mean something."""


@dataclass(frozen=True)
class SystemClock:
    wall_ns = staticmethod(time.time_ns)

    def wall_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        return time.monotonic()


SYSTEM_CLOCK = SystemClock()


class Deadline:
    """A moment on the monotonic clock, asked for what is left of it.

    >>> Deadline(0).expired
    True
    """

    __slots__ = ("_at", "_clock")

    def __init__(self, timeout_ms: float | None, clock: Clock = SYSTEM_CLOCK):
        """`timeout_ms` None means never."""
        self._clock = clock
        self._at = None if timeout_ms is None else clock.monotonic() + timeout_ms / 1000

    @property
    def remaining_s(self) -> float | None:
        """Seconds left, at least 0; None when there is no end."""
        return None if self._at is None else max(0.0, self._at - self._clock.monotonic())

    @property
    def remaining_ms(self) -> float | None:
        left = self.remaining_s
        return None if left is None else left * 1000

    @property
    def expired(self) -> bool:
        return self._at is not None and self._clock.monotonic() >= self._at

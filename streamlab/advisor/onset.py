"""Did it begin to fail after a moment? What failed right before is compared with what failed since. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

import msgspec

SUSPECT_MS = 5 * 60_000
"""What began longer than this after a moment has nothing to do with it."""
BEFORE_MS = (15_000, 60_000)
"""So long before the moment it must have been better: it may have begun a little earlier, or come and go."""
LONGEST_MS = 60_000
"""Of a longer span it is not known when in it something failed."""
TIMES = 2.0
SURE = 1.7
"""How many standard deviations a rise must stand out: three failures where there were none do."""


class Failed(msgspec.Struct, frozen=True, array_like=True):
    """What failed in one span of time."""

    from_ms: int
    until_ms: int
    of: float  # attempts, or seconds: what the failures are measured by; 0: nothing was measured
    failed: float  # attempts, or records that died


def began_after(at_ms: int, spans: Sequence[Failed]) -> bool:
    """Whether far more failed after the moment than before. False also when it is not known what failed before.

    Nothing, then five a second; and five a second all the time:

    >>> seconds = [Failed(t, t + 1_000, 1.0, 5.0 if t >= 60_000 else 0.0) for t in range(0, 90_000, 1_000)]
    >>> began_after(58_000, seconds), began_after(75_000, seconds), began_after(0, seconds)
    (True, False, False)
    """
    told = [span for span in spans if span.of and span.until_ms - span.from_ms <= LONGEST_MS]
    after = _sum([s for s in told if s.from_ms >= at_ms and s.until_ms <= at_ms + SUSPECT_MS])
    return all(
        _rose(_sum([s for s in told if at_ms - before_ms < s.until_ms <= at_ms]), after)
        for before_ms in BEFORE_MS
    )


def _sum(spans: Sequence[Failed]) -> tuple[float, float]:
    """(measured by, failed)"""
    return sum(span.of for span in spans), sum(span.failed for span in spans)


def _rose(before: tuple[float, float], after: tuple[float, float]) -> bool:
    if not before[0] or not after[0]:
        return False
    times = TIMES * after[0] / before[0]
    return after[1] - times * before[1] >= SURE * sqrt(after[1] + times**2 * before[1]) and after[1] > 0


def joined(spans: Sequence[Failed], one: Failed, at_least_ms: int, since_ms: int) -> list[Failed]:
    """With one more, the newest; a span shorter than `at_least_ms` is made longer by it. What is older goes.

    >>> joined([Failed(0, 5_000, 10, 1)], Failed(5_000, 11_000, 12, 3), 10_000, 0)
    [Failed(from_ms=0, until_ms=11000, of=22.0, failed=4.0)]
    """
    kept = [span for span in spans if span.from_ms >= since_ms]
    last = kept[-1] if kept else None
    if last is not None and last.until_ms == one.from_ms and last.until_ms - last.from_ms < at_least_ms:
        kept[-1] = Failed(
            last.from_ms, one.until_ms, float(last.of + one.of), float(last.failed + one.failed)
        )
        return kept
    return [*kept, one]

"""Rates out of counters, as pure functions of what was read before and now.

Records and bytes appended: the plain difference since the snapshot before. Appends are many and small, so one
second of them is a true count and needs no smoothing; history keeps means over 10 s and 60 s for the long
view.

Records consumed: a group shows its progress only when it commits, by default every 5 s. A plain difference
would read 0, 0, 0, 0, 5000. So the rate is the slope between the commit that stood `WINDOW_MS` ago and the
newest one, by the times of the commits themselves, which has no ripple whatever the interval of the commits
is.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

Number = TypeVar("Number", int, float)

WINDOW_MS = 10_000
"""How far the older commit may lie back: two default commit intervals."""
QUIET_MS = 5_500
"""A group that has not committed for this long is taken to have stopped since: a default commit interval and
slack."""
SHORTEST_MS = 500
"""Commits closer together than this tell nothing: the first after a start would read as a burst."""


def per_second(before: float | None, after: float, elapsed_ms: float) -> float | None:
    """None when nothing was read before, no time passed, or the counter went back (made anew, or rolled
    back).

    >>> per_second(100, 350, 500)
    500.0
    >>> per_second(350, 100, 500) is None
    True
    """
    if before is None or elapsed_ms <= 0 or after < before:
        return None
    return (after - before) * 1000 / elapsed_ms


def commit_rate(
    offset_then: int,
    commit_ms_then: int,
    offset: int,
    commit_ms: int,
    now_ms: int,
    window_ms: int = WINDOW_MS,
) -> float | None:
    """Records/s between two commits of one group on one partition; a time of 0 means that there was no
    commit.

    A group with 1,000 records in each of its commits 5 s apart:

    >>> commit_rate(1_000, 15_000, 3_000, 25_000, now_ms=27_000)
    200.0

    Two seconds later it should have committed and has not: the silence counts.

    >>> commit_rate(1_000, 15_000, 3_000, 25_000, now_ms=32_500)
    166.66666666666666

    No commit in the window is 0 once the window has passed, unknown until then; so is a step back.

    >>> commit_rate(3_000, 25_000, 3_000, 25_000, now_ms=35_000)
    0.0
    >>> commit_rate(3_000, 25_000, 3_000, 25_000, now_ms=30_000) is None
    True
    >>> commit_rate(3_000, 25_000, 10, 26_000, now_ms=27_000) is None
    True
    """
    if commit_ms_then <= 0 or commit_ms <= 0:
        return None
    if commit_ms <= commit_ms_then:
        return 0.0 if now_ms - commit_ms >= window_ms else None
    until_ms = commit_ms if commit_ms > now_ms - QUIET_MS else now_ms - QUIET_MS
    if until_ms - commit_ms_then < SHORTEST_MS:
        return None
    return per_second(offset_then, offset, until_ms - commit_ms_then)


def total(figures: Iterable[Number | None]) -> Number | None:
    """Sum of those that are known; None when none is.

    >>> total([1.5, None, 2.0]), total([None]), total([])
    (3.5, None, None)
    """
    known = [figure for figure in figures if figure is not None]
    return sum(known) if known else None

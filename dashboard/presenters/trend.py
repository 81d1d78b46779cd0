"""Where a lag is heading: its slope over the last seconds, in words, with a dead band against noise.

The shortest window that is sure of itself speaks, so that a change shows within 5 to 6 seconds. A lag that commits
drop in steps needs a longer one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import sqrt

from .figures import Figure, rate, spell_duration, unknown

DEAD_BAND_PER_S = 1.0
"""Slopes within ± this many records/s count as steady."""
MIN_SAMPLES = 5
WINDOWS_S = (6, 12, 20)
HELD_SAMPLES = 3
"""So many samples in a row have to agree before what was said before is dropped."""
LOOK_BACK = 10
"""Samples whose direction is looked at for what holds now."""
SURE = 4.0
"""A slope below so many of its standard errors is noise: neighbouring samples are alike, so it is a high bar."""


class Direction(StrEnum):
    RISING = "rising"
    FALLING = "falling"
    STEADY = "steady"
    UNKNOWN = "unknown"


ARROWS = {Direction.RISING: "↗", Direction.FALLING: "↘", Direction.STEADY: "→", Direction.UNKNOWN: "—"}


@dataclass(frozen=True)
class Trend:
    """`per_s` is the change of the lag in records/s; None with direction UNKNOWN."""

    direction: Direction
    per_s: float | None
    closes_in_ms: float | None  # until the lag is 0 at this pace; None: it is not falling
    directions: tuple[Direction, ...] = ()  # at the last samples, oldest first; () where nobody looked
    ages_ms: tuple[float | None, ...] = ()  # of the oldest unread record at the last samples, oldest first
    risen: float | None = None  # records above the lowest of the samples; None: too few of them

    @property
    def held(self) -> Direction:
        """The direction that held for some samples; a single other one does not change it.

        >>> up, flat = Direction.RISING, Direction.STEADY
        >>> Trend(flat, 0.0, None, (up, up, flat, up, flat)).held.value
        'rising'
        """
        found, streak = self.directions[0] if self.directions else self.direction, 0
        for before, now in zip(self.directions, self.directions[1:], strict=False):
            streak = streak + 1 if now is before else 0
            if streak >= HELD_SAMPLES - 1:
                found = now
        return found

    def older_than(self, enter_ms: int, leave_ms: int, now_ms: float | None) -> bool:
        """Whether the oldest unread record is old: from above `enter_ms` until it stays below `leave_ms`.

        `now_ms` is its age now. The answer follows from the samples alone, so that everybody gets the same one.
        """
        if now_ms is None:
            return False
        old, below = False, 0
        for age in (*self.ages_ms, now_ms):
            if age is None:
                continue
            below = below + 1 if age < leave_ms else 0
            if age > enter_ms:
                old = True
            elif below >= HELD_SAMPLES:
                old = False
        return old

    @property
    def at_rest(self) -> bool:
        """Whether nothing came on top of the lag in the whole minute, not even slower than the dead band."""
        return self.risen == 0

    @property
    def change_per_s(self) -> float | None:
        """Records/s by which the lag rises, negative where it falls; 0 within the dead band, None where not known."""
        return 0.0 if self.direction is Direction.STEADY else self.per_s

    @property
    def arrow(self) -> str:
        return ARROWS[self.direction]

    @property
    def speed(self) -> Figure:
        return unknown("Needs a few seconds of history") if self.per_s is None else rate(abs(self.per_s))

    @property
    def words(self) -> str:
        """
        >>> Trend(Direction.FALLING, -20.0, 72_000).words
        'falling 20/s, caught up in 1 min 12 s'
        """
        if self.direction in (Direction.STEADY, Direction.UNKNOWN):
            return self.direction.value
        pace = f"{self.direction} {self.speed.plain}"
        return (
            pace if self.closes_in_ms is None else f"{pace}, caught up in {spell_duration(self.closes_in_ms)}"
        )


UNKNOWN = Trend(Direction.UNKNOWN, None, None)


def slope(times_ms: Sequence[int], values: Sequence[float | None]) -> tuple[float, float] | None:
    """Least-squares slope per second and its standard error; None with fewer than MIN_SAMPLES known values.

    >>> slope(range(0, 8000, 1000), [0, 10, 20, 30, 40, 50, 60, 70])
    (10.0, 0.0)
    """
    points = [(t / 1000, v) for t, v in zip(times_ms, values, strict=True) if v is not None]
    if len(points) < MIN_SAMPLES:
        return None
    mean_t = sum(t for t, _ in points) / len(points)
    mean_v = sum(v for _, v in points) / len(points)
    spread = sum((t - mean_t) ** 2 for t, _ in points)
    if not spread:
        return None
    per_s = sum((t - mean_t) * (v - mean_v) for t, v in points) / spread
    unexplained = sum((v - mean_v - per_s * (t - mean_t)) ** 2 for t, v in points)
    return per_s, sqrt(unexplained / (len(points) - 2) / spread)


def of_lag(
    times_ms: Sequence[int],
    lags: Sequence[float | None],
    ages_ms: Sequence[float | None] = (),
    windows_s: Sequence[int] = WINDOWS_S,
) -> Trend:
    """The trend of a group's lag from about a minute of samples, oldest first.

    `ages_ms` holds the age of the oldest unread record at the same samples. Samples further apart than a second need
    `windows_s` longer by as much.
    """
    known = [(t, lag) for t, lag in zip(times_ms, lags, strict=True) if lag is not None]
    if len(known) >= MIN_SAMPLES and len({lag for _, lag in known}) == 1:  # most groups, most of the time
        return Trend(Direction.STEADY, 0.0, None, ages_ms=tuple(ages_ms), risen=0.0)
    ends = range(max(len(known) - LOOK_BACK + 1, 1), len(known) + 1)
    found = [_at_the_end_of(known[:end], windows_s) for end in ends]
    directions = tuple(direction for direction, _ in found if direction is not Direction.UNKNOWN)
    direction, per_s = found[-1] if found else (Direction.UNKNOWN, None)
    closes_in_ms = known[-1][1] / -per_s * 1000 if per_s and direction is Direction.FALLING else None
    risen = known[-1][1] - min(lag for _, lag in known) if len(known) >= MIN_SAMPLES else None
    return Trend(direction, per_s, closes_in_ms, directions, tuple(ages_ms), risen)


def _at_the_end_of(
    samples: Sequence[tuple[int, float]], windows_s: Sequence[int]
) -> tuple[Direction, float | None]:
    """Direction and records/s at the last of these samples, by the shortest window that is sure."""
    end_ms, lag = samples[-1]
    first: tuple[float, float] | None = None
    for window_s in windows_s:
        recent = [(t, v) for t, v in samples[-window_s - 1 :] if end_ms - t <= window_s * 1000]
        measured = slope([t for t, _ in recent], [v for _, v in recent])
        if measured is None:
            continue
        first = first or measured
        per_s, error = measured
        if abs(per_s - first[0]) > SURE * first[1]:
            break  # a longer window remembers what is over already
        if abs(per_s) > max(DEAD_BAND_PER_S, SURE * error) and lag:
            return (Direction.RISING if per_s > 0 else Direction.FALLING), per_s
    return (Direction.UNKNOWN, None) if first is None else (Direction.STEADY, first[0])

"""Where a lag is heading: slope over the last minute, in words, with a dead band against noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import sqrt

from .figures import Figure, rate, spell_duration, unknown

DEAD_BAND_PER_S = 1.0
"""Slopes within ± this many records/s count as steady."""
MIN_SAMPLES = 8
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


def of_lag(times_ms: Sequence[int], lags: Sequence[float | None]) -> Trend:
    """The trend of a group's lag from about a minute of samples, oldest first."""
    measured = slope(times_ms, lags)
    if measured is None:
        return UNKNOWN
    per_s, error = measured
    now = next((lag for lag in reversed(lags) if lag is not None), 0)
    if abs(per_s) <= max(DEAD_BAND_PER_S, SURE * error) or not now:
        return Trend(Direction.STEADY, per_s, None)
    if per_s > 0:
        return Trend(Direction.RISING, per_s, None)
    return Trend(Direction.FALLING, per_s, now / -per_s * 1000)

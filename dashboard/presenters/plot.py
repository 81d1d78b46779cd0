"""Geometry of small still charts that the server draws: axes with round numbers, and places for labels. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from .figures import Figure, count, duration, percent, rate, ratio, size

STEPS = (1, 2, 2.5, 5, 10)


@dataclass(frozen=True)
class Tick:
    at: str  # in the units of the drawing
    label: str


@dataclass(frozen=True)
class Axis:
    """From numbers to places. `begin` and `end` are places of `low` and `high`; logarithmic where `log`."""

    low: float
    high: float
    begin: float
    end: float
    log: bool = False

    def at(self, value: float) -> float:
        low, high, value = (self._scaled(v) for v in (self.low, self.high, value))
        share = (value - low) / (high - low) if high > low else 0.5
        return self.begin + share * (self.end - self.begin)

    def _scaled(self, value: float) -> float:
        return math.log10(max(value, 1e-9)) if self.log else value

    def ticks(self, most: int = 6) -> list[float]:
        """Round numbers within.

        >>> Axis(0, 1_050, 0, 1).ticks()
        [0, 200, 400, 600, 800, 1000]
        >>> Axis(1, 2_000, 0, 1, log=True).ticks()
        [1, 10, 100, 1000]
        """
        if self.log:
            return self._decades(most)
        step = _round_up((self.high - self.low) / most) if self.high > self.low else 1.0
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [_plain(n * step) for n in range(first, last + 1)]

    def _decades(self, most: int) -> list[float]:
        first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
        among = (1,) if last - first > 3 else (1, 3) if last - first > 1 else (1, 2, 5)
        found = [_plain(m * 10.0**n) for n in range(first, last + 1) for m in among]
        return [value for value in found if self.low <= value <= self.high * (1 + 1e-9)]


def from_zero(values: Sequence[float], begin: float, end: float, room: float = 1.08) -> Axis:
    """Up to a little above the largest."""
    return Axis(0.0, max([*values, 1e-6]) * room, begin, end)


def around(values: Sequence[float], begin: float, end: float) -> Axis:
    """Logarithmic where they differ by more than ten times, else from zero."""
    low, high = min(values), max(values)
    if low > 0 and high / low > 10:
        return Axis(low / 1.5, high * 1.5, begin, end, log=True)
    return from_zero(values, begin, end)


def figure(value: float | None, unit: str, reason: str = "Not measured") -> Figure:
    """In the unit of a measure, with the digits that a comparison needs.

    >>> [figure(0.43, "ms").plain, figure(1_500, "ms").plain, figure(1.37, "records").plain]
    ['0.43 ms', '1.5 s', '1.37']
    >>> figure(0.213, "share of a core").plain
    '21.3 %'
    """
    match unit:
        case "records/s":
            return rate(value, reason=reason)
        case "ms":
            if value is None or value >= 999.5:
                return duration(value, reason)
            return Figure(ratio(value).text, "ms", f"{value:.4g} milliseconds", value)
        case "bytes":
            return size(value, reason)
        case "share of a core":
            return percent(value, reason)
        case _:
            if value is None or abs(value) >= 100:
                return count(value, unit, reason)
            return Figure(ratio(value).text, "", f"{value:.4g} {unit}", value)


def _round_up(step: float) -> float:
    scale = 10.0 ** math.floor(math.log10(step))
    return next(s * scale for s in STEPS if s * scale >= step * (1 - 1e-9))


def _plain(value: float) -> float:
    rounded = float(f"{value:.12g}")
    return int(rounded) if rounded == int(rounded) else rounded


@dataclass(frozen=True)
class Box:
    x: float
    y: float
    width: float
    height: float

    def meets(self, other: Box) -> bool:
        apart = (
            self.x + self.width < other.x
            or other.x + other.width < self.x
            or self.y + self.height < other.y
            or other.y + other.height < self.y
        )
        return not apart


def place(
    x: float, y: float, width: float, height: float, taken: Sequence[Box], within: Box, gap: float = 9.0
) -> Box:
    """Room for a label beside a point: right, left, above or below it, where nothing else is; else right."""
    tried = [
        Box(x + gap, y - height / 2, width, height),
        Box(x - gap - width, y - height / 2, width, height),
        Box(x - width / 2, y - gap - height, width, height),
        Box(x - width / 2, y + gap, width, height),
        Box(x + gap, y + gap / 2, width, height),
        Box(x + gap, y - gap - height, width, height),
    ]
    inside = [b for b in tried if b.x >= within.x and b.x + b.width <= within.x + within.width]
    inside = [b for b in inside if b.y >= within.y and b.y + b.height <= within.y + within.height]
    return next((b for b in inside if not any(b.meets(other) for other in taken)), (inside or tried)[0])

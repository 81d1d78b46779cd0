"""Durations and sizes of the last half minute: mean, largest, and percentiles that are right when summed over clients.

The thread that measures only appends; whoever reads sorts what is new into slots. A slot keeps a sketch: how many
values fell between two powers of `GAMMA`. Sketches are added by adding their counts, and a percentile of the
sum is within 1 % of the true one (DDSketch, Masson et al., VLDB 2019). A sketch of everything since the start is kept
as well: what came between two looks at it is their difference, over a window of any length.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..clock import SYSTEM_CLOCK, Clock

SPAN_S = 30.0
"""What figures are about: the last half minute."""
SLOT_S = 5.0
GAMMA = 1.02
_PER_LOG = 1 / math.log(GAMMA)
_SMALLEST = 1e-3
UNREAD = 100_000
"""Values that wait to be read at most; with nobody reading, the oldest go."""

Sketch = dict[int, int]
"""Number of a bucket -> how many values fell into it. Bucket i holds what lies between GAMMA**i and GAMMA**(i+1)."""


def bucket(value: float) -> int:
    return math.floor(math.log(max(value, _SMALLEST)) * _PER_LOG)


def added(sketches: Iterable[Mapping[int, int]]) -> Sketch:
    """
    >>> added([{1: 2, 3: 1}, {3: 4}])
    {1: 2, 3: 5}
    """
    total: Sketch = {}
    for sketch in sketches:
        for index, count in sketch.items():
            total[index] = total.get(index, 0) + count
    return total


def between(before: Mapping[int, int], after: Mapping[int, int]) -> Sketch:
    """What came in from one look at everything to a later one of the same client.

    >>> between({1: 2, 3: 1}, {1: 2, 3: 4, 9: 1})
    {3: 3, 9: 1}
    """
    counts = {index: count - before.get(index, 0) for index, count in after.items()}
    return {index: count for index, count in counts.items() if count > 0}


def percentile(sketch: Mapping[int, int], percent: float) -> float:
    """The value that `percent` of all values do not exceed, within 1 %; NaN of nothing.

    >>> round(percentile({bucket(v): 1 for v in (1.0, 2.0, 4.0, 800.0)}, 50), 1)
    2.0
    """
    left = sum(sketch.values()) * percent / 100
    for index in sorted(sketch):
        left -= sketch[index]
        if left <= 0:
            return float(GAMMA ** (index + 0.5))
    return math.nan


@dataclass
class _Slot:
    """What was measured within `SLOT_S`."""

    since: float  # monotonic seconds
    count: int = 0
    total: float = 0.0
    largest: float = 0.0
    sketch: Sketch = field(default_factory=dict)


class Distribution:
    """Of one measure. `add` may be called in one thread while others read."""

    def __init__(self, clock: Clock = SYSTEM_CLOCK):
        self._clock = clock
        self._new: deque[Any] = deque(maxlen=UNREAD)
        self._slots: deque[_Slot] = deque()
        self._ever: Sketch = {}
        self._lock = threading.Lock()
        self.add = self._new.append  # the whole cost to who measures

    def read(self) -> Figures:
        """Of the last half minute. Values count from when they are first read."""
        with self._lock:
            now = self._clock.monotonic()
            self._sort_in(now)
            while self._slots and self._slots[0].since < now - SPAN_S:
                self._slots.popleft()
            return Figures(
                sum(slot.count for slot in self._slots),
                sum(slot.total for slot in self._slots),
                max((slot.largest for slot in self._slots), default=math.nan),
                added(slot.sketch for slot in self._slots),
            )

    def ever(self) -> Sketch:
        """Of everything since the start."""
        with self._lock:
            self._sort_in(self._clock.monotonic())
            return dict(self._ever)

    def _sort_in(self, now: float) -> None:
        if not self._new:
            return
        if not self._slots or now - self._slots[-1].since >= SLOT_S:
            self._slots.append(_Slot(now))
        slot = self._slots[-1]
        for _ in range(len(self._new)):
            value, count = self._one(self._new.popleft())
            slot.count += count
            slot.total += value * count
            slot.largest = max(slot.largest, value)
            index = bucket(value)
            slot.sketch[index] = slot.sketch.get(index, 0) + count
            self._ever[index] = self._ever.get(index, 0) + count

    def _one(self, added: Any) -> tuple[float, int]:
        """A value, and how often it was measured."""
        return added, 1


class Weighted(Distribution):
    """Of values that each stand for several: `add((value, how many))`."""

    def _one(self, added: Any) -> tuple[float, int]:
        value: float
        count: int
        value, count = added
        return value, count


@dataclass(frozen=True)
class Figures:
    """What a `Distribution` has to say; means and largest of nothing are NaN."""

    count: int
    total: float
    largest: float
    sketch: Sketch

    @property
    def mean(self) -> float:
        return self.total / self.count if self.count else math.nan

    def named(self, name: str, *percents: int) -> dict[str, float]:
        """`<name>-avg`, `<name>-max`, `<name>-p99`."""
        found = {f"{name}-avg": self.mean, f"{name}-max": self.largest}
        return found | {f"{name}-p{percent}": percentile(self.sketch, percent) for percent in percents}

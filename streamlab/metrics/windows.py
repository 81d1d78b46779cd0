"""Rates over the last half minute from counters that only rise."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping
from typing import NamedTuple

from ..clock import SYSTEM_CLOCK, Clock
from .distribution import SPAN_S

_EVERY_S = 1.0


class _Look(NamedTuple):
    at: float  # monotonic seconds
    totals: Mapping[str, float]


class Since(NamedTuple):
    """How much counters rose, and in what time."""

    elapsed_s: float  # 1 at least, so that the first moment makes no huge rate
    rose: dict[str, float]

    def rate(self, name: str) -> float:
        return self.rose[name] / self.elapsed_s

    def each(self, name: str, other: str) -> float:
        """How much of one there was for each of the other; NaN for none.

        >>> Since(10.0, {"bytes": 600.0, "requests": 3.0}).each("bytes", "requests")
        200.0
        """
        return self.rose[name] / self.rose[other] if self.rose[other] else float("nan")


class Window:
    """Remembers counters once a second for half a minute. Safe to share between threads."""

    def __init__(self, names: tuple[str, ...], clock: Clock = SYSTEM_CLOCK):
        self._clock = clock
        self._lock = threading.Lock()
        self._looks = deque([_Look(clock.monotonic(), dict.fromkeys(names, 0.0))])

    def look(self, totals: Mapping[str, float]) -> Since:
        """How much each rose in the last half minute, or since the start when that is younger.

        One that was not there then has risen from 0.
        """
        with self._lock:
            now, looks = self._clock.monotonic(), self._looks
            while len(looks) > 1 and looks[1].at <= now - SPAN_S:
                looks.popleft()
            first = looks[0]
            if now - looks[-1].at >= _EVERY_S:
                looks.append(_Look(now, dict(totals)))
        rose = {name: float(total) - first.totals.get(name, 0.0) for name, total in totals.items()}
        return Since(max(now - first.at, _EVERY_S), rose)

"""How often somebody may call: a bucket for each caller that fills again with time.

In the memory of one web process. Several processes allow as many times as much, which keeps any one of them well.
"""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock

MOST_CALLERS = 10_000
"""Buckets kept; of more, those that were asked longest ago are full again."""


class TooOften(Exception):
    """Raised when somebody calls too often: 429. `retry_after_s` says when to come again."""

    def __init__(self, retry_after_s: float):
        self.retry_after_s = max(1, math.ceil(retry_after_s))
        super().__init__(f"Too many requests; come again in {self.retry_after_s} s.")


class Buckets:
    """`burst` calls at once, and then `per_s`.

    >>> now = 0.0
    >>> buckets = Buckets(per_s=2, burst=2, clock=lambda: now)
    >>> [buckets.wait_s("ann") for _ in range(3)], buckets.wait_s("bob")
    ([0.0, 0.0, 0.5], 0.0)
    >>> now = 0.5
    >>> buckets.wait_s("ann")
    0.0
    """

    def __init__(self, per_s: float, burst: float, clock: Callable[[], float] = time.monotonic):
        self._per_s, self._burst, self._clock = per_s, burst, clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()  # caller → (calls left, when)
        self._lock = Lock()

    def wait_s(self, caller: str, cost: float = 1) -> float:
        """0 and the call is counted, or how long to wait. `cost` 0 only asks."""
        with self._lock:
            now = self._clock()
            left, at = self._left.get(caller, (self._burst, now))
            left = min(self._burst, left + (now - at) * self._per_s)
            enough = left >= 1
            self._left[caller] = (left - cost if enough else left, now)
            self._left.move_to_end(caller)
            if len(self._left) > MOST_CALLERS:
                self._left.popitem(last=False)
            return 0.0 if enough else (1 - left) / self._per_s

    def take(self, caller: str, cost: float = 1) -> None:
        """Raises TooOften."""
        if wait_s := self.wait_s(caller, cost):
            raise TooOften(wait_s)

"""What a worker has done since it was started."""

from __future__ import annotations

import math
from collections import Counter

from .policy import GiveUp, RetryIn

_GROWTH = math.log(1.05)
"""Each bucket is 5 % wider than the one before, so a percentile is right to within 5 %."""


class Latencies:
    """How long handlers took, as counts in buckets of growing width. Those of two workers may be added.

    >>> latencies = Latencies()
    >>> for ms in range(1, 101): latencies.add(ms / 1000)
    >>> 47 < latencies.percentile_ms(50) < 53
    True
    """

    __slots__ = ("counts",)

    def __init__(self) -> None:
        self.counts: Counter[int] = Counter()  # bucket -> how many; bucket n ends at 1.05^n µs

    def add(self, seconds: float) -> None:
        self.counts[int(math.log(seconds * 1e6) / _GROWTH) + 1 if seconds > 1e-6 else 0] += 1

    def percentile_ms(self, percent: float) -> float | None:
        """None: nothing was measured."""
        total = sum(self.counts.values())
        left = total * percent / 100
        for bucket in sorted(self.counts):
            left -= self.counts[bucket]
            if left <= 0:
                return math.exp((bucket - 0.5) * _GROWTH) / 1000
        return None


class Tally:
    """Written by the worker's thread; reading it from another one is safe."""

    def __init__(self) -> None:
        self.handled = 0  # attempts that succeeded
        self.failures = 0  # attempts that did not
        self.retried = 0  # of those: to be tried again
        self.released = 0  # given back by the handler; no failure
        self.dead: Counter[str] = Counter()  # cause -> records given up
        self.recovered = 0  # records handled after they had failed
        self.parked = 0  # records put behind another one of their key
        self.timeouts = 0  # attempts that took too long
        self.unreadable = 0  # batches that are damaged, or partitions that are gone
        self.skipped = 0  # records that were settled before they were read again
        self.latencies = Latencies()

    def failed(self, verdict: RetryIn | GiveUp, timed_out: bool) -> None:
        if isinstance(verdict, RetryIn) and not verdict.counted:
            self.released += 1
            return
        self.failures += 1
        self.timeouts += timed_out
        if isinstance(verdict, GiveUp):
            self.dead[str(verdict.cause)] += 1
        else:
            self.retried += 1

    def named(self) -> dict[str, float]:
        """An unknown percentile is NaN."""
        named = {
            "records-handled-total": float(self.handled),
            "records-failed-total": float(self.failures),
            "records-retried-total": float(self.retried),
            "records-released-total": float(self.released),
            "records-recovered-total": float(self.recovered),
            "records-parked-total": float(self.parked),
            "records-skipped-total": float(self.skipped),
            "partitions-unreadable-total": float(self.unreadable),
            "records-dead-total": float(sum(self.dead.values())),
            "handler-timeouts-total": float(self.timeouts),
        }
        for percent in (50, 95, 99):
            found = self.latencies.percentile_ms(percent)
            named[f"handler-latency-p{percent}-ms"] = math.nan if found is None else found
        return named

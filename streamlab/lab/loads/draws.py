"""Chance, in its bounds: which key is next, how many records are due, how long a handler takes, whom it fails on."""

from __future__ import annotations

import itertools
import math
from enum import StrEnum
from hashlib import blake2b
from random import Random

from .load import Burst, Failures, Keys


class KeyDraw:
    """Draws keys as `Keys` says.

    >>> KeyDraw(Keys(kind="none"), Random(1)).draw(2)
    [None, None]
    """

    def __init__(self, keys: Keys, chance: Random):
        self._keys, self._chance = keys, chance
        self._names = [b"key-%d" % n for n in range(1, keys.count + 1)]
        self._cumulated = _cumulated(keys)

    def draw(self, records: int) -> list[bytes | None]:
        if self._keys.kind == "none":
            return [None] * records
        return list(self._chance.choices(self._names, cum_weights=self._cumulated, k=records))


def _cumulated(keys: Keys) -> list[float] | None:
    """Running sums of the keys' shares; None: all alike."""
    if keys.kind == "zipf":
        return list(itertools.accumulate(1 / n**keys.skew for n in range(1, keys.count + 1)))
    if keys.kind == "hot":
        rest = (1 - keys.hot_share) / max(1, keys.count - 1)
        return list(itertools.accumulate([keys.hot_share, *[rest] * (keys.count - 1)]))
    return None


def burst_factor(burst: Burst | None, since_start_s: float) -> float:
    """How many times the rate is sent now.

    >>> burst = Burst(times=10.0, for_s=60, every_s=180, after_s=20)
    >>> [burst_factor(burst, s) for s in (0, 20, 79, 80, 199, 200, 259, 260)]
    [1.0, 10.0, 10.0, 1.0, 1.0, 10.0, 10.0, 1.0]
    """
    if burst is None or since_start_s < burst.after_s:
        return 1.0
    return burst.times if (since_start_s - burst.after_s) % burst.every_s < burst.for_s else 1.0


class Due:
    """How many records a rate makes due, tick by tick. After a stall no more than a second is made up for.

    >>> due = Due()
    >>> [due.take(100, now) for now in (5.0, 5.01, 5.015, 5.02, 60.0)]
    [0, 1, 0, 1, 100]
    """

    def __init__(self) -> None:
        self._last: float | None = None
        self._left = 0.0  # parts of a record

    def take(self, rate: float, now: float) -> int:
        """`rate` in records/s, `now` monotonic."""
        elapsed = 0.0 if self._last is None else min(1.0, now - self._last)
        self._last = now
        # a hair more, so that 0.01 s at 100 records/s is one record although floats say 0.99999
        whole = math.floor(self._left + rate * elapsed + 1e-6)
        self._left = max(0.0, self._left + rate * elapsed - whole)
        return whole


def handler_s(mean_ms: float, spread: float, chance: Random) -> float:
    """Seconds that one record takes: log-normal, as service times are, with this mean and relative deviation.

    >>> handler_s(20, 0, Random(1))
    0.02
    """
    if mean_ms <= 0 or spread <= 0:
        return mean_ms / 1000
    variance = math.log(1 + spread * spread)
    return chance.lognormvariate(math.log(mean_ms) - variance / 2, math.sqrt(variance)) / 1000


class Fate(StrEnum):
    """What a handler makes of a record."""

    GOOD = "good"
    TRANSIENT = "transient"
    PERMANENT = "permanent"
    STALL = "stall"


def fate(failures: Failures, record_id: str) -> Fate:
    """Always the same for a record; a larger share fails on the same ones and some more.

    >>> {fate(Failures(permanent_share=0), f"{n}") for n in range(9)} == {Fate.GOOD}
    True
    >>> round(sum(fate(Failures(permanent_share=0.2), f"{n}") is Fate.PERMANENT for n in range(9999)) / 9999, 1)
    0.2
    """
    luck = luck_of(record_id)
    for share, found in (
        (failures.permanent_share, Fate.PERMANENT),
        (failures.transient_share, Fate.TRANSIENT),
        (failures.stall_share, Fate.STALL),
    ):
        if luck < share:
            return found
        luck -= share
    return Fate.GOOD


def luck_of(record_id: str) -> float:
    """0..1"""
    return int.from_bytes(blake2b(record_id.encode(), digest_size=6).digest()) / 2**48

"""Turns: A B C A B C …, so that what the machine does meanwhile hits all alike; and what remains of them."""

from __future__ import annotations

import gc
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

Turn = Callable[[], float]
"""One measurement of one contestant: records per second."""


class Spread(NamedTuple):
    """Several measurements of one thing."""

    median: float
    low: float
    high: float


def spread(values: Sequence[float]) -> Spread:
    """
    >>> spread([3.0, 1.0, 2.0])
    Spread(median=2.0, low=1.0, high=3.0)
    """
    return Spread(statistics.median(values), min(values), max(values))


def alternate(contestants: Mapping[str, Turn], rounds: int) -> dict[str, list[float]]:
    """Each contestant's measurements, one a round, the i-th of all taken one after the other."""
    measured: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, turn in contestants.items():
            gc.collect()
            measured[name].append(turn())
    return measured


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """Round by round, so that a slow minute divides by itself.

    >>> ratios([10.0, 5.0], [2.0, 1.0])
    [5.0, 5.0]
    """
    return [mine / other for mine, other in zip(ours, theirs, strict=True)]

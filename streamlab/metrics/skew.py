"""How unevenly something is spread over partitions: pure, from a list of amounts.

Max over mean is the balance threshold of Cruise Control; mean + 2 standard deviations is klag's rule for a
hot partition, with two changes. The mean and deviation are those of the *other* partitions: with its own
amount in them, no partition of fewer than six can ever reach mean + 2σ, however hot it is, since a z-score is
at most (n - 1) / √n. And it must hold a half more than the others' mean, so that a hair's breadth among
equals is not called hot.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

from .snapshot import Skew

HOT_DEVIATIONS = 2
HOT_OVER_MEAN = 1.5
HOT_PARTITIONS = 3
"""With two partitions there is no telling which of them is the odd one."""


def skew(amounts: Sequence[int]) -> Skew | None:
    """None with fewer than two partitions, or when there is nothing on any. Amounts are at least 0.

    >>> skew([100, 100, 100, 100])
    Skew(max_over_mean=1.0, variation=0.0, gini=0.0, hot=[])
    >>> skew([10, 12, 11, 9, 58])
    Skew(max_over_mean=2.9, variation=0.9513148795220223, gini=0.5, hot=[4])
    >>> skew([0, 7, 0])
    Skew(max_over_mean=3.0, variation=1.4142135623730951, gini=1.0, hot=[1])
    >>> skew([5]) is None and skew([0, 0]) is None
    True
    """
    n, whole = len(amounts), sum(amounts)
    if n < 2 or whole <= 0:
        return None
    squares = sum(a * a for a in amounts)
    return Skew(
        max_over_mean=max(amounts) * n / whole,
        variation=sqrt(max(n * squares - whole * whole, 0)) / whole,
        gini=gini(amounts),
        hot=hot(amounts),
    )


def gini(amounts: Sequence[int]) -> float:
    """0 when all are equal, 1 when one has everything, whatever their number.

    The plain coefficient of n amounts ends at (n - 1) / n; this is stretched to end at 1. Needs n ≥ 2, sum >
    0.

    >>> gini([1, 1]), gini([1, 3]), gini([0, 0, 9])
    (0.0, 0.5, 1.0)
    """
    n = len(amounts)
    weighted = sum(rank * amount for rank, amount in enumerate(sorted(amounts), start=1))
    whole = sum(amounts)
    return (2 * weighted - (n + 1) * whole) / ((n - 1) * whole)


def hot(amounts: Sequence[int]) -> list[int]:
    """Numbers of the partitions far above the others.

    >>> hot([10, 12, 11, 58]), hot([10, 10, 11]), hot([1, 99])
    ([3], [], [])
    """
    others = len(amounts) - 1
    if others + 1 < HOT_PARTITIONS:
        return []
    whole, squares = sum(amounts), sum(a * a for a in amounts)
    found = []
    for number, amount in enumerate(amounts):
        rest = whole - amount
        # in whole numbers as long as possible: others² × variance
        spread = sqrt(max(others * (squares - amount * amount) - rest * rest, 0))
        if amount * others > max(rest + HOT_DEVIATIONS * spread, HOT_OVER_MEAN * rest):
            found.append(number)
    return found

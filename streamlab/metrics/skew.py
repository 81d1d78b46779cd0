"""How unevenly something is spread over partitions: pure, from a list of amounts.

Max over mean is the balance threshold of Cruise Control; mean + 2 standard deviations is klag's rule for a
hot partition, with three changes. The mean and deviation are those of the *other* partitions: with its own
amount in them, no partition of fewer than six can ever reach mean + 2σ, however hot it is, since a z-score is
at most (n - 1) / √n. It must hold a half more than the others' mean, so that a hair's breadth among
equals is not called hot. And there must be enough to tell: some records, and more of them on it than chance
would put there.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

from .snapshot import Skew

HOT_DEVIATIONS = 2
HOT_OVER_MEAN = 1.5
HOT_PARTITIONS = 3
"""With two partitions there is no telling which of them is the odd one."""
HOT_AMOUNT = 50
"""In fewer than so many records, on all partitions together, no pattern is seen."""
BEYOND_CHANCE = 4
"""Records that fall on partitions at random scatter by the square root of the mean; so many times that is no chance."""


def skew(amounts: Sequence[int]) -> Skew | None:
    """None with fewer than two partitions, or when there is nothing on any. Amounts are at least 0.

    >>> skew([100, 100, 100, 100])
    Skew(max_over_mean=1.0, variation=0.0, gini=0.0, hot=[])
    >>> skew([10, 12, 11, 9, 58])
    Skew(max_over_mean=2.9, variation=0.9513148795220223, gini=0.5, hot=[4])
    >>> skew([0, 70, 0])
    Skew(max_over_mean=3.0, variation=1.4142135623730951, gini=1.0, hot=[1])
    >>> skew([0, 7, 0]).hot  # too few to tell
    []
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
    whole, squares = sum(amounts), sum(a * a for a in amounts)
    if others + 1 < HOT_PARTITIONS or whole < HOT_AMOUNT:
        return []
    found = []
    for number, amount in enumerate(amounts):
        rest = whole - amount
        # in whole numbers as long as possible: others² × variance
        spread = sqrt(max(others * (squares - amount * amount) - rest * rest, 0))
        chance = BEYOND_CHANCE * sqrt(rest * others)  # others × √mean
        if amount * others > max(rest + HOT_DEVIATIONS * spread, HOT_OVER_MEAN * rest, rest + chance):
            found.append(number)
    return found

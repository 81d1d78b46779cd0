"""How many rounds a verdict takes: what is certain of a single figure is not of one among many.

The more figures are compared, the less each p-value must be (Holm's method), and the fewer the rounds, the more a
change must stand out from how much they differ. So the question has an answer before anything is measured.
"""

from __future__ import annotations

from functools import cache
from math import exp, sqrt

from .judging import FAMILY_LEVEL, LEAST_PAIRS, LEAST_POOLED
from .measuring import MEASURES

TYPICAL_SPREAD = 0.1
"""Standard deviation of the logarithm of a round's ratio; windows of some seconds on a machine with other work."""


def compared(values: int) -> int:
    """Figures that a plan of so many values compares, at most."""
    return len(MEASURES) * (values - 1)


def enough_rounds(values: int) -> int:
    """The fewest that tell a doubling where rounds differ by 10 %.

    >>> enough_rounds(2), enough_rounds(5)
    (4, 5)
    """
    return 4 if values == 2 else 5


@cache
def least_times(values: int, rounds: int) -> float | None:
    """The factor that a change must exceed to get a verdict where rounds differ by 10 %; None: it gets none.

    >>> round(least_times(5, 6), 1), round(least_times(5, 8), 1), least_times(5, 2)
    (1.4, 1.2, None)
    """
    if rounds < LEAST_PAIRS:
        return None
    from scipy import special  # Student's distribution

    pairs = 1 if values < 3 or rounds < LEAST_POOLED else values - 1  # whose spread is known together
    t = float(special.stdtrit((rounds - 1) * pairs, 1 - FAMILY_LEVEL / compared(values) / 2))
    return exp(t * TYPICAL_SPREAD / sqrt(rounds))


def needed(values: int, rounds: int) -> str:
    """A sentence about a plan: what so many rounds can tell, and how many would do; scipy is imported for it.

    >>> needed(2, 3)
    'With 3 rounds of 2 values a change must exceed 4.9 times, where rounds differ by 10 %; with 4 rounds 1.8 times.'
    """
    times, enough = least_times(values, rounds), enough_rounds(values)
    told = f"With {rounds} rounds of {values} values "
    told += (
        f"a change must exceed {_times(times)}, where rounds differ by 10 %"
        if times
        else "there is no verdict"
    )
    if rounds >= enough:
        return f"{told}."
    return f"{told}; with {enough} rounds {_times(least_times(values, enough) or 0)}."


def _times(factor: float) -> str:
    return f"{factor:.0f} times" if factor >= 10 else f"{factor:.1f} times"

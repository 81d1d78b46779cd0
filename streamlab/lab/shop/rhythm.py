"""When people buy: little at night, a first peak at noon, a higher one in the evening."""

from __future__ import annotations

from typing import NamedTuple

_BY_HOUR = (
    *(0.30, 0.20, 0.15, 0.12, 0.12, 0.18, 0.35, 0.60),
    *(0.85, 1.00, 1.15, 1.40, 1.60, 1.40, 1.15, 1.05),
    *(1.05, 1.15, 1.40, 1.80, 2.10, 1.90, 1.30, 0.68),
)
_MEAN = sum(_BY_HOUR) / 24


def factor(hour: float) -> float:
    """How many times the day's mean is bought at this hour; between two full hours it changes evenly.

    >>> round(factor(3), 2), round(factor(12), 2), round(factor(20), 2), round(factor(20.5), 2)
    (0.13, 1.67, 2.19, 2.09)
    >>> round(sum(factor(h / 10) for h in range(240)) / 240, 6)
    1.0
    """
    whole = int(hour) % 24
    share = hour % 1
    return (_BY_HOUR[whole] * (1 - share) + _BY_HOUR[(whole + 1) % 24] * share) / _MEAN


class Day(NamedTuple):
    """The simulated day, which begins again and again."""

    length_s: float
    began_s: float = 0.0  # wall time of some midnight of it

    def hour(self, wall_s: float) -> float:
        """
        >>> day = Day(1440, began_s=100)
        >>> day.hour(100), day.hour(820), day.hour(100 + 1440 + 60)
        (0.0, 12.0, 1.0)
        """
        return (wall_s - self.began_s) % self.length_s / self.length_s * 24


def day_with_hour(hour: float, wall_s: float, length_s: float) -> Day:
    """The day in which it is that hour now.

    >>> day_with_hour(10, wall_s=5000, length_s=1440).hour(5000)
    10.0
    """
    return Day(length_s, wall_s - hour / 24 * length_s)

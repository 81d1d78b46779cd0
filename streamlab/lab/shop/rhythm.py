"""When people buy: little at night, a first peak at noon, a higher one in the evening."""

from __future__ import annotations

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


def hour_at(wall_s: float, day_s: float) -> float:
    """The hour of the simulated day. All shops with days of one length agree on it.

    >>> hour_at(0, 1440), hour_at(720, 1440), hour_at(1440 + 60, 1440)
    (0.0, 12.0, 1.0)
    """
    return wall_s % day_s / day_s * 24

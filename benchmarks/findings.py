"""What a measurement found, beside what it should have been."""

from __future__ import annotations

from dataclasses import dataclass

from .rounds import Spread, ratios, spread


@dataclass(frozen=True)
class Finding:
    """One row of the table of results."""

    part: str  # produce, consume, latency, groups, snapshot
    what: str
    figure: str  # with its unit and its spread
    target: str  # "" when there is none
    met: bool | None  # None: there is no target, or nothing could be measured


@dataclass(frozen=True)
class Figure:
    """One row of the table of what was measured, contestant by contestant."""

    part: str
    who: str
    measured: Spread
    unit: str  # rec/s or ms


@dataclass(frozen=True)
class Outcome:
    """Everything that one part has to say."""

    findings: list[Finding]
    figures: list[Figure]
    remarks: list[str]


def times_as_fast(
    part: str, what: str, ours: list[float], theirs: list[float], at_least: float | None = None
) -> Finding:
    """A ratio of rates, with its target; judged by the median."""
    middle, low, high = spread(ratios(ours, theirs))
    target = "" if at_least is None else f"≥ {at_least:g} ×"
    met = None if at_least is None else middle >= at_least
    return Finding(part, what, f"{middle:.2f} × ({low:.2f}–{high:.2f})", target, met)


def not_above(part: str, what: str, measured: Spread, limit_ms: float | None) -> Finding:
    """A time in ms, with its limit; judged by the median."""
    middle, low, high = measured
    target = "" if limit_ms is None else f"≤ {limit_ms:,g} ms"
    met = None if limit_ms is None else middle <= limit_ms
    return Finding(part, what, f"{middle:,.1f} ms ({low:,.1f}–{high:,.1f})", target, met)

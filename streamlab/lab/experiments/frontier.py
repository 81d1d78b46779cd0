"""A sweep as points: throughput against latency, and which values no other value beats in both.

A value lies on the frontier when no other has as much throughput at less latency, or more at as much. What lies
behind it can be improved for nothing; what lies on it is a choice. Where no value changed throughput for certain, less
latency alone decides, and the other way round: what differs by chance is no choice.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from .judging import holds, leans, mean
from .notes import Outcome

THROUGHPUT = ("rate_out", "rate_in")
LATENCY = ("e2e_p99", "request_p99", "queue_p99", "fetch_p99")
"""The first of each that was measured for all values."""


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """One value of a sweep."""

    index: int  # number in the plan's values
    value: Any
    throughput: float  # means of its windows
    latency: float
    windows: list[tuple[float, float]]  # (latency, throughput) of each
    best: bool = False  # lies on the frontier
    today: bool = False  # is the value that was in force when the experiment began


class Sweep(msgspec.Struct, frozen=True, kw_only=True):
    throughput: str  # names of the measures
    latency: str
    points: list[Point]  # in the order of the plan
    throughput_told: bool = True  # whether any value changed it for certain
    latency_told: bool = True
    leaning: bool = False  # whether what is not told differs all the same, so that more rounds would tell


def sweep(outcome: Outcome) -> Sweep | None:
    """None when fewer than two values have both measures."""
    high = _measured(outcome, THROUGHPUT)
    low = _measured(outcome, LATENCY)
    if high is None or low is None:
        return None
    points = []
    for index, value in enumerate(outcome.plan.values):
        windows = _windows(outcome, index, low, high)
        if not windows:
            continue
        points.append(
            Point(
                index=index,
                value=value,
                latency=mean([x for x, _ in windows]),
                throughput=mean([y for _, y in windows]),
                windows=windows,
                today=outcome.is_todays(value),
            )
        )
    if len(points) < 2:
        return None
    of_throughput, of_latency = _told(outcome, high), _told(outcome, low)
    either = of_throughput or of_latency
    best = frontier(
        [
            (
                p.latency if of_latency or not either else 0.0,
                p.throughput if of_throughput or not either else 0.0,
            )
            for p in points
        ]
    )
    marked = [msgspec.structs.replace(point, best=n in best) for n, point in enumerate(points)]
    untold = {name for name, told in ((high, of_throughput), (low, of_latency)) if not told}
    return Sweep(
        throughput=high,
        latency=low,
        points=marked,
        throughput_told=of_throughput,
        latency_told=of_latency,
        leaning=any(leans(e) for effects in outcome.effects for e in effects if e.measure in untold),
    )


def _told(outcome: Outcome, name: str) -> bool:
    """Whether any value changed the measure for certain, or one of its kind: another percentile, the other end."""
    kind = name.partition("_")[0]
    return any(
        holds(effect) and effect.measure.partition("_")[0] == kind
        for effects in outcome.effects
        for effect in effects
    )


def frontier(points: Sequence[tuple[float, float]]) -> set[int]:
    """Numbers of the (latency, throughput) pairs that no other one beats.

    >>> sorted(frontier([(1.0, 100.0), (2.0, 300.0), (3.0, 200.0), (2.0, 250.0)]))
    [0, 1]
    """

    def beaten(latency: float, throughput: float) -> bool:
        return any(
            other <= latency and more >= throughput and (other, more) != (latency, throughput)
            for other, more in points
        )

    return {n for n, point in enumerate(points) if not beaten(*point)}


def _measured(outcome: Outcome, names: Sequence[str]) -> str | None:
    tried = {run.value for run in outcome.runs}
    for name in names:
        if tried and tried == {run.value for run in outcome.runs if run.figures.get(name) is not None}:
            return name
    return None


def _windows(outcome: Outcome, index: int, low: str, high: str) -> list[tuple[float, float]]:
    pairs = [(run.figures.get(low), run.figures.get(high)) for run in outcome.runs if run.value == index]
    return [(x, y) for x, y in pairs if x is not None and y is not None]

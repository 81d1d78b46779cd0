"""Which groups have a line of their own where lags are drawn: those that have one, or had one in what is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dashboard.charts import WINDOW_MS
from dashboard.presenters import groups
from dashboard.presenters.words import plural
from streamlab.metrics.snapshot import GroupSnapshot, Snapshot

from .moments import COARSE_STEP_MS, Moment

MOST_LINES = 6
"""More would not be told apart."""
MOST_LOOKED_BACK = 24
"""Groups whose past is looked at: the furthest behind now, then those that work."""


@dataclass(frozen=True)
class Laggards:
    names: Sequence[str]  # in their order, so that a line keeps its colour
    rest: str  # how many have no line: "and 4 groups without lag"; "" when all have one


def laggards(moment: Moment, window_ms: int = WINDOW_MS, step_ms: int = 0) -> Laggards:
    """By the largest lag in the window, which changes less often than who is behind just now.

    `step_ms`: between two samples that are looked at; 0: ten seconds, or what the moment has.
    """
    ordered = in_order(moment.snapshot)
    looked_at = ordered[:MOST_LOOKED_BACK]
    step_ms = step_ms or max(moment.step_ms, COARSE_STEP_MS)
    since_ms = moment.as_of_ms - window_ms
    past = moment.peaks("group", [g.group for g in looked_at], "lag", since_ms, step_ms)
    peaks = {g.group: max(past[g.group] or 0, g.lag or 0) for g in looked_at}
    names = sorted((name for name in peaks if peaks[name]), key=lambda name: -peaks[name])[:MOST_LINES]
    names = names or [g.group for g in ordered[:1]]
    rest = [g for g in ordered if g.group not in names]
    what = "with less" if any(g.lag or peaks.get(g.group) for g in rest) else "without lag"
    return Laggards(sorted(names), f"and {plural(len(rest), 'group')} {what}" if rest else "")


def in_order(snapshot: Snapshot) -> list[GroupSnapshot]:
    """The furthest behind first, then the busiest, those that do nothing last."""
    return sorted(
        snapshot.groups.values(),
        key=lambda g: (-(g.lag or 0), groups.is_idle(g), -(g.consumed_rate or 0), g.group),
    )

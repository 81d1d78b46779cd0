"""Two experiments beside each other: what each value did to each measure, against its own first value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dashboard.broker import broker
from dashboard.operations.kinds.experiment import shown
from dashboard.presenters import effects, experiments
from dashboard.presenters.effects import EffectRow
from dashboard.presenters.experiments import ExperimentRow
from streamlab.errors import StreamlabError
from streamlab.lab.experiments import notes
from streamlab.lab.experiments.measuring import MEASURES
from streamlab.lab.experiments.notes import Outcome

from .moments import Moment
from .page import Address, Page

MOST_VALUES = 4
"""Of each that are shown; a page is only so wide."""


@dataclass(frozen=True)
class Side:
    row: ExperimentRow
    heads: list[str]  # "0 → 50"
    columns: list[dict[str, EffectRow]]  # by measure


def context(moment: Moment, address: Address) -> dict[str, Any]:
    try:
        kept, note = notes.results(broker().connection), notes.current(broker().connection)
    except StreamlabError as error:
        return {"failed": str(error), "choices": [], "sides": []}
    rows = {id: experiments.row(outcome, note, moment.read_at_ms) for id, outcome in kept.items()}
    asked = [address.query.get(name, "") for name in ("a", "b")]
    sides = [_side(kept[id], rows[id]) for id in asked if id in kept]
    names = [n for n in MEASURES if any(c[n].value.known for s in sides for c in s.columns if n in c)]
    return {
        "asked": asked,
        "choices": [
            (id, f"{r.lever} of {r.entity}: {r.values} ({r.started.text})") for id, r in rows.items()
        ],
        "sides": sides if len(sides) == 2 else [],
        "lines": [(MEASURES[n].label, [c.get(n) for s in sides for c in s.columns]) for n in names],
        "bar": {"width": effects.BAR_WIDTH, "height": effects.BAR_HEIGHT, "middle": effects.BAR_WIDTH / 2},
    }


def _side(outcome: Outcome, row: ExperimentRow) -> Side:
    first = shown(outcome.plan.values[0])
    tried = list(zip(outcome.plan.values[1:], outcome.effects, strict=False))[:MOST_VALUES]
    return Side(
        row=row,
        heads=[f"{first} → {shown(value)}" for value, _ in tried],
        columns=[{effect.measure: effects.row(effect) for effect in found} for _, found in tried],
    )


PAGE = Page(
    name="experiments-compared",
    pattern="lab/experiments/compare/",
    title=lambda address: "Two experiments",
    parts=("result",),
    context=context,
    measured=False,
    live=lambda address: False,
    under="experiments",
)

"""The lab: scenarios to start with one click, and the loads that run."""

from __future__ import annotations

from typing import Any

from dashboard.broker import broker
from dashboard.operations.kinds.loads import NO_LAB
from dashboard.presenters import loads
from dashboard.presenters.commands import LAB
from dashboard.presenters.words import plural
from streamlab.errors import StreamlabError
from streamlab.lab.loads.desired import Desired, LabStatus, Loads
from streamlab.lab.loads.figures import figures_of
from streamlab.lab.scenarios import SCENARIOS

from .moments import Moment
from .page import Address, MenuEntry, Page


def running(moment: Moment, wanted: dict[str, Desired], lab: LabStatus | None) -> list[loads.LoadRow]:
    """Each load with its figures. Raises StreamlabError."""
    return [
        loads.row(
            desired,
            figures_of(broker().connection, desired.load, moment.snapshot),
            lab.loads.get(name) if lab else None,
            moment.read_at_ms,
        )
        for name, desired in wanted.items()
    ]


def context(moment: Moment, address: Address) -> dict[str, Any]:
    try:
        store = Loads(broker().connection)
        wanted, lab = store.all(), store.status()
        rows = running(moment, wanted, lab)
    except StreamlabError as error:
        return {
            "failed": str(error),
            "summary": "",
            "cards": [loads.card(s, False) for s in SCENARIOS.values()],
        }
    return {
        "rows": rows,
        "lab_command": LAB,
        "no_lab": "" if lab else NO_LAB,
        "summary": f"{plural(len(rows), 'load')} running" if rows else "nothing runs",
        "cards": [loads.card(scenario, scenario.name in wanted) for scenario in SCENARIOS.values()],
    }


PAGE = Page(
    name="lab",
    pattern="lab/",
    title=lambda address: "Scenarios",
    parts=("summary", "running"),
    context=context,
    measured=False,
    menu=MenuEntry("Scenarios", "Lab", "l", "lab"),
)

"""One load or scenario: its story, its figures while it runs, its knobs, where to look and what helps."""

from __future__ import annotations

from typing import Any

from dashboard.broker import broker
from dashboard.charts import Chart, Columns, Legend, Line
from dashboard.operations.kinds.loads import NO_LAB
from dashboard.presenters import loads, tries
from dashboard.presenters.commands import LAB
from dashboard.presenters.figures import Figure, unknown
from streamlab.errors import StreamlabError
from streamlab.lab.loads.desired import Loads
from streamlab.lab.loads.figures import LoadFigures, figures_of
from streamlab.lab.loads.load import Load
from streamlab.lab.scenarios import SCENARIOS, Look, Scenario

from . import load_marks, marks
from .database import fresh_connection
from .moments import Gone, Moment
from .page import Address, Page

_OWN = (
    Look("topic", "What comes in, and how evenly."),
    Look("group", "Lag, members, who owns what."),
    Look("retries", "What waits to be tried again."),
    Look("dead-letters", "What was given up."),
)
"""Where to look at a load that has no story."""


@fresh_connection
def context(moment: Moment, address: Address) -> dict[str, Any]:
    name = address.args["name"]
    scenario, failed = SCENARIOS.get(name), ""
    desired, status, figures, no_lab = None, None, LoadFigures(), ""
    try:
        store = Loads(broker().connection)
        desired, lab = store.get(name), store.status()
        status, no_lab = (lab.loads.get(name), "") if lab else (None, NO_LAB)
        if desired is not None:
            figures = figures_of(broker().connection, desired.load, moment.snapshot)
    except StreamlabError as error:
        failed = str(error)
    if desired is None and scenario is None:
        raise Gone(
            f"There is no load “{name}” now. One that has ended starts again from the operation that started it, by "
            "“The same again…”."
        )
    load = desired.load if desired else SCENARIOS[name].load
    row = loads.row(desired, figures, status, moment.read_at_ms) if desired else None
    return {
        "failed": failed,
        "lab_command": LAB,
        "no_lab": no_lab,
        "load": load,
        "row": row,
        "processes": status.processes if status else [],
        "scenario": scenario,
        "summary": loads.summary(load),
        "looks": [loads.look_link(look, load) for look in (scenario.look if scenario else _OWN)],
        "levers": [part for part in _levers(scenario, load) if part[1]] if scenario else [],
        "knobs": loads.knobs(load),
        "trials": [(t.says, tries.of_trial(t, load)) for t in (scenario.trials if scenario else ())],
        "marks": load_marks.of_load(load.name, moment.window_start_ms),
        "experiment_marks": marks.of_experiments(moment, topic=load.topic_name),
        "rate_legend": legend(("in", row.rate if row else None), ("out", row.consumed if row else None)),
        "lag_legend": legend(("lag", row.lag if row else None)),
    }


def _levers(scenario: Scenario, load: Load) -> list[tuple[str, list[loads.LeverButton]]]:
    """Under a title each: what may befall it, and what somebody may do."""
    buttons = [loads.lever_button(lever, load) for lever in scenario.levers]
    return [
        ("What can happen", [button for button in buttons if button.happens]),
        ("Levers", [button for button in buttons if not button.happens]),
    ]


def charts(moment: Moment, address: Address) -> list[Chart]:
    """None before it is started; then they fill by themselves, and after it has stopped they tell what was."""
    load = Load(name=address.args["name"])
    there = load.topic_name in moment.snapshot.topics
    if not there and not _wanted(load.name):
        return []
    source = None if there else nothing
    return charts_of(load, "load", ", over the last 15 minutes", source=source)


def _wanted(name: str) -> bool:
    try:
        return Loads(broker().connection).get(name) is not None
    except StreamlabError:
        return False


def legend(*lines: tuple[str, Figure | None]) -> list[Legend]:
    """Which line is which, also while nothing runs."""
    return [Legend(label, now or unknown("It does not run"), slot) for slot, (label, now) in enumerate(lines)]


def nothing(what: str, name: str, field: str, since_ms: int) -> Columns:
    """History of what is not there yet."""
    return Columns([], [])


def charts_of(load: Load, name: str, span: str = "", **how: Any) -> list[Chart]:
    """Its rates and its lag, under the ids NAME-rate and NAME-lag. `how`: more of `Chart`."""
    return [
        Chart(
            f"{name}-rate",
            "Records a second",
            "records/s",
            (
                Line("in", "topic", load.topic_name, "rate"),
                Line("out", "group", load.group_id, "consumed_rate"),
            ),
            f"Records that came in and records that were handled each second{span}.",
            floor=10,
            **how,
        ),
        Chart(
            f"{name}-lag",
            "Lag",
            "records",
            (Line("lag", "group", load.group_id, "lag"),),
            f"Records that wait to be read{span}.",
            area=True,
            floor=10,
            **how,
        ),
    ]


PAGE = Page(
    name="load",
    pattern="lab/<slug:name>/",
    title=lambda address: (
        SCENARIOS[address.args["name"]].title if address.args["name"] in SCENARIOS else address.args["name"]
    ),
    parts=("headline", "figures", "rate-legend", "lag-legend", "processes", "marks"),
    context=context,
    charts=charts,
    measured=False,
    under="lab",
)

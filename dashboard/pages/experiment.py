"""One experiment: verdict, every value beside the others, the sweep, every measure with its interval, every window."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from dashboard.broker import broker
from dashboard.operations.kinds.experiment import shown
from dashboard.operations.kinds.experiment_form import UNSET
from dashboard.operations.models import Operation
from dashboard.presenters import effects, experiments, sweeps
from dashboard.presenters.figures import moment as moment_of
from dashboard.presenters.plot import figure
from streamlab.configs.settings import as_text
from streamlab.errors import StreamlabError
from streamlab.lab.experiments import notes, stopping
from streamlab.lab.experiments.frontier import sweep
from streamlab.lab.experiments.judging import words
from streamlab.lab.experiments.measuring import MEASURES
from streamlab.lab.experiments.notes import Note, Outcome

from .database import fresh_connection
from .moments import Gone, Moment
from .page import Address, Page
from .table import link


def found(id: str) -> tuple[Outcome, Note | None]:
    """Raises Gone, StreamlabError. One that has just begun has no window yet."""
    note, kept = notes.current(broker().connection), notes.result(broker().connection, id)
    if kept is None and note is not None and note.id == id:
        kept = notes.begun(note)
    if kept is None:
        raise Gone(f"There is no experiment “{id}”; the last {notes.MOST_KEPT} are kept.")
    return kept, note


@fresh_connection
def context(moment: Moment, address: Address) -> dict[str, Any]:
    try:
        outcome, note = found(address.args["id"])
    except StreamlabError as error:
        return {"failed": str(error), "running": False}
    swept = sweep(outcome)
    running = experiments.runs(outcome, note)
    said = sweeps.words(swept) if swept and sweeps.detected(swept) else ""
    chosen = _chosen(outcome, address)
    best = [p.index for p in swept.points if p.best] if swept and said else []
    names = effects.measured(outcome)
    return {
        "outcome": outcome,
        "plan": outcome.plan,
        "running": running,
        "progress": experiments.progress(outcome, moment.read_at_ms) if running else None,
        "headline": experiments.headline(outcome, note, said),
        "status": experiments.status(outcome, note),
        "values": experiments.values(outcome.plan),
        "started": moment_of(outcome.started_ms),
        "sweep": sweeps.picture(swept, frontier=bool(said)) if swept else None,
        "sweep_words": said,
        "heads": [(MEASURES[name].label, MEASURES[name].more_is_better) for name in names],
        "value_rows": effects.value_rows(outcome, best),
        "compared": [
            (shown(value), link(address, value=str(i)), i == chosen)
            for i, value in enumerate(outcome.plan.values)
            if i
        ],
        "against": shown(outcome.plan.values[0]),
        "chosen": shown(outcome.plan.values[chosen]),
        "rows": [effects.row(e) for e in outcome.effects[chosen - 1]]
        if len(outcome.effects) >= chosen
        else [],
        "verdict": words(outcome.effects[chosen - 1]) if len(outcome.effects) >= chosen else "",
        "pooled": effects.pooled(outcome),
        "about_intervals": effects.about_intervals(outcome, chosen),
        "dots": effects.dot_charts(outcome),
        "bar": {"width": effects.BAR_WIDTH, "height": effects.BAR_HEIGHT, "middle": effects.BAR_WIDTH / 2},
        "today": figure(None, "") if outcome.today is None else shown(outcome.today),
        "stops": running and stopping.asked(broker().connection, outcome.id) is not None,
        "operation": Operation.objects.filter(kind="experiment", progress__experiment=outcome.id).first(),
        "again": _again(outcome),
    }


def _again(outcome: Outcome) -> str:
    """The form filled in with the same, as a query."""
    plan = outcome.plan
    return urlencode(
        {
            "entity": plan.entity,
            "setting": plan.setting_name,
            "values": ", ".join(UNSET if value is None else as_text(value) for value in plan.values),
            "topic": plan.topic,
            "group": plan.group or "",
            "producers": plan.producers,
            "repetitions": plan.repetitions,
            "warm_up_s": f"{plan.warm_up_s:g}",
            "window_s": f"{plan.window_s:g}",
        }
    )


def _chosen(outcome: Outcome, address: Address) -> int:
    """Number of the value whose effects are shown; what is not there is read as the first."""
    asked = address.query.get("value", "1")
    number = int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 3 else 1
    return number if 1 <= number < len(outcome.plan.values) else 1


PAGE = Page(
    name="experiment",
    pattern="lab/experiments/<slug:id>/",
    title=lambda address: f"Experiment {address.args['id']}",
    parts=("headline", "progress", "result"),
    context=context,
    measured=False,
    under="experiments",
)

"""`streamlab lab experiment`: try values of one setting in turn, and say what they did."""

from __future__ import annotations

import signal
import threading
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..lab.experiments.plan import ROUNDS, WARM_UP_S, WINDOW_S, Plan, distinct
from .options import Json, Url, broker_at
from .output import UNKNOWN, duration, moment, note, print_columns, print_json

if TYPE_CHECKING:
    from ..lab.experiments.notes import Outcome

STOPS_WITHIN_S = 15.0

app = typer.Typer(
    help="Try values of one setting in turn, and say what they did.",
    rich_markup_mode=None,
    no_args_is_help=True,
)


@app.command()
def run(
    entity: Annotated[
        str, typer.Argument(metavar="ENTITY", help="client:checkout, group:revenue, broker, …")
    ],
    setting: Annotated[str, typer.Argument(metavar="SETTING")],
    values: Annotated[
        list[str], typer.Argument(metavar="VALUE…", help="The first is what the others are compared with.")
    ],
    topic: Annotated[str, typer.Option("--topic", "-t", help="Whose records are counted.")],
    group: Annotated[str | None, typer.Option("--group", "-g", help="Whose commits and lag.")] = None,
    producers: Annotated[
        str,
        typer.Option("--producers", metavar="PREFIX", help="Client ids that tell latencies. Default: all."),
    ] = "",
    warm_up: Annotated[
        float, typer.Option("--warm-up", metavar="S", help="Seconds after each change that do not count.")
    ] = WARM_UP_S,
    window: Annotated[float, typer.Option("--window", metavar="S", help="Seconds that count.")] = WINDOW_S,
    repetitions: Annotated[int, typer.Option("--repetitions", "-n", help="Of each value.")] = ROUNDS,
    url: Url = None,
    json: Json = False,
) -> None:
    """Measure. The setting is put back whatever happens; Ctrl-C ends it early and keeps what was measured.

    A value of - stands for: unset, so that what is less near holds.
    """
    from ..lab.experiments.reach import enough_rounds, needed
    from ..lab.experiments.runner import run as run_plan

    plan = Plan(
        entity=entity,
        setting=setting,
        values=[None if value == "-" else value for value in values],
        topic=topic,
        group=group,
        producers=producers,
        warm_up_s=warm_up,
        window_s=window,
        repetitions=repetitions,
    )
    distinct(plan)
    if plan.repetitions < enough_rounds(len(plan.values)):
        note(f"Too few rounds for a verdict on most changes: {needed(len(plan.values), plan.repetitions)}")
    stop = threading.Event()
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, lambda *_: stop.set())
    with broker_at(url) as broker:
        note(f"It takes {duration(plan.seconds * 1000)}.")
        if not plan.tells_latencies:
            note("Latencies are left out: warm-up and window must be 2 s or more each.")
        outcome = run_plan(broker.connection, plan, stop, "cli", _watch)
    _print(outcome, json)


def _watch(done: int, total: int, now: str) -> None:
    note(f"{done} of {total} windows: {now}")


@app.command("list")
def list_experiments(url: Url = None, json: Json = False) -> None:
    """The last 100 experiments, the newest first."""
    import msgspec

    from ..lab.experiments.notes import current, results
    from ..lab.experiments.summary import said

    with broker_at(url) as broker:
        found, running = results(broker.connection), current(broker.connection)
    if json:
        for outcome in found.values():
            print_json(msgspec.to_builtins(outcome))
        return
    rows = [
        (
            o.id,
            moment(o.started_ms),
            "running" if running and running.id == o.id else o.state,
            f"{o.plan.entity} {o.plan.setting}",
            ", ".join(UNKNOWN if v is None else str(v) for v in o.plan.values),
            said(o) or o.why,
        )
        for o in found.values()
    ]
    print_columns(("ID", "STARTED", "STATE", "SETTING", "VALUES", "VERDICT"), rows)


@app.command()
def show(id: Annotated[str, typer.Argument(metavar="ID")], url: Url = None, json: Json = False) -> None:
    """One experiment: every effect with its interval."""
    from ..errors import IllegalArgumentError
    from ..lab.experiments.notes import results

    with broker_at(url) as broker:
        found = results(broker.connection).get(id)
    if found is None:
        raise IllegalArgumentError(
            f"There is no experiment {id!r}. `streamlab lab experiment list` has them."
        )
    _print(found, json)


@app.command()
def stop(url: Url = None, json: Json = False) -> None:
    """Stop the experiment that runs, wherever it was started. What was measured is kept, the setting put back."""
    from ..errors import IllegalStateError
    from ..lab.experiments import notes, stopping

    with broker_at(url) as broker:
        asked = stopping.ask(broker.connection, "cli")
        deadline = time.monotonic() + STOPS_WITHIN_S
        while (running := notes.current(broker.connection)) is not None and running.id == asked.id:
            if time.monotonic() > deadline:
                raise IllegalStateError(
                    "Its process does not answer. If it is dead, the lab puts the setting back within seconds; "
                    "`streamlab lab experiment put-back` does so now."
                )
            time.sleep(0.2)
    if json:
        print_json({"stopped": asked.id})
    note(f"{asked.id} was stopped; {asked.plan.setting} of {asked.plan.entity} is as it was.")


@app.command("put-back")
def put_back(url: Url = None, json: Json = False) -> None:
    """Put back what a killed experiment has changed. The lab does it by itself within seconds."""
    from ..lab.experiments.notes import put_back_orphan

    with broker_at(url) as broker:
        outcome = put_back_orphan(broker.connection)
    if json:
        print_json({"put_back": outcome.id if outcome else None})
    if outcome is None:
        note("There is nothing to put back.")
    else:
        note(outcome.left or f"{outcome.plan.setting_name} of {outcome.plan.entity} is as it was.")


def _print(outcome: Outcome, json: bool) -> None:
    import msgspec

    from ..lab.experiments.judging import leans

    if json:
        print_json(msgspec.to_builtins(outcome))
        return
    plan = outcome.plan
    print(f"{outcome.id}: {plan.entity} {plan.setting}, {outcome.state}. {outcome.why}".rstrip())
    for value, verdict, effects in zip(plan.values[1:], outcome.verdicts, outcome.effects, strict=False):
        print(f"\n{_value(plan.values[0])} → {_value(value)}: {verdict}\n")
        print_columns(
            (
                "MEASURE",
                "UNIT",
                _value(plan.values[0]),
                _value(value),
                "CHANGE",
                "95 % INTERVAL",
                "P",
                "VERDICT",
            ),
            [_row(effect) for effect in effects],
        )
    if any(leans(effect) for effects in outcome.effects for effect in effects):
        note("Not certain: the interval alone excludes no change; among so many figures more rounds decide.")


def _value(value: Any) -> str:
    return "unset" if value is None else str(value)


def _row(effect: Any) -> tuple[Any, ...]:
    from ..lab.experiments.judging import leans
    from ..lab.experiments.measuring import MEASURES

    measure = MEASURES[effect.measure]
    interval = UNKNOWN if effect.low is None else f"{effect.low:.3g} to {effect.high:.3g}"
    figures = [UNKNOWN if v is None else f"{v:.4g}" for v in (effect.baseline, effect.value, effect.change)]
    p = UNKNOWN if effect.p is None else f"{effect.p:.3f}"
    verdict = "not certain" if leans(effect) else effect.verdict
    return (measure.label, measure.unit, *figures, interval, p, verdict)

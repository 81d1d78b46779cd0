"""An experiment: values of one setting in turn, what they did, and everything put back."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from shlex import quote
from typing import Any

from dashboard.presenters.figures import clock, spell_duration
from dashboard.presenters.words import plural
from streamlab.broker import Broker
from streamlab.config import GROUP, PRODUCER, resolved
from streamlab.configs.entity import EntityKind, entity
from streamlab.configs.preview import preview as preview_change
from streamlab.configs.settings import as_text
from streamlab.configs.store import Configs
from streamlab.lab.experiments import notes
from streamlab.lab.experiments.judging import LEAST_PAIRS
from streamlab.lab.experiments.notes import Outcome, is_todays
from streamlab.lab.experiments.plan import ROUNDS, WARM_UP_S, WINDOW_S, Plan, plan_of
from streamlab.lab.experiments.reach import compared, enough_rounds, needed
from streamlab.lab.experiments.runner import run as run_plan
from streamlab.lab.experiments.today import in_force
from streamlab.lab.loads.desired import Loads
from streamlab.lab.loads.load import TOPIC_PREFIX, Load
from streamlab.topics import Topics

from ..kind import Job, Kind, Preview, Result, Spec, Stopped, Taken, WorldMoved
from .experiment_form import UNSET, ExperimentForm
from .fields import shell, some

LOOK_EVERY_S = 0.5
THROUGHPUT = frozenset({"batch_size", "linger_ms", "compression_type", "acks"})
"""Settings of a producer that people turn to get more through."""


def shown(value: Any) -> str:
    """
    >>> shown(None), shown(50)
    ('unset', '50')
    """
    return "unset" if value is None else as_text(value)


def preview(broker: Broker, spec: Spec) -> Preview:
    plan = plan_of(dict(spec))
    own = Configs(broker.connection).get(plan.entity)
    today = in_force(broker.connection, plan, own.values)
    name = plan.setting_name
    back = as_text(own.values[name]) if name in own.values else "no value of its own"
    now_ms = broker.connection.server_time_ms()
    return Preview(
        effect=f"{name} of {plan.entity} is set to {_listed(plan)} in turn, {plural(plan.repetitions, 'round')} "
        f"of {plural(len(plan.values), 'window')}. It takes {spell_duration(plan.seconds * 1000)}.",
        facts=[
            ("Today's value", "not known" if today is None else as_text(today)),
            ("Counted", f"records of {plan.topic}" + (f", read by {plan.group}" if plan.group else "")),
            ("Latencies", _latencies(plan)),
            ("Each window", f"{plan.warm_up_s:g} s warm-up, then {plan.window_s:g} s"),
            ("Rounds for a verdict", _rounds(plan)),
            ("Ends about", f"{clock(round(now_ms + plan.seconds * 1000))} UTC, if begun at {clock(now_ms)}"),
            ("Put back to", back),
        ],
        warnings=_warnings(broker, plan, today, name in own.values),
        blocked=_blocked(broker, plan),
        undo="It puts the setting back by itself: at the end, when it is cancelled, and when its process is killed.",
        world={"version": str(own.version)},
    )


def _listed(plan: Plan) -> str:
    values = [shown(value) for value in plan.values]
    return f"{', '.join(values[:-1])} and {values[-1]}"


def _latencies(plan: Plan) -> str:
    if not plan.tells_latencies:
        return "left out: warm-up and window must be 2 s or more"
    producers = f"producers {plan.producers}…" if plan.producers else "all producers"
    return f"of {producers}" + (f" and members of {plan.group}" if plan.group else "")


def _rounds(plan: Plan) -> str:
    """How many it takes: the more figures are compared, the surer each must be."""
    values = len(plan.values)
    enough = enough_rounds(values)
    can = f" {needed(values, plan.repetitions)}" if plan.repetitions >= enough else ""
    return f"{enough} or more, as up to {compared(values)} figures are compared.{can}"


def _warnings(broker: Broker, plan: Plan, today: Any, stored: bool) -> list[str]:
    said = []
    if plan.repetitions < LEAST_PAIRS:
        said.append(f"With {plan.repetitions} rounds there is no verdict: {LEAST_PAIRS} are the least.")
    elif plan.repetitions < enough_rounds(len(plan.values)):
        said.append(
            f"Too few rounds for a verdict on most changes: {needed(len(plan.values), plan.repetitions)}"
        )
    if today is not None and not any(is_todays(v, today, stored) for v in plan.values):
        said.append(f"Today's value, {as_text(today)}, is not among those that are tried.")
    said += [*_not_taken(broker, plan), *_of_load(broker, plan)]
    if plan.entity == "broker":
        said.append("It changes a default of the whole broker: everybody who has no nearer value follows.")
    return said


def _not_taken(broker: Broker, plan: Plan) -> list[str]:
    """Who would not follow, and why; nobody but running clients is asked. What topic or group keep is theirs alone."""
    if entity(plan.entity).kind is EntityKind.TOPIC or plan.setting_name in GROUP:
        return []
    found: dict[str, None] = {}
    for value in plan.values:
        if value is None:
            continue
        seen = preview_change(broker.connection, plan.entity, {plan.setting_name: value})
        if not seen.effects:
            return [f"No running client has {plan.setting_name}: nothing would change."]
        for effect in seen.effects:
            who = effect.client.client_id
            found |= {f"{who} refuses {name}: {why}": None for name, why in effect.refuses.items()}
            found |= {f"{who} keeps {n}: {nearer} is nearer": None for n, nearer in effect.hidden.items()}
    return some(list(found), most=10)


def _of_load(broker: Broker, plan: Plan) -> list[str]:
    """What should come as no surprise where the topic is that of a load."""
    desired = Loads(broker.connection).get(plan.topic.removeprefix(TOPIC_PREFIX))
    if desired is None or desired.load.topic_name != plan.topic:
        return []
    said = []
    if desired.until_ms < broker.connection.server_time_ms() + plan.seconds * 1000:
        said.append(
            f"The load {desired.load.name} ends at {clock(desired.until_ms)} UTC, before the experiment does: what is "
            "measured after that says nothing."
        )
    if entity(plan.entity).kind is EntityKind.CLIENT and plan.setting_name in THROUGHPUT:
        said += _of_pace(desired.load, plan.setting_name)
    return said


def _of_pace(load: Load, setting: str) -> list[str]:
    """What throughput can say of a producer's setting on this load."""
    lingers = setting == "linger_ms"
    other = "Many partitions" if lingers else "Full speed"
    if not load.producers.full_speed:
        return [
            f"The load {load.name} sends {load.producers.pace}, whatever the value: latency, batches and bytes will "
            f"tell, throughput will not. For that there is the scenario “{other}”."
        ]
    if not lingers or _crowded(load):
        return []
    return [
        f"The load {load.name} fills its batches while others are on their way, so none lingers: what linger_ms does "
        f"to throughput is seen on the scenario “{other}”, what it does to a load with a rate on “Steady shop”."
    ]


def _crowded(load: Load) -> bool:
    """Whether buffer_memory has no room for a second batch of every partition: then the batches cannot fill by
    themselves while others are on their way."""
    settings = resolved(load.producers.settings, PRODUCER)
    return bool(2 * load.partitions * settings["batch_size"] > settings["buffer_memory"])


def _blocked(broker: Broker, plan: Plan) -> str:
    Topics(broker.connection, 0).require(plan.topic)
    running = notes.current(broker.connection)
    if running is None:
        return ""
    return f"An experiment on {running.plan.entity} runs already. Wait for it, or stop it: one at a time."


def run(broker: Broker, spec: Spec, world: Mapping[str, Any], job: Job) -> Result:
    plan = plan_of(dict(spec))
    notes.put_back_orphan(broker.connection)  # what a killed one left is no move of the world
    if str(Configs(broker.connection).get(plan.entity).version) != world["version"]:
        raise WorldMoved(f"settings of {plan.entity} were changed since.")
    running = _Running(broker, plan, job.by)
    try:
        _follow(running, plan, job)
    except Taken:
        running.end()
        raise
    except Stopped as stopped:
        outcome = running.end()
        raise Stopped(str(stopped), _result(outcome) if outcome else None) from None
    outcome = running.end()
    assert outcome is not None
    if outcome.state == "stopped":  # by somebody who asked for it elsewhere
        raise Stopped(outcome.why, _result(outcome))
    return _result(outcome)


def _follow(running: _Running, plan: Plan, job: Job) -> None:
    """Say how far it is, in seconds, until it ends. Raises Stopped when somebody cancelled."""
    began, total, told = time.monotonic(), round(plan.seconds), ""
    while not running.over.wait(LOOK_EVERY_S):
        if running.id and running.id != told:
            told = running.id
            job.save({"experiment": told})
        job.step(min(total - 1, int(time.monotonic() - began)), total, running.note)


class _Running:
    """The experiment in a thread of its own, so that a cancellation is heard within a second."""

    def __init__(self, broker: Broker, plan: Plan, by: str):
        self.id, self.note = "", "begins"
        self.over = threading.Event()
        self._broker, self._plan, self._by = broker, plan, by
        self._stop = threading.Event()
        self._outcome: Outcome | None = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="experiment", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._outcome = run_plan(self._broker.connection, self._plan, self._stop, self._by, self._watch)
        except BaseException as error:
            self._error = error
        finally:
            self.over.set()

    def _watch(self, done: int, total: int, now: str) -> None:
        if not self.id:
            note = notes.current(self._broker.connection)
            self.id = note.id if note else ""
        self.note = f"window {min(done + 1, total)} of {total}: {now}"

    def end(self) -> Outcome | None:
        """Stop it if it still runs, and wait until the setting is put back. Raises what it raised."""
        self._stop.set()
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._outcome


def _result(outcome: Outcome) -> Result:
    compared = zip(outcome.plan.values[1:], outcome.verdicts, strict=False)
    first = shown(outcome.plan.values[0])
    said = [f"{first} → {shown(value)}: {verdict}" for value, verdict in compared]
    name = f"{outcome.plan.setting_name} of {outcome.plan.entity}"
    back = "." if outcome.left else f"; {name} is as it was."
    return Result(
        f"{plural(len(outcome.runs), 'window')} measured{back} {outcome.left}".strip(),
        facts=[("Verdict", line) for line in said],
        data={"experiment": outcome.id},
    )


def command(spec: Spec) -> str:
    """
    >>> command({"entity": "group:g", "setting": "max_poll_records", "values": [1, None], "topic": "t", "group": "g"})
    '.venv/bin/python -m streamlab lab experiment run group:g max_poll_records 1 - --topic t --group g'
    """
    options = []
    for option, field, default in (
        ("--topic", "topic", ""),
        ("--group", "group", None),
        ("--producers", "producers", ""),
        ("--warm-up", "warm_up_s", WARM_UP_S),
        ("--window", "window_s", WINDOW_S),
        ("-n", "repetitions", ROUNDS),
    ):
        value = spec.get(field, default)
        if value != default:
            options += [option, quote(f"{value:g}" if isinstance(value, float) else str(value))]
    values = [UNSET if value is None else quote(as_text(value)) for value in spec["values"]]
    return shell("lab experiment run", quote(spec["entity"]), quote(spec["setting"]), *values, *options)


KIND = Kind(
    name="experiment",
    title="Experiment",
    verb="Experiment",
    about="Try values of one setting in turn on what runs, and learn what they gain and what they cost.",
    form=ExperimentForm,
    subject=lambda spec: spec["entity"],
    preview=preview,
    run=run,
    command=command,
    template="pages/experiment/new.html",
    menu="experiments",
)

__all__ = ["KIND", "shown"]

"""The lab: scenarios that are known, and loads that run. They start, change and end by operations."""

from __future__ import annotations

from typing import Any

import msgspec
from django.http import HttpRequest
from ninja import Field, Router, Schema

from dashboard.broker import broker
from dashboard.operations.kinds.loads import NO_LAB
from dashboard.pages import moments
from dashboard.pages.moments import Gone, Moment
from dashboard.presenters import loads as presenter
from dashboard.presenters.commands import LAB
from streamlab.lab.loads.desired import Desired, LabStatus, Loads
from streamlab.lab.loads.figures import figures_of
from streamlab.lab.scenarios import SCENARIOS, Scenario

from .door import reads
from .groups import Status

router = Router(tags=["Lab"])


class Look(Schema):
    page: str = Field(description="topic, group, clients, retries, dead-letters, records, overview")
    at: str


class Lever(Schema):
    says: str
    changes: dict[str, str] = Field(description="Of the load, as the operation `change-load` takes them.")
    then: str = Field(description="What should be seen after it.")
    role: str = Field(description="helps, no help, or happens: nobody pulls it, it befalls them.")


class Trial(Schema):
    says: str
    entity: str
    setting: str
    values: list[Any]
    window_s: float | None = Field(description="Seconds of a window that it takes; null: as usual.")


class ScenarioOut(Schema):
    name: str
    title: str
    about: str
    summary: str = Field(description="Its load in a sentence.")
    runs: bool = Field(description="Whether a load of this name is wanted now.")
    load: dict[str, Any] = Field(description="As it is started where nothing is changed.")
    look: list[Look] = Field(description="Where to look, and at what.")
    expect: list[str] = Field(description="What should be seen, in the order in which it comes.")
    levers: list[Lever]
    trials: list[Trial] = Field(description="Experiments worth making while it runs.")


class Figures(Schema):
    """null: not known (yet)."""

    rate: float | None = Field(description="Records a second into the topic.")
    consumed_rate: float | None
    lag: int | None
    time_lag_ms: int | None
    members: int | None
    partitions: int | None
    max_over_mean: float | None = Field(description="Skew of the topic; 1 is perfectly even.")
    retrying: int | None
    parked: int | None = Field(description="Records behind one of their key that is tried again.")
    dead: int | None
    lost: int | None


class LoadOut(Schema):
    name: str
    title: str
    status: Status
    summary: str
    topic: str
    group: str
    version: int = Field(description="Rises with every change.")
    by: str
    started_ms: int
    until_ms: int = Field(description="Then it ends by itself.")
    figures: Figures


class LabLoads(Schema):
    lab_runs: bool
    why: str = Field(description="What to do where no lab runs; wanted loads wait for one. Empty: one does.")
    loads: list[LoadOut] = Field(description="All that are wanted, by name; a few at most.")


class Process(Schema):
    name: str
    pid: int | None = Field(description="null: it does not run now, and will be started again.")
    restarts: int


class LoadInFull(LoadOut):
    load: dict[str, Any] = Field(description="All that it is made of.")
    followed_version: int | None = Field(
        description="Which version the processes are of; null: no lab says so."
    )
    processes: list[Process]


@router.get("/lab/scenarios", auth=reads, response=list[ScenarioOut], operation_id="list_scenarios")
def scenarios(request: HttpRequest) -> object:
    """Loads that show one thing each: where to see it, what can happen, and what helps."""
    wanted = Loads(broker().connection).all()
    return [_scenario(scenario, scenario.name in wanted) for scenario in SCENARIOS.values()]


@router.get("/lab/loads", auth=reads, response=LabLoads, operation_id="list_loads")
def loads(request: HttpRequest) -> object:
    """Loads that are wanted, and what comes of them."""
    store = Loads(broker().connection)
    wanted, lab, moment = store.all(), store.status(), moments.current_or_bare()
    return {
        "lab_runs": lab is not None,
        "why": "" if lab else f"{NO_LAB} {LAB}",
        "loads": [_load(desired, lab, moment) for desired in wanted.values()],
    }


@router.get("/lab/loads/{name}", auth=reads, response=LoadInFull, operation_id="get_load")
def load(request: HttpRequest, name: str) -> object:
    """One load that is wanted: all that it is made of, and its processes."""
    store = Loads(broker().connection)
    desired, lab = store.get(name), store.status()
    if desired is None:
        raise Gone(f"No load {name} runs.")
    status = lab.loads.get(name) if lab else None
    return {
        **_load(desired, lab, moments.current_or_bare()),
        "load": msgspec.to_builtins(desired.load),
        "followed_version": status.version if status else None,
        "processes": msgspec.to_builtins(status.processes) if status else [],
    }


def _load(desired: Desired, lab: LabStatus | None, moment: Moment) -> dict[str, Any]:
    wanted = desired.load
    status = presenter.status_of(desired, lab.loads.get(wanted.name) if lab else None)
    return {
        "name": wanted.name,
        "title": wanted.title or wanted.name,
        "status": {"word": status.word, "tone": status.tone.value, "why": status.why},
        "summary": presenter.summary(wanted),
        "topic": wanted.topic_name,
        "group": wanted.group_id,
        **{name: getattr(desired, name) for name in ("version", "by", "started_ms", "until_ms")},
        "figures": msgspec.to_builtins(figures_of(broker().connection, wanted, moment.snapshot)),
    }


def _scenario(scenario: Scenario, runs: bool) -> dict[str, Any]:
    return {
        "name": scenario.name,
        "title": scenario.title,
        "about": scenario.about,
        "summary": presenter.summary(scenario.load),
        "runs": runs,
        "load": msgspec.to_builtins(scenario.load),
        "look": msgspec.to_builtins(scenario.look),
        "expect": [expected.says for expected in scenario.expect],
        "levers": [
            {name: getattr(lever, name) for name in ("says", "changes", "then", "role")}
            for lever in scenario.levers
        ],
        "trials": [
            {
                "says": t.says,
                "entity": t.entity(scenario.load),
                "setting": t.setting,
                "values": list(t.values),
                "window_s": t.window_s,
            }
            for t in scenario.trials
        ],
    }

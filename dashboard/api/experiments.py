"""Experiments: read and stop them. Starting one is an operation of the kind `experiment`."""

from __future__ import annotations

from typing import Any

import msgspec
from django.http import HttpRequest
from ninja import Field, Query, Router, Schema, Status

from dashboard.broker import broker
from dashboard.operations.stopping import stop_experiment
from dashboard.pages.experiment import found
from streamlab.lab.experiments import notes
from streamlab.lab.experiments.frontier import sweep
from streamlab.lab.experiments.notes import Note, Outcome

from .door import actor, operates, reads
from .paging import Page, Paging, page_of

router = Router(tags=["Experiments"])


class Plan(Schema):
    entity: str = Field(description="Whose setting: group:revenue, client:checkout, topic:orders, broker.")
    setting: str
    values: list[Any] = Field(
        description="The first is what the others are compared with; null: no stored value."
    )
    topic: str
    group: str | None
    producers: str = Field(description="Client ids that begin so tell request latencies; empty: all.")
    warm_up_s: float
    window_s: float
    repetitions: int


class Effect(Schema):
    """What one value did to one measure, against the first value."""

    measure: str
    verdict: str = Field(description="better, worse, no detectable change, not measured")
    baseline: float | None
    value: float | None
    change: float | None
    low: float | None = Field(description="Of the 95 % interval of the change.")
    high: float | None
    p: float | None = Field(description="Corrected over all measures.")
    pairs: int


class Experiment(Schema):
    id: str
    plan: Plan
    state: str = Field(description="running, done, stopped, incomplete")
    why: str
    by: str
    started_ms: int
    ended_ms: int = Field(description="While it runs: of the newest window.")
    verdicts: list[str] = Field(description="Of each value but the first.")


class Run(Schema):
    value: int = Field(description="Number in the plan's values.")
    figures: dict[str, float | None]
    started_ms: int
    ended_ms: int


class Point(Schema):
    value: Any
    throughput: float
    latency: float
    best: bool = Field(
        description="No other value has as much throughput at less latency, or more at as much."
    )
    today: bool


class Sweep(Schema):
    throughput: str = Field(description="Name of the measure.")
    latency: str
    points: list[Point]


class ExperimentInFull(Experiment):
    today: Any = Field(description="Value in force when it began; null: not known.")
    runs: list[Run]
    effects: list[list[Effect]] = Field(description="Of each value but the first.")
    sweep: Sweep | None


def _fields(outcome: Outcome, note: Note | None) -> dict[str, Any]:
    running = note is not None and note.id == outcome.id
    return {**msgspec.to_builtins(outcome), "state": "running" if running else outcome.state}


@router.get("/experiments", auth=reads, response=Page[Experiment], operation_id="list_experiments")
def experiments(request: HttpRequest, query: Query[Paging]) -> object:
    """The last 100, the newest first."""
    kept, note = notes.results(broker().connection), notes.current(broker().connection)
    return page_of(list(kept.values()), query, lambda outcome: _fields(outcome, note))


@router.get("/experiments/{id}", auth=reads, response=ExperimentInFull, operation_id="get_experiment")
def experiment(request: HttpRequest, id: str) -> object:
    """One experiment with every window and every effect."""
    outcome, note = found(id)
    swept = sweep(outcome)
    return {**_fields(outcome, note), "sweep": msgspec.to_builtins(swept) if swept else None}


@router.post(
    "/experiments/{id}/stop", auth=operates, response={202: ExperimentInFull}, operation_id="stop_experiment"
)
def stop(request: HttpRequest, id: str) -> object:
    """Stop the one that runs, wherever it was started: what was measured is kept, the setting put back in seconds."""
    found(id)
    stop_experiment(id, actor(request))
    return Status(202, experiment(request, id))

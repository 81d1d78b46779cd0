"""Loads and scenarios in words and figures."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from django.urls import reverse

from streamlab.lab.loads.desired import Desired, LoadStatus
from streamlab.lab.loads.figures import LoadFigures
from streamlab.lab.loads.files import text_at
from streamlab.lab.loads.load import Load
from streamlab.lab.scenarios import Lever, Look, Scenario

from .figures import Figure, count, duration, rate, ratio
from .words import Status, Tone, plural


@dataclass(frozen=True)
class LoadRow:
    """One load that is wanted."""

    name: str
    title: str
    status: Status
    summary: str
    ends_in: Figure
    rate: Figure
    consumed: Figure
    lag: Figure
    time_lag: Figure
    retrying: Figure
    parked: Figure
    dead: Figure
    recovered: Figure
    lost: Figure
    members: Figure
    skew: Figure
    version: int


def row(desired: Desired, figures: LoadFigures, status: LoadStatus | None, now_ms: int) -> LoadRow:
    return LoadRow(
        name=desired.load.name,
        title=desired.load.title or desired.load.name,
        status=status_of(desired, status),
        summary=summary(desired.load),
        ends_in=duration(max(0, desired.until_ms - now_ms)),
        rate=rate(figures.rate),
        consumed=rate(figures.consumed_rate),
        lag=count(figures.lag, "records not read yet", "Nothing is committed yet"),
        time_lag=duration(figures.time_lag_ms, "Nothing is committed yet"),
        retrying=count(figures.retrying, "records wait to be tried again"),
        parked=count(figures.parked, "records wait behind one of their key"),
        dead=count(figures.dead, "dead letters kept"),
        recovered=count(figures.recovered, "of them recovered: a replay was handled"),
        lost=count(figures.lost, "records removed before they were read"),
        members=count(figures.members, "members"),
        skew=ratio(figures.max_over_mean, "Nothing is kept yet"),
        version=desired.version,
    )


def status_of(desired: Desired, status: LoadStatus | None) -> Status:
    """`status` None: no lab has said anything of it."""
    if status is None:
        return Status("waits for the lab", Tone.WARN, "No lab runs, or it has not looked yet")
    if status.problem:
        return Status("cannot run", Tone.BAD, status.problem)
    away = [p for p in status.processes if p.pid is None]
    if any(p.restarts for p in away):
        return Status("starts again", Tone.WARN, f"{', '.join(p.name for p in away)} will be started again")
    if away or len(status.processes) < desired.load.processes:
        return Status("starts", Tone.NOTE)
    if status.version != desired.version:
        return Status("takes over a change", Tone.NOTE)
    return Status("runs", Tone.OK, plural(len(status.processes), "process", "processes"))


def summary(load: Load) -> str:
    """
    >>> summary(Load(name="a"))
    '100 records/s into 6 partitions; 1 reader, 1 ms a record'
    """
    sends, reads = load.producers, load.consumers
    return (
        f"{sends.pace} into {plural(load.partitions, 'partition')}; "
        f"{plural(reads.count, 'reader')}, {reads.handler_ms:g} ms a record"
    )


@dataclass(frozen=True)
class Card:
    """A scenario among others."""

    name: str
    title: str
    about: str
    summary: str
    runs: bool


def card(scenario: Scenario, running: bool) -> Card:
    return Card(scenario.name, scenario.title, scenario.about, summary(scenario.load), running)


@dataclass(frozen=True)
class LookLink:
    href: str
    label: str
    at: str


_LABELS = {
    "overview": "Overview",
    "topic": "Its topic",
    "group": "Its group",
    "clients": "Clients",
    "retries": "Retries",
    "dead-letters": "Dead letters",
    "records": "Its records",
}


def look_link(look: Look, load: Load) -> LookLink:
    """Where to look, for this load."""
    match look.page:
        case "topic":
            href = reverse("topic", args=[load.topic_name])
        case "records":
            href = reverse("messages", args=[load.topic_name])
        case "group":
            href = reverse("group", args=[load.group_id])
        case "clients":
            href = f"{reverse('clients')}?{urlencode({'q': load.topic_name})}"
        case "retries":
            href = f"{reverse('retries')}?{urlencode({'group': load.group_id})}"
        case "dead-letters":
            href = f"{reverse('dead-letters')}?{urlencode({'group': load.group_id})}"
        case _:
            href = reverse("overview")
    return LookLink(href, _LABELS.get(look.page, "Overview"), look.at)


@dataclass(frozen=True)
class LeverButton:
    says: str
    then: str
    changes: dict[str, str]
    done: bool  # the load is already as it would make it
    happens: bool  # nobody pulls it, it befalls them


def lever_button(lever: Lever, load: Load) -> LeverButton:
    done = all(text_at(load, place) == value for place, value in lever.changes.items())
    return LeverButton(lever.says, lever.then, lever.changes, done, lever.role == "happens")


@dataclass(frozen=True)
class Knob:
    """One slider."""

    place: str
    label: str
    unit: str
    least: float
    most: float
    step: float
    value: float

    @property
    def text(self) -> str:
        return f"{self.value:g} {self.unit}".rstrip()


def knobs(load: Load) -> list[Knob]:
    """What is turned most; everything else is in the form of all fields."""
    sends, reads, stalls = load.producers, load.consumers, load.stalls
    poison = reads.failures.permanent_share
    found = [
        Knob(
            "producers.size_bytes",
            "Bytes a record",
            "B",
            0,
            max(4_000, sends.size_bytes),
            50,
            sends.size_bytes,
        ),
        Knob("consumers.count", "Readers", "", 0, max(8, reads.count), 1, reads.count),
        Knob(
            "consumers.handler_ms",
            "Time a record takes",
            "ms",
            0,
            max(100.0, reads.handler_ms),
            1,
            reads.handler_ms,
        ),
    ]
    if not sends.full_speed:
        most = max(500.0, 4 * sends.rate)
        found.insert(0, Knob("producers.rate", "Records a second", "/s", 0, most, 5, sends.rate))
    if reads.slow_first > 1:
        found.append(Knob("consumers.slow_first", "First reader slower", "times", 1, 20, 1, reads.slow_first))
    if stalls.ms:
        most = 0.8 * stalls.every_ms
        found.append(Knob("stalls.ms", "Slow command takes", "ms", 0, most, 5, stalls.ms))
    if reads.kind == "worker":
        found += [
            Knob("consumers.concurrency", "Handlers at once in a reader", "", 1, 16, 1, reads.concurrency),
            Knob(
                "consumers.failures.permanent_share",
                "Share that is poison",
                "",
                0,
                max(0.2, poison),
                0.01,
                poison,
            ),
        ]
    return found

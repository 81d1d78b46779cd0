"""A scenario as a story: its own texts, step by step, each with what to do and what has to be seen."""

from __future__ import annotations

from dataclasses import dataclass

from streamlab.lab.loads.files import text_at
from streamlab.lab.loads.load import Load
from streamlab.lab.scenarios import FIGURES, Lever, Look, Scenario, Sight, at_least
from streamlab.lab.scenarios.readings import Values

from . import plot
from .figures import Figure, count, duration, rate, ratio, size
from .words import plural

ALWAYS = ("rate", "consumed_rate", "lag")
"""Figures that stand above the charts of every story; beside them those that this one speaks of."""
MOST_MORE = 2


@dataclass(frozen=True)
class Scene:
    """One step."""

    chapter: str  # "Look", "What should be seen", "Pull a lever"
    says: str
    look: Look | None = None
    sight: Sight | None = None
    lever: int | None = None  # number of the scenario's lever
    afresh: bool = False  # the lever is pulled on the fault itself
    starts: bool = False  # the load is started here
    stops: bool = False  # and may be stopped here


def scenes(scenario: Scenario) -> list[Scene]:
    """From the start of the load to its end."""
    return [
        Scene("What goes on", scenario.about, starts=True),
        *[Scene("Look", look.at, look=look) for look in scenario.look],
        *[Scene("What should be seen", expect.says, sight=expect.seen) for expect in scenario.expect],
        *[
            Scene(
                "Then it happens" if lever.role == "happens" else "Pull a lever",
                lever.says,
                sight=lever.seen,
                lever=n,
                afresh=lever.afresh,
            )
            for n, lever in enumerate(scenario.levers)
        ],
        Scene("The end", "What helps, and why?" if helped(scenario) else "What have we seen?", stops=True),
    ]


FAULT = at_least("lag_change", 1)
"""Whether a fault is there (again) that a lever is pulled on."""


def taken_back(scenario: Scenario, scene: Scene, load: Load) -> dict[str, str]:
    """Changes that take back what was pulled before and is still in force; {}: nothing has to be."""
    if scene.lever is None:
        return {}
    before = scenario.taken_back(scene.lever)
    return {place: value for place, value in before.items() if text_at(load, place) != value}


def helped(scenario: Scenario) -> list[Lever]:
    return [lever for lever in scenario.levers if lever.role == "helps"]


def recall(scenario: Scenario) -> list[tuple[str, list[Lever]]]:
    """What the end puts together, under a title each: the answer to its question."""
    parts = {"happens": "What happens", "no help": "What does not help", "helps": "What helps"}
    found = [(title, [one for one in scenario.levers if one.role == role]) for role, title in parts.items()]
    return [(title, levers) for title, levers in found if levers]


@dataclass(frozen=True)
class Seen:
    """A sight and how it is now."""

    label: str
    now: Figure
    waits: str  # "wait for 500 or more"
    yes: bool


def seen(sight: Sight, values: Values, pulled: bool = False) -> Seen:
    """`pulled`: it is what a lever should do, so a lag that is worked off has fallen."""
    value = values.get(sight.figure)
    if pulled and sight.figure == "lag_change" and worked_off(sight, values):
        return Seen("Lag", figure("lag", values["lag"]), waits(sight), True)
    if sight.figure == "lag_change" and value is not None:
        label = "Lag falls by" if value < 0 else "Lag rises by"
        return Seen(label, rate(abs(value)), waits(sight), sight.holds(value))
    return Seen(FIGURES[sight.figure][0], figure(sight.figure, value), waits(sight), sight.holds(value))


def worked_off(sight: Sight, values: Values) -> bool:
    """Whether a lag that should fall has fallen as far as it can: to what comes in in half a second."""
    lag, comes_in = values.get("lag"), values.get("rate")
    return sight.most is not None and lag is not None and lag <= max(NEAR_0, (comes_in or 0.0) / 2)


NEAR_0 = 15
"""Records."""


def waits(sight: Sight) -> str:
    """
    >>> waits(Sight(figure="lag", least=500)), waits(Sight(figure="lag_change", most=-1))
    ('wait for 500 or more', 'wait until it falls')
    """
    if sight.figure == "lag_change" and sight.most is not None:
        if sight.most < -1:
            return f"wait until it falls by {rate(-sight.most).plain}"
        return "wait until it falls" if sight.most < 0 else "wait until it rises no more"
    if sight.figure == "lag_change":
        return "wait until it rises"
    return f"wait for {_wanted(sight)}"


def _wanted(sight: Sight) -> str:
    low, high = (None if v is None else figure(sight.figure, v).plain for v in (sight.least, sight.most))
    if low is not None and high is not None:
        return f"{low} to {high}"
    return f"{low} or more" if high is None else f"{high} or less"


def figure(name: str, value: float | None) -> Figure:
    match FIGURES[name][1]:
        case "records/s":
            return rate(value)
        case "s":
            return duration(None if value is None else value * 1000)
        case "ms":
            return duration(value)
        case "bytes":
            return size(value)
        case "times the mean":
            return ratio(value)
        case "records in a batch":
            return plot.figure(value, "records in a batch")
        case unit:
            return count(value, unit)


@dataclass(frozen=True)
class Told:
    """One of the figures above the charts."""

    label: str
    now: Figure


def told(scenario: Scenario, values: Values) -> list[Told]:
    """What every story shows, and what this one speaks of besides."""
    own = dict.fromkeys([*(sight.figure for sight in scenario.sights), "members"])
    more = [name for name in own if name not in (*ALWAYS, "lag_change")][:MOST_MORE]
    return [Told(FIGURES[name][0], figure(name, values.get(name))) for name in (*ALWAYS, *more)]


def plain_start(load: Load) -> str:
    """What starting does, in a line."""
    readers, partitions = plural(load.consumers.count, "reader"), plural(load.partitions, "partition")
    return f"{load.producers.pace}, {readers}, {partitions}"

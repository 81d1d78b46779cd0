"""A scenario as a story: its own texts, step by step, each with what to do and what has to be seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from streamlab.lab.loads.figures import LoadFigures
from streamlab.lab.loads.load import Load
from streamlab.lab.scenarios import FIGURES, Look, Scenario, Sight
from streamlab.metrics.snapshot import Snapshot

from .figures import Figure, count, duration, rate, ratio, size
from .words import plural

Values = Mapping[str, float | None]
"""Figure of a sight -> its value now; None: not known."""


@dataclass(frozen=True)
class Scene:
    """One step."""

    chapter: str  # "Look", "See", "Pull"
    says: str
    look: Look | None = None
    sight: Sight | None = None
    lever: int | None = None  # number of the scenario's lever
    starts: bool = False  # the load is started here
    stops: bool = False  # and may be stopped here


def scenes(scenario: Scenario) -> list[Scene]:
    """From the start of the load to its end."""
    seen = [*scenario.seen, *[None] * len(scenario.expect)]
    return [
        Scene("What goes on", scenario.about, starts=True),
        *[Scene("Look", look.at, look=look) for look in scenario.look],
        *[
            Scene("What should be seen", said, sight=sight)
            for said, sight in zip(scenario.expect, seen, strict=False)
        ],
        *[
            Scene("Pull a lever", lever.says, sight=lever.seen, lever=n)
            for n, lever in enumerate(scenario.levers)
        ],
        Scene("The end", "Which lever helped, and why?", stops=True),
    ]


@dataclass(frozen=True)
class Seen:
    """A sight and how it is now."""

    label: str
    now: Figure
    wanted: str  # "500 or more"
    yes: bool


def seen(sight: Sight, values: Values) -> Seen:
    label, _ = FIGURES[sight.figure]
    value = values.get(sight.figure)
    return Seen(label, figure(sight.figure, value), wanted(sight), sight.holds(value))


def wanted(sight: Sight) -> str:
    """
    >>> wanted(Sight(figure="lag", least=500)), wanted(Sight(figure="lag_change", most=-1))
    ('500 or more', '−1/s or less')
    """
    low, high = (None if v is None else figure(sight.figure, v).plain for v in (sight.least, sight.most))
    if low is not None and high is not None:
        return f"{low} to {high}"
    return f"{low} or more" if high is None else f"{high} or less"


def figure(name: str, value: float | None) -> Figure:
    match FIGURES[name][1]:
        case "records/s":
            shown = rate(value)
            if value is None or name != "lag_change":
                return shown
            sign = "+" if value > 0 else ""
            return Figure(sign + shown.text.replace("-", "−"), shown.unit, shown.exact, value)
        case "s":
            return duration(None if value is None else value * 1000)
        case "bytes":
            return size(value)
        case "times the mean":
            return ratio(value)
        case unit:
            return count(value, unit)


def values_of(figures: LoadFigures, load: Load, snapshot: Snapshot, lag_change: float | None) -> Values:
    topic, group = snapshot.topics.get(load.topic_name), snapshot.groups.get(load.group_id)
    bytes_known = topic is not None and topic.byte_rate is not None and topic.rate
    return {
        "rate": figures.rate,
        "consumed_rate": figures.consumed_rate,
        "lag": figures.lag,
        "lag_change": lag_change,
        "time_lag": None if figures.time_lag_ms is None else figures.time_lag_ms / 1000,
        "members": figures.members,
        "partitions": figures.partitions,
        "skew": figures.max_over_mean,
        "epoch": group.epoch if group else None,
        "record_bytes": topic.byte_rate / topic.rate if topic and bytes_known else None,  # type: ignore[operator]
        "retrying": figures.retrying,
        "dead": figures.dead,
        "lost": figures.lost,
    }


def plain_start(load: Load) -> str:
    """What starting does, in a line."""
    readers, partitions = plural(load.consumers.count, "reader"), plural(load.partitions, "partition")
    return f"{load.producers.pace}, {readers}, {partitions}"

"""Findings of the advisor as they are shown."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from django.urls import reverse

from streamlab.advisor import Experiment, Finding, Lever, Number, Urgency

from .figures import Figure, byte_rate, count, duration, percent, rate, ratio, size, unknown
from .tries import try_href
from .words import Status, Tone

TONES = {Urgency.NOW: Tone.BAD, Urgency.SOON: Tone.WARN, Urgency.HINT: Tone.NOTE}
WORDS = {Urgency.NOW: "now", Urgency.SOON: "soon", Urgency.HINT: "hint"}
WHY = {
    Urgency.NOW: "Records are being lost, or nobody reads them",
    Urgency.SOON: "It gets worse by itself",
    Urgency.HINT: "It costs something, and nothing breaks",
}

Keys = Callable[[str, str], str]
"""(topic, key as text) -> what a reader may see of the key."""


@dataclass(frozen=True)
class NumberRow:
    name: str
    value: Figure
    limit: Figure | None  # what it was held against


@dataclass(frozen=True)
class LeverRow:
    says: str
    effect: str
    experiment_href: str  # "" where there is none
    experiment: str  # "max_poll_records: 500, 100"
    what_if_href: str
    look_href: str
    look: str  # "Dead letters"


@dataclass(frozen=True)
class FindingCard:
    key: str
    anchor: str
    rule: str
    title: str
    status: Status
    symptom: str
    cause: str
    not_causes: Sequence[str]
    judged: str
    crossed: list[NumberRow]  # figures with a limit, which made it a finding
    numbers: list[NumberRow]  # those that explain it
    levers: list[LeverRow]
    age: Figure  # for how long it has been found
    group: str
    topic: str

    @property
    def tone(self) -> Tone:
        return self.status.tone

    @property
    def href(self) -> str:
        return f"{reverse('advisor')}#{self.anchor}"


def card(finding: Finding, now_ms: int, keys: Keys | None = None) -> FindingCard:
    """`keys` None: keys are not shown."""
    rows = [_number(number) for number in finding.numbers]
    return FindingCard(
        key=finding.key,
        anchor=anchor(finding),
        rule=finding.rule,
        title=finding.title,
        status=Status(WORDS[finding.urgency], TONES[finding.urgency], WHY[finding.urgency]),
        symptom=finding.symptom,
        cause=_cause(finding, keys),
        not_causes=finding.not_causes,
        judged=finding.judged,
        crossed=[row for row in rows if row.limit is not None],
        numbers=[row for row in rows if row.limit is None],
        levers=[_lever(lever, finding) for lever in finding.levers],
        age=duration(max(0, now_ms - finding.since_ms)),
        group=finding.group,
        topic=finding.topic,
    )


def anchor(finding: Finding) -> str:
    """
    >>> anchor(Finding(rule="capacity", subject="group:a/b c", title="", symptom="", cause="", judged=""))
    'capacity-group-a-b-c'
    """
    return re.sub(r"[^A-Za-z0-9]+", "-", finding.key).strip("-")


def _cause(finding: Finding, keys: Keys | None) -> str:
    if not finding.record_key or keys is None:
        return finding.cause
    return f"{finding.cause} It is {keys(finding.topic, finding.record_key)}."


def _number(number: Number) -> NumberRow:
    unit = number.shown_unit
    limit = None if number.limit is None else figure(number.limit, unit)
    return NumberRow(number.name, figure(number.value, unit), limit)


def figure(value: float | None, unit: str) -> Figure:
    """
    >>> [figure(v, u).plain for v, u in ((0.25, "share"), (1500, "ms"), (8, "s"), (60, "records/s"), (1, "members"))]
    ['25 %', '1.5 s', '8 s', '60/s', '1 member']
    """
    if value is None:
        return unknown("Not known")
    match unit:
        case "share":
            return percent(value)
        case "ms":
            return duration(value)
        case "s":
            return duration(value * 1000)
        case "bytes":
            return size(value)
        case "bytes/s":
            return byte_rate(value)
        case "times":
            return ratio(value)
    if unit.endswith("/s"):
        return rate(value, unit.removesuffix("/s"))
    found = count(value, unit)
    whole = float(value).is_integer() or abs(value) >= 100
    text = found.text if whole else f"{value:.2g}"
    return Figure(text, unit.removesuffix("s") if value == 1 else unit, found.exact, value)


LOOKS = {"dead-letters": "Dead letters", "retries": "Retries", "history": "History"}


def _lever(lever: Lever, finding: Finding) -> LeverRow:
    experiment = lever.experiment
    return LeverRow(
        lever.says,
        lever.effect,
        experiment_href(experiment) if experiment else "",
        f"{experiment.setting}: {', '.join(_shown(v) for v in experiment.values)}" if experiment else "",
        what_if_href(lever.what_if) if lever.what_if else "",
        _look_href(lever.look, finding) if lever.look else "",
        LOOKS.get(lever.look, ""),
    )


def _look_href(page: str, finding: Finding) -> str:
    """Narrowed to what the finding is about, as far as the page can be."""
    about = {"group": finding.group, "topic": finding.topic if page == "dead-letters" else ""}
    query = urlencode({name: value for name, value in about.items() if value})
    return f"{reverse(page)}?{query}" if query and page != "history" else reverse(page)


def _shown(value: str) -> str:
    return "unset" if value == "-" else value


def what_if_href(fields: Mapping[str, str]) -> str:
    """The what-if page with these fields filled in."""
    return f"{reverse('what-if')}?{urlencode(fields)}"


def experiment_href(experiment: Experiment) -> str:
    """The form of an experiment, filled in."""
    _, client, client_id = experiment.entity.partition("client:")
    return try_href(
        experiment.entity,
        experiment.setting,
        experiment.values,
        topic=experiment.topic,
        group=experiment.group,
        producers=client_id if client else "",
    )

"""What happened, as marks on the time axis of a chart: a word, a sentence, and where it leads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dashboard.alerts.models import Firing, Severity
from dashboard.alerts.now import TONES
from dashboard.projections.models import BrokerEvent
from streamlab.lab.experiments.notes import Outcome

from .figures import Figure, moment, spell_duration
from .payload import visible
from .words import Tone, plural


@dataclass(frozen=True)
class Mark:
    key: str
    at_ms: int
    at: Figure
    kind: str  # decides colour and shape: rebalance, reset, replay, settings, topic, group, alert, experiment
    word: str
    text: str
    tone: Tone
    page: str = ""  # name of the URL it leads to
    name: str = ""


KINDS: Mapping[str, tuple[str, str, Tone]] = {
    "group.rebalanced": ("rebalance", "Rebalance", Tone.NOTE),
    "group.paused": ("group", "Paused", Tone.WARN),
    "group.resumed": ("group", "Resumed", Tone.OK),
    "group.deleted": ("group", "Group deleted", Tone.WARN),
    "offsets.reset": ("reset", "Offset reset", Tone.WARN),
    "replay.started": ("replay", "Replay", Tone.NOTE),
    "replay.finished": ("replay", "Replay ended", Tone.OK),
    "config.changed": ("settings", "Settings", Tone.NOTE),
    "topic.created": ("topic", "Topic created", Tone.OK),
    "topic.deleted": ("topic", "Topic deleted", Tone.WARN),
    "partitions.added": ("topic", "Partitions added", Tone.NOTE),
    "records.deleted": ("topic", "Records deleted", Tone.WARN),
    "schema.registered": ("topic", "Schema registered", Tone.NOTE),
}
"""Event -> what it is drawn as, its word, its tone."""


def mark(event: BrokerEvent, operation: int | None) -> Mark:
    """`operation` is the number of the operation that did it, where it was one."""
    kind, word, tone = KINDS[event.kind]
    page, name = _where(event, operation)
    return Mark(
        key=event.event_id,
        at_ms=event.at_ms,
        at=moment(event.at_ms),
        kind=kind,
        word=word,
        text=visible(_sentence(event))[:300],
        tone=tone,
        page=page,
        name=name,
    )


def alert_opened(firing: Firing) -> Mark:
    tone = TONES[Severity(firing.severity)]
    return _alert(
        firing, "opened", firing.opened_at, f"{firing.rule_name}: {firing.opened_says}", "Alert", tone
    )


def alert_cleared(firing: Firing) -> Mark:
    assert firing.cleared_at is not None
    says = f"{firing.rule_name}: {firing.cleared_says}"
    return _alert(firing, "cleared", firing.cleared_at, says, "Alert cleared", Tone.OK)


def _alert(firing: Firing, what: str, when: datetime, says: str, word: str, tone: Tone) -> Mark:
    at_ms = int(when.timestamp() * 1000)
    return Mark(
        key=f"alert-{firing.pk}-{what}",
        at_ms=at_ms,
        at=moment(at_ms),
        kind="alert",
        word=word,
        text=visible(says)[:300],
        tone=tone,
        page="alert",
        name=str(firing.pk),
    )


def of_experiment(outcome: Outcome, at_ms: int, ended: bool) -> Mark:
    """Its beginning or its end."""
    plan = outcome.plan
    values = ", ".join("unset" if value is None else str(value) for value in plan.values)
    said = (outcome.verdicts[0] if len(outcome.verdicts) == 1 else outcome.state) if ended else values
    return Mark(
        key=f"{outcome.id}-{'end' if ended else 'start'}",
        at_ms=at_ms,
        at=moment(at_ms),
        kind="experiment",
        word="Experiment ended" if ended else "Experiment",
        text=visible(f"{plan.setting_name} of {plan.entity}: {said}")[:300],
        tone=Tone.NOTE,
        page="experiment",
        name=outcome.id,
    )


def _where(event: BrokerEvent, operation: int | None) -> tuple[str, str]:
    if operation is not None:
        return "operation", str(operation)
    if event.kind == "schema.registered":
        subject = str(event.data.get("schema_subject") or "")
        return ("schema", subject) if subject else ("", "")
    if event.group:
        return "group", event.group
    if event.kind == "config.changed":
        kind, name = event.data.get("entity_type"), event.data.get("entity")
        return (str(kind), str(name)) if kind in ("topic", "group") and name else ("", "")
    return ("topic", event.topic) if event.topic and event.kind != "topic.deleted" else ("", "")


def _sentence(event: BrokerEvent) -> str:
    data: dict[str, Any] = event.data
    by = f", by {event.by}" if event.by else ""
    match event.kind:
        case "group.rebalanced":
            took = data.get("took_ms")
            lasted = f", took {spell_duration(took)}" if isinstance(took, (int, float)) else ""
            moved = len(data.get("moved") or [])
            why = data.get("words") or data.get("cause") or "rebalanced"
            return f"{event.group}: {why}; {plural(moved, 'partition')} moved{lasted}"
        case "offsets.reset":
            return f"{event.group}: {_amounts(data)}{by}"
        case "config.changed":
            who = data.get("entity") or data.get("entity_type") or "server"
            return f"{who}: {_change(data)}{by}"
        case "schema.registered":
            return f"{data.get('schema_subject')} version {data.get('schema_version')}{by}"
        case "replay.started" | "replay.finished":
            of = event.group or event.topic or event.subject
            return f"{of}{by}"
        case _:
            return f"{event.group or event.topic or event.subject}{by}"


def _amounts(data: Mapping[str, Any]) -> str:
    parts = [
        f"{plural(n, 'record')} to be {words}"
        for n, words in ((data.get("repeated"), "read again"), (data.get("skipped"), "skipped"))
        if isinstance(n, int) and n
    ]
    return " and ".join(parts) or "offsets moved"


def _change(data: Mapping[str, Any]) -> str:
    name = data.get("name")
    if name is not None:
        return f"{name} {_value(data.get('before'))} → {_value(data.get('after'))}"
    changes = data.get("changes")
    if isinstance(changes, list):
        return ", ".join(
            f"{c.get('name')} {_value(c.get('before'))} → {_value(c.get('after'))}"
            for c in changes
            if isinstance(c, dict)
        )
    return "settings changed"


def _value(value: Any) -> str:
    return "not set" if value is None else str(value)

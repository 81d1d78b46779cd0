"""An event → the rows that it alone decides. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from django.db.models import Model

from streamlab.delivery.fingerprint import fingerprint
from streamlab.events import (
    ConfigChanged,
    DeadLetterDiscarded,
    DeadLetterReplayed,
    GroupRebalanced,
    OffsetsReset,
    RecordDeadLettered,
    Recorded,
    RecordReleased,
    RecordRetried,
)
from streamlab.events.of_records import AttemptEvent, DeadLetterEvent, FailureEvent, RecordEvent

from . import models
from .upsert import Row

TEXT_CHARS = 4_000
"""Longer texts are cut: tables are for searching, the whole of it stands in the dead letter."""


def rows_of(recorded: Recorded) -> Iterator[tuple[type[Model], Row]]:
    """A row for the table of its kind, and one for the table of all that happened where it is about no record."""
    event = recorded.event
    if isinstance(event, RecordEvent):
        yield models.RecordEvent, record_event(recorded, event)
        return
    yield models.BrokerEvent, broker_event(recorded)
    if isinstance(event, GroupRebalanced):
        yield models.Rebalance, rebalance(recorded, event)
    elif isinstance(event, ConfigChanged):
        yield models.ConfigChange, config_change(recorded, event)
    elif isinstance(event, OffsetsReset):
        yield models.OffsetReset, offset_reset(recorded, event)


def record_event(recorded: Recorded, event: RecordEvent) -> Row:
    row = {
        "event_id": clean(recorded.id),
        "kind": recorded.name,
        "at_ms": event.at_ms,
        "record_id": clean(event.record_id),
        "group": clean(event.group),
        "topic": clean(event.topic),
        "partition": event.partition,
        "offset": event.offset,
        "replays": event.replays,
        "attempt": event.attempt,
        "member": clean(event.member),
        "note": _note(event),
    }
    if isinstance(event, AttemptEvent):
        row |= {"planned_ms": event.planned_ms, "started_ms": event.started_ms, "took_ms": event.took_ms}
    if isinstance(event, FailureEvent):
        row |= {"exception": clean(event.exception), "message": clean(event.message)}
        row |= {"call_site": clean(event.call_site), "fingerprint": fingerprint_of(event)}
    if isinstance(event, (RecordRetried, RecordReleased)):
        row["due_ms"] = event.due_ms
    if isinstance(event, DeadLetterEvent):
        row |= {"by": clean(event.by), "fingerprint": clean(event.fingerprint)}
    return row


def _note(event: RecordEvent) -> str:
    match event:
        case RecordDeadLettered():
            return clean(event.cause)
        case DeadLetterReplayed():
            return clean(event.to_topic or event.target)
        case DeadLetterDiscarded() | RecordReleased():
            return clean(event.reason)
        case _:
            return ""


def fingerprint_of(event: FailureEvent) -> str:
    """As the event says it, else made from what it says."""
    if event.fingerprint:
        return clean(event.fingerprint)
    what = event.exception or (event.cause if isinstance(event, RecordDeadLettered) else None)
    return fingerprint(what, event.call_site, event.message)


def broker_event(recorded: Recorded) -> Row:
    data = recorded.data
    return {
        "event_id": clean(recorded.id),
        "kind": clean(recorded.name)[:80],
        "at_ms": recorded.at_ms,
        "group": _said(data, "group"),
        "topic": _said(data, "topic"),
        "subject": clean(recorded.subject),
        "by": _said(data, "by"),
        "data": cleaned(data),
    }


def _said(data: dict[str, Any], field: str) -> str:
    value = data.get(field)
    return clean(value) if isinstance(value, str) else ""


def rebalance(recorded: Recorded, event: GroupRebalanced) -> Row:
    standstills = [move.standstill_ms for move in event.moved if move.standstill_ms is not None]
    return {
        "event_id": clean(recorded.id),
        "at_ms": event.at_ms,
        "group": clean(event.group),
        "epoch": event.epoch,
        "cause": clean(event.cause),
        "assignor": clean(event.assignor),
        "members_before": cleaned(event.members_before),
        "members_after": cleaned(event.members_after),
        "moved": cleaned(msgspec.to_builtins(event.moved)),
        "moved_count": len(event.moved),
        "longest_standstill_ms": max(standstills, default=None),
        "took_ms": event.took_ms,
    }


def config_change(recorded: Recorded, event: ConfigChanged) -> Row:
    return {
        "event_id": clean(recorded.id),
        "at_ms": event.at_ms,
        "entity_type": clean(event.entity_type),
        "entity": clean(event.entity),
        "name": clean(event.name),
        "before": None if event.before is None else clean(event.before),
        "after": None if event.after is None else clean(event.after),
        "by": clean(event.by),
        "revision": event.revision,
    }


def offset_reset(recorded: Recorded, event: OffsetsReset) -> Row:
    return {
        "event_id": clean(recorded.id),
        "at_ms": event.at_ms,
        "group": clean(event.group),
        "strategy": clean(event.strategy),
        "by": clean(event.by),
        "repeated": event.repeated,
        "skipped": event.skipped,
        "positions": cleaned(msgspec.to_builtins(event.positions)),
        "partitions": len(event.positions),
    }


def clean(text: str | None) -> str:
    """What a database can store: no NUL (PostgreSQL refuses it), no more than `TEXT_CHARS`; None is empty.

    >>> clean("a\\x00b"), clean(None)
    ('a\\ufffdb', '')
    """
    if text is None:
        return ""
    if len(text) > TEXT_CHARS:
        text = text[:TEXT_CHARS]
    return text.replace("\x00", "\ufffd") if "\x00" in text else text


def cleaned(value: Any) -> Any:
    """The same for everything inside lists and dicts."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, list):
        return [cleaned(item) for item in value]
    if isinstance(value, dict):
        return {clean(str(key)): cleaned(item) for key, item in value.items()}
    return value

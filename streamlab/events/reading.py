"""A record of the internal topic, read back into what happened.

Whoever reads history meets events that are newer than itself. So nothing here fails on a type or a field that it does
not know: the event comes back with `event` None, its type, and its fields as they are.
"""

from __future__ import annotations

from typing import Any

import msgspec

from ..cloudevents import InvalidEventError, from_record
from ..model import ConsumerRecord
from . import of_broker, of_groups, of_records  # noqa: F401 - they enter their types
from .base import PREFIX, TYPES, Event

_DECODERS: dict[str, msgspec.json.Decoder[Event]] = {}


class Recorded(msgspec.Struct, frozen=True):
    """One event of history."""

    id: str  # the same for the same happening, however often it was said
    type: str  # "streamlab.record.retried"
    at_ms: int  # when it happened
    source: str
    subject: str
    event: Event | None  # None: a type that is not known here, or fields that do not fit it
    data: dict[str, Any]  # the fields as they were written
    partition: int = -1  # of the internal topic
    offset: int = -1

    @property
    def name(self) -> str:
        """The type without its prefix."""
        return self.type.removeprefix(PREFIX)


def recorded_of(record: ConsumerRecord) -> Recorded | None:
    """None when the record is no event at all; somebody else wrote it."""
    try:
        envelope = from_record(record.headers, record.value)
        data = msgspec.json.decode(envelope.data or b"{}", type=dict[str, Any])
    except (InvalidEventError, msgspec.DecodeError):
        return None
    at_ms = data.get("at_ms")
    return Recorded(
        envelope.id,
        envelope.type,
        at_ms if isinstance(at_ms, int) else record.timestamp,
        envelope.source,
        envelope.subject or "",
        event_of(envelope.type, envelope.data or b"{}"),
        data,
        record.partition,
        record.offset,
    )


def event_of(type: str, data: bytes) -> Event | None:
    """The event that these fields make; None when the type is unknown or they do not fit it."""
    cls = TYPES.get(type)
    if cls is None:
        return None
    decoder = _DECODERS.get(type)
    if decoder is None:
        decoder = _DECODERS[type] = msgspec.json.Decoder(cls)
    try:
        return decoder.decode(data)
    except msgspec.DecodeError:
        return None

"""Records for humans."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dashboard.schema_registry.decoding import Decoder
from streamlab.model import LOG_APPEND_TIME, ConsumerRecord, Headers

from .figures import Figure, moment
from .payload import BySchema, Payload, read_by, visible


@dataclass(frozen=True)
class RecordRow:
    """One record in a list."""

    topic: str
    partition: int
    offset: int
    time: Figure
    time_says: str  # whose clock that is
    key: Payload
    value: Payload
    headers: int
    event: str  # type of the CloudEvent; "" when it is none
    key_by: BySchema | None  # which registered schema they were read by
    value_by: BySchema | None


def row(record: ConsumerRecord, now_ms: int, decoder: Decoder | None = None) -> RecordRow:
    event = record.header("ce_type")
    decoder = decoder or Decoder()
    key, key_by = read_by(record.key, decoder.decoded(record.topic, record.key, is_key=True))
    value, value_by = read_by(record.value, decoder.decoded(record.topic, record.value))
    return RecordRow(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        time=moment(record.timestamp, now_ms),
        time_says="appended" if record.timestamp_type == LOG_APPEND_TIME else "by its producer",
        key=key,
        value=value,
        headers=len(record.headers),
        event=visible(event.decode("utf-8", "replace")) if event else "",
        key_by=key_by,
        value_by=value_by,
    )


def attributes_of(headers: Headers) -> list[tuple[str, str]]:
    """What a record's CloudEvents headers say; [] when it is no event."""
    found: list[tuple[str, Any]] = [(n[3:], v) for n, v in headers if n.startswith("ce_")]
    return [(visible(name), visible((value or b"").decode("utf-8", "replace"))) for name, value in found]

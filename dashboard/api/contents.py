"""What records hold, as JSON: text where the bytes are UTF-8, base64 elsewhere. Masked in `masking.reading`."""

from __future__ import annotations

from base64 import b64encode

from ninja import Field, Schema

from dashboard.schema_registry.decoding import Decoded, Decoder
from streamlab.model import LOG_APPEND_TIME, ConsumerRecord, Headers

MOST_IN_A_LIST = 100_000
"""Bytes of one key or value in a list; a single record is whole."""


class Contents(Schema):
    """Bytes: a key, or a value."""

    text: str | None = Field(description="Where it is UTF-8.")
    base64: str | None = Field(description="Where it is not.")
    size_bytes: int
    cut: bool = Field(description="Whether this is only its beginning.")


class Header(Schema):
    name: str
    value: Contents | None


class BySchema(Schema):
    """A key or value that begins with the id of a registered schema, read by it."""

    subject: str
    version: int
    id: int
    json_text: str | None = Field(
        description="What it stands for, as JSON; null: it does not read as its schema."
    )
    problem: str = Field(description="Why it does not fit its schema; empty when it does.")


class Record(Schema):
    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    timestamp_of: str = Field(description='"append" or "producer": whose clock.')
    key: Contents | None
    value: Contents | None = Field(description="null: a tombstone.")
    headers: list[Header]
    key_by_schema: BySchema | None
    value_by_schema: BySchema | None


def by_schema(found: Decoded | None) -> dict[str, object] | None:
    if found is None:
        return None
    text = None if found.json is None else found.json.decode("utf-8", "replace")
    return {
        "subject": found.subject,
        "version": found.version,
        "id": found.id,
        "json_text": text,
        "problem": found.problem,
    }


def contents(data: bytes | None, most: int | None = None) -> dict[str, object] | None:
    """
    >>> contents(b"caf\\xc3\\xa9", 4)["text"], contents(b"\\xff")["base64"], contents(None)
    ('caf', '/w==', None)
    """
    if data is None:
        return None
    shown = data if most is None else data[:most]
    text: str | None
    try:
        text = shown.decode()
    except UnicodeDecodeError as error:
        whole = (
            len(shown) < len(data) and error.start >= len(shown) - 3
        )  # only cut in the middle of a character
        text = shown[: error.start].decode() if whole else None
    return {
        "text": text,
        "base64": None if text is not None else b64encode(shown).decode(),
        "size_bytes": len(data),
        "cut": len(shown) < len(data),
    }


def headers(found: Headers, most: int | None = None) -> list[dict[str, object]]:
    return [{"name": name, "value": contents(value, most)} for name, value in found]


def record(
    found: ConsumerRecord, most: int | None = None, decoder: Decoder | None = None
) -> dict[str, object]:
    decoder = decoder or Decoder()
    return {
        "topic": found.topic,
        "partition": found.partition,
        "offset": found.offset,
        "timestamp_ms": found.timestamp,
        "timestamp_of": "append" if found.timestamp_type == LOG_APPEND_TIME else "producer",
        "key": contents(found.key, most),
        "value": contents(found.value, most),
        "headers": headers(found.headers, most),
        "key_by_schema": by_schema(decoder.decoded(found.topic, found.key, is_key=True)),
        "value_by_schema": by_schema(decoder.decoded(found.topic, found.value)),
    }

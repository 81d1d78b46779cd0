"""Keys and values that begin with the id of a registered schema, made readable: Avro as JSON, JSON held against its
schema.

What is read was written by strangers. So whatever the bytes are, what comes out is text, or a sentence why there is
none.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import msgspec

from dashboard.broker import broker
from streamlab.errors import StreamlabError
from streamlab.model import ConsumerRecord
from streamlab.schemas.avro_serializer import AvroDeserializer
from streamlab.schemas.compatibility import Parsed
from streamlab.schemas.framing import HEAD_BYTES, MAGIC, schema_id
from streamlab.schemas.json_schema import JsonSchema
from streamlab.schemas.model import Version
from streamlab.schemas.registry import SchemaRegistry
from streamlab.schemas.subject_names import topic_name

from .core import registry

MOST_BYTES = 1 << 20
"""Of a value that is decoded for a page."""


@dataclass(frozen=True)
class Decoded:
    """What a schema makes of a key or a value."""

    json: bytes | None  # None: the bytes do not read as that schema
    kind: str  # "Avro", "JSON"
    subject: str
    version: int
    id: int
    problem: str  # why it does not fit its schema; "" when it does


class Decoder:
    """For one page or one search: what it asked the registry once it does not ask again."""

    def __init__(self, known: SchemaRegistry | None = None):
        self._registry = known
        self._schemas: dict[tuple[int, str], tuple[Version, Parsed] | None] = {}

    def decoded(self, topic: str, data: bytes | None, is_key: bool = False) -> Decoded | None:
        """None for what names no registered schema, and for what is too large to be worth the wait."""
        if data is None or data[:1] != bytes([MAGIC]) or not HEAD_BYTES < len(data) <= MOST_BYTES:
            return None
        found = self._schema(schema_id(data), topic_name(topic, is_key, None))
        if found is None:
            return None
        version, parsed = found
        if isinstance(parsed, JsonSchema):
            text, problem = _of_json(parsed, data[HEAD_BYTES:])
        else:
            text, problem = self._of_avro(topic, data)
        kind = "JSON" if isinstance(parsed, JsonSchema) else "Avro"
        return Decoded(text, kind, version.subject, version.version, version.id, problem)

    def readable(self, record: ConsumerRecord) -> ConsumerRecord | None:
        """The record with the JSON that its value stands for; None when it needs no schema to be read."""
        found = self.decoded(record.topic, record.value)
        if found is None or found.json is None:
            return None
        return ConsumerRecord(
            record.topic,
            record.partition,
            record.offset,
            record.timestamp,
            record.key,
            found.json,
            record.headers or None,
            timestamp_type=record.timestamp_type,
        )

    def _schema(self, id: int, subject: str) -> tuple[Version, Parsed] | None:
        if (id, subject) not in self._schemas:
            self._schemas[id, subject] = self._asked(id, subject)
        return self._schemas[id, subject]

    def _asked(self, id: int, subject: str) -> tuple[Version, Parsed] | None:
        try:
            known = self._known()
            parsed = known.parsed(id)
            uses = known.uses(id, deleted=True)
        except StreamlabError:  # no such id, no broker: the bytes speak for themselves
            return None
        own = next((version for version in uses if version.subject == subject), uses[0])
        return own, parsed

    def _known(self) -> SchemaRegistry:
        if self._registry is None:
            broker()  # raises KafkaConnectionError where there is none
            self._registry = registry()
        return self._registry

    def _of_avro(self, topic: str, data: bytes) -> tuple[bytes | None, str]:
        try:
            value = AvroDeserializer(self._known()).deserialize(topic, None, data)
            return msgspec.json.encode(_readable(value)), ""
        except (StreamlabError, msgspec.MsgspecError, RecursionError, ValueError, OverflowError) as error:
            return None, str(error) or "It is nested too deeply."


def _of_json(parsed: JsonSchema, text: bytes) -> tuple[bytes | None, str]:
    try:
        problem = parsed.error(msgspec.json.decode(text))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return None, f"The value is not JSON: {error}."
    return text, f"{problem[0]}: {problem[1]}" if problem else ""


def _readable(value: Any) -> Any:
    """What JSON can say: bytes in hexadecimal, NaN by its name.

    >>> _readable({"b": b"\\xff", "n": float("nan"), "l": [1.5]})
    {'b': '0xff', 'n': 'nan', 'l': [1.5]}
    """
    if isinstance(value, dict):
        return {str(name): _readable(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_readable(inner) for inner in value]
    if isinstance(value, bytes):
        return f"0x{value.hex()}"
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value

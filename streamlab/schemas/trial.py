"""What a schema would break: live records and dead letters, read with a candidate before anybody registers it.

A record that was written with a registered schema is read as that and resolved to the candidate, as a consumer with the
candidate would do. Plain JSON is held against a candidate that is a JSON Schema. Everything else says nothing about it.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from .. import browse
from ..connection import Connection
from ..errors import StreamlabError
from ..model import ConsumerRecord
from . import parsing
from .avro_serializer import AvroDeserializer
from .framing import HEAD_BYTES
from .json_schema import JsonSchema
from .json_serializer import JsonDeserializer
from .model import Schema, SchemaType
from .registry import SchemaRegistry

MOST_FAILING = 50


class Failing(msgspec.Struct, frozen=True):
    """A record that the candidate does not read."""

    record: ConsumerRecord
    reason: str


class Trial(msgspec.Struct):
    """What came of it."""

    read: int = 0
    failed: int = 0
    silent: int = 0  # records that say nothing about it: tombstones, values without a schema
    failing: list[Failing] = []  # the first MOST_FAILING of those that failed

    @property
    def looked_at(self) -> int:
        return self.read + self.failed + self.silent


class TrialReader:
    """Reads values with one candidate. Raises InvalidSchemaError when it is none."""

    def __init__(self, registry: SchemaRegistry, candidate: Schema):
        self._parsed = parsing.parse(candidate, registry.resolve)
        kind = AvroDeserializer if candidate.type is SchemaType.AVRO else JsonDeserializer
        self._deserializer = kind(registry, candidate)

    def problem(self, record: ConsumerRecord) -> str | None:
        """Why it is not read; None when it is. Raises LookupError when the record says nothing about that."""
        value = record.value
        if value is None:
            raise LookupError("a tombstone")
        if value[:1] == b"\0" and len(value) > HEAD_BYTES:
            try:
                self._deserializer.deserialize(record.topic, record.headers, value)
            except StreamlabError as error:
                return str(error)
            return None
        return self._plain(value)

    def _plain(self, value: bytes) -> str | None:
        if not isinstance(self._parsed, JsonSchema):
            raise LookupError("a value without a schema")
        try:
            found = self._parsed.error(msgspec.json.decode(value))
        except (msgspec.DecodeError, RecursionError) as error:
            return f"It is not JSON: {error}"
        return None if found is None else f"{found[0]}: {found[1]}"


def try_on(registry: SchemaRegistry, candidate: Schema, records: Iterable[ConsumerRecord]) -> Trial:
    """Read every record with the candidate. Raises InvalidSchemaError."""
    reader, trial = TrialReader(registry, candidate), Trial(failing=[])
    for record in records:
        try:
            reason = reader.problem(record)
        except LookupError:
            trial.silent += 1
            continue
        if reason is None:
            trial.read += 1
            continue
        trial.failed += 1
        if len(trial.failing) < MOST_FAILING:
            trial.failing.append(Failing(record, reason))
    return trial


def newest(connection: Connection, topic: str, most: int) -> list[ConsumerRecord]:
    """The newest records of a topic; [] where there is none. Bounded in bytes and time too."""
    try:
        within = browse.spans(connection, topic)
    except StreamlabError:
        return []
    return browse.search(connection, within, budget=browse.Budget(matches=most, seconds=2.0)).records

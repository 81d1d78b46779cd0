"""What the topic that a replay appends to demands of a record: the same as of every record that is sent to it."""

from __future__ import annotations

from typing import Any

from ..connection import Connection
from ..model import header_size
from ..topics import Topics
from .replay_spec import EditedRecord, ReplaySpec, UnfitLetterError


class ReplayTarget:
    """Asked for each letter before it is taken. A replay to the group demands nothing: the group has read it before."""

    def __init__(self, connection: Connection, topics: Topics, spec: ReplaySpec):
        """Raises UnknownTopicOrPartitionError."""
        self._connection = connection
        self._topics = topics
        self._name = spec.goes_to
        self._enforcement: Any = None  # of schemas; made when the topic asks for it
        topics.require(spec.goes_to or spec.topic)

    @property
    def partitions(self) -> int:
        """Of the topic; 0 when it goes to the group. Raises UnknownTopicOrPartitionError."""
        return 0 if self._name is None else self._topics.require(self._name).partitions

    @property
    def append_time(self) -> bool:
        """Whether readers see the append's time instead of the record's own."""
        return self._name is not None and self._topics.require(self._name).append_time

    @property
    def largest_bytes(self) -> int:
        """Of a batch."""
        assert self._name is not None
        largest: int = self._topics.require(self._name).config("max.message.bytes")
        return largest

    def check(self, record: EditedRecord) -> None:
        """Raises UnfitLetterError, saying why; UnknownTopicOrPartitionError."""
        if self._name is None:
            return
        topic = self._topics.require(self._name)
        if record.key is None and topic.compacted:
            raise UnfitLetterError(f"{self._name!r} is compacted, so a record needs a key.")
        size = len(record.value or b"") + len(record.key or b"") + header_size(record.headers)
        if size > self.largest_bytes:
            raise UnfitLetterError(f"The record has {size} bytes, more than {self._name!r} takes.")
        if topic.config("schema.validation") == "reject":
            self._check_schema(self._name, record.value)

    def _check_schema(self, topic: str, value: bytes | None) -> None:
        from ..schemas.enforcement import Enforcement, Policy  # Avro and JSON Schema, for those who need them
        from ..schemas.errors import SchemaValidationError

        if self._enforcement is None:
            self._enforcement = Enforcement(self._connection)
        try:
            self._enforcement.of(topic, Policy.REJECT)(value)
        except SchemaValidationError as error:
            raise UnfitLetterError(str(error)) from error

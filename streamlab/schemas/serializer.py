"""Values to bytes with the id of their schema in front, and back; what Avro and JSON Schema have in common.

    producer = broker.producer(value_serializer=AvroSerializer(registry, schema_text))
    consumer = broker.consumer("orders", value_deserializer=AvroDeserializer(registry))

Which schema a value is written with:

    by default               the one given; registered under the subject when it is not there yet
    auto_register=False      the one given; it must be registered already
    use_latest_version=True  the subject's latest, looked at again every five seconds
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Generic, NamedTuple, TypeVar

from ..clock import SYSTEM_CLOCK
from ..errors import KafkaConfigurationError
from ..model import Headers
from . import framing, parsing
from .avro_schema import AvroSchema
from .compatibility import Parsed
from .errors import SchemaValidationError
from .model import Reference, Schema, SchemaType, Version
from .registry import MAX_AGE_S, SchemaRegistry
from .subject_names import SubjectName, topic_name

P = TypeVar("P", bound=Parsed)


class Chosen(NamedTuple, Generic[P]):
    """What the values of one topic are written with."""

    head: bytes
    parsed: P
    version: Version
    until: float  # monotonic seconds: when it is chosen again


class SchemaSerializer(ABC, Generic[P]):
    """A `value_serializer` or `key_serializer` of a producer. Safe to share between threads."""

    kind: SchemaType

    def __init__(
        self,
        registry: SchemaRegistry,
        schema: str | Schema | None = None,
        *,
        is_key: bool = False,
        auto_register: bool = True,
        use_latest_version: bool = False,
        normalize: bool = False,
        references: tuple[Reference, ...] = (),
        subject_name: SubjectName = topic_name,
        convert: Callable[[Any], Any] | None = None,
    ):
        """`convert` makes of what the application sends what the schema speaks of, such as a dict.

        Raises KafkaConfigurationError when it could never know a schema, InvalidSchemaError.
        """
        if schema is None and not use_latest_version:
            raise KafkaConfigurationError("Give a schema, or use_latest_version=True.")
        self._registry = registry
        self._schema = Schema(schema, self.kind, references) if isinstance(schema, str) else schema
        self._is_key = is_key
        self._auto_register = auto_register and not use_latest_version
        self._latest = use_latest_version
        self._normalize = normalize
        self._subject_name = subject_name
        self._convert = convert
        self._name = self._own_name()
        self._chosen: dict[str, Chosen[P]] = {}

    def serialize(self, topic: str, headers: Headers | None, data: Any) -> bytes | None:
        """None stays None. Raises SchemaValidationError naming the field at fault, and the registry's errors."""
        if data is None:
            return None
        if self._convert is not None:
            data = self._convert(data)
        chosen = self._chosen.get(topic)
        if chosen is None or (self._latest and SYSTEM_CLOCK.monotonic() >= chosen.until):
            chosen = self._choose(topic)
        return self.encode(chosen, data)

    def subject(self, topic: str) -> str:
        return self._subject_name(topic, self._is_key, self._name)

    @abstractmethod
    def encode(self, chosen: Chosen[P], data: Any) -> bytes:
        """With the id in front."""

    @abstractmethod
    def accepted(self, parsed: Parsed) -> P:
        """The schema, if it is of this serializer's type."""

    def refused(self, chosen: Chosen[P], path: str, problem: str) -> SchemaValidationError:
        version = chosen.version
        return SchemaValidationError(
            f"{path}: {problem} It must fit {version.subject} version {version.version} (id {version.id}).",
            path,
            version.id,
            version.subject,
            version.version,
        )

    def _choose(self, topic: str) -> Chosen[P]:
        subject = self.subject(topic)
        if self._latest:
            version = self._registry.version(subject, max_age_s=MAX_AGE_S)
        elif self._auto_register:
            assert self._schema is not None
            version = self._registry.register(subject, self._schema, self._normalize)
        else:
            assert self._schema is not None
            version = self._registry.lookup(subject, self._schema)
        parsed = self.accepted(self._registry.parsed(version.id))
        until = SYSTEM_CLOCK.monotonic() + MAX_AGE_S
        chosen = self._chosen[topic] = Chosen(framing.head(version.id), parsed, version, until)
        return chosen

    def _own_name(self) -> str | None:
        if self._schema is None:
            return None
        parsed = parsing.parse(self._schema, self._registry.resolve)
        return parsed.full_name if isinstance(parsed, AvroSchema) else parsed.title


class SchemaDeserializer(ABC, Generic[P]):
    """A `value_deserializer` or `key_deserializer` of a consumer. Each record is read with the schema it names."""

    kind: SchemaType

    def __init__(
        self,
        registry: SchemaRegistry,
        schema: str | Schema | None = None,
        *,
        references: tuple[Reference, ...] = (),
        convert: Callable[[Any], Any] | None = None,
    ):
        """`schema` is the reader's: what older and newer records are turned into. None: each record as it was written.

        Raises InvalidSchemaError.
        """
        self._registry = registry
        self._convert = convert
        given = Schema(schema, self.kind, references) if isinstance(schema, str) else schema
        self._reader = None if given is None else self.accepted(parsing.parse(given, registry.resolve))

    def deserialize(self, topic: str, headers: Headers | None, data: bytes | None) -> Any:
        """None stays None.

        Raises UnframedValueError, SchemaValidationError, SchemaNotFoundError, and the registry's errors.
        """
        if data is None:
            return None
        id = framing.schema_id(data)
        writer = self.accepted(self._registry.parsed(id))
        try:
            value = self.decode(data, id, writer)
        except SchemaValidationError as error:
            known = self._registry.known(id)
            error.schema_subject, error.schema_version = known.subject, known.version
            raise
        return value if self._convert is None else self._convert(value)

    @abstractmethod
    def decode(self, data: bytes, id: int, writer: P) -> Any:
        """Of the whole value, the id in front included."""

    @abstractmethod
    def accepted(self, parsed: Parsed) -> P:
        """The schema, if it is of this deserializer's type."""

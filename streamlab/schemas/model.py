"""The words of the registry: a schema, a version of a subject, a level, an incompatibility.

A *schema* is a text. A *subject* is a name under which schemas follow each other as *versions* 1, 2, 3 …; by custom it
is `<topic>-value` or `<topic>-key`. An *id* is a schema's number in the whole registry: the same schema under two
subjects has one id, and an id stands in front of every record written with that schema.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec


class SchemaType(StrEnum):
    AVRO = "AVRO"
    JSON = "JSON"


class Level(StrEnum):
    """Which older versions a new one is held against, and which side must be able to read the other."""

    NONE = "NONE"  # none
    BACKWARD = "BACKWARD"  # the new one reads what the latest wrote
    BACKWARD_TRANSITIVE = "BACKWARD_TRANSITIVE"  # … what any version wrote
    FORWARD = "FORWARD"  # the latest reads what the new one writes
    FORWARD_TRANSITIVE = "FORWARD_TRANSITIVE"  # every version does
    FULL = "FULL"  # both ways with the latest
    FULL_TRANSITIVE = "FULL_TRANSITIVE"  # both ways with every version

    @property
    def backward(self) -> bool:
        return self.name.startswith(("BACKWARD", "FULL"))

    @property
    def forward(self) -> bool:
        return self.name.startswith(("FORWARD", "FULL"))

    @property
    def transitive(self) -> bool:
        return self.name.endswith("_TRANSITIVE")


class Mode(StrEnum):
    READWRITE = "READWRITE"
    READONLY = "READONLY"  # nothing is registered or deleted
    READONLY_OVERRIDE = "READONLY_OVERRIDE"  # the same, whatever a subject's own mode says


DEFAULT_LEVEL = Level.BACKWARD
DEFAULT_MODE = Mode.READWRITE


class Reference(msgspec.Struct, frozen=True, order=True):
    """Another schema that this one uses."""

    name: str  # as it is called in this text: an Avro full name, or a JSON Schema URI
    subject: str
    version: int


class Schema(msgspec.Struct, frozen=True):
    """A schema as somebody wrote it."""

    text: str
    type: SchemaType = SchemaType.AVRO
    references: tuple[Reference, ...] = ()


class Version(msgspec.Struct, frozen=True):
    """One version of one subject."""

    subject: str
    version: int  # from 1
    id: int  # of the schema, in the whole registry
    schema: Schema
    fingerprint: str  # what the same schema is found again by: hex SHA-256 of its canonical form
    deleted: bool = False  # softly: not offered any more, still read by id
    registered_ms: int = 0


class Incompatibility(msgspec.Struct, frozen=True):
    """One reason why a reader cannot read what a writer writes."""

    kind: str  # a word for it, as Avro's and Confluent's checkers call it: READER_FIELD_MISSING_DEFAULT_VALUE
    path: str  # JSON pointer into the reader's schema: /fields/2/type
    message: str  # a sentence
    version: int | None = None  # the older version that it was held against; None: not known here

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"

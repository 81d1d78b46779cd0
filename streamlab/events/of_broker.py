"""What happened to topics, configuration and schemas."""

from __future__ import annotations

import msgspec

from .base import Event, event_type


@event_type("config.changed")
class ConfigChanged(Event, frozen=True, kw_only=True):
    """A setting has another value."""

    entity_type: str  # broker, topic, group, client
    entity: str  # its name; "" for the broker's defaults
    name: str  # of the setting
    before: str | None = None  # as text; None: it was not set
    after: str | None = None  # as text; None: it is not set any more
    by: str | None = None
    reason: str | None = None
    revision: int | None = None  # number of the change; None: not counted

    @property
    def identity(self) -> str:
        return f"{self.entity_type}/{self.entity}:{self.name}:{self.revision or self.at_ms}"

    @property
    def source(self) -> str:
        return f"/streamlab/configs/{self.entity_type}/{self.entity}"

    @property
    def subject(self) -> str:
        return self.name


class TopicEvent(Event, frozen=True, kw_only=True):
    """Something happened to a topic."""

    topic: str
    by: str | None = None

    @property
    def identity(self) -> str:
        return f"{self.topic}:{self.at_ms}"

    @property
    def source(self) -> str:
        return f"/streamlab/topics/{self.topic}"

    @property
    def subject(self) -> str:
        return self.topic


@event_type("topic.created")
class TopicCreated(TopicEvent, frozen=True, kw_only=True):
    """A topic came into being."""

    partitions: int
    configs: dict[str, str | int | float | bool | None] = msgspec.field(
        default_factory=dict
    )  # those that differ from the defaults


@event_type("topic.deleted")
class TopicDeleted(TopicEvent, frozen=True, kw_only=True):
    """A topic was removed with all its records."""

    partitions: int | None = None
    records: int | None = None  # that it held; None: not counted


@event_type("partitions.added")
class PartitionsAdded(TopicEvent, frozen=True, kw_only=True):
    """A topic grew."""

    before: int  # partitions
    after: int

    @property
    def identity(self) -> str:
        return f"{self.topic}:{self.before}:{self.after}:{self.at_ms}"


class Deletion(msgspec.Struct, frozen=True, kw_only=True):
    """A partition that lost its oldest records."""

    partition: int
    before: int | None = None  # log start before; None: not known
    after: int  # log start now


@event_type("records.deleted")
class RecordsDeleted(TopicEvent, frozen=True, kw_only=True):
    """Somebody deleted records; what retention removes is not said."""

    deletions: list[Deletion]


class SchemaEvent(Event, frozen=True, kw_only=True):
    """Something happened to a subject of the schema registry."""

    schema_subject: str
    schema_version: int | None = None  # None: all versions
    schema_id: int | None = None
    schema_type: str | None = None  # AVRO, JSON, PROTOBUF; None: not said
    by: str | None = None

    @property
    def identity(self) -> str:
        return f"{self.schema_subject}:{self.schema_version}:{self.at_ms}"

    @property
    def source(self) -> str:
        return "/streamlab/schemas"

    @property
    def subject(self) -> str:
        return self.schema_subject

    @property
    def order_key(self) -> str:
        return f"{self.source}/{self.schema_subject}"


@event_type("schema.registered")
class SchemaRegistered(SchemaEvent, frozen=True, kw_only=True):
    """A subject has a new version."""


@event_type("schema.deleted")
class SchemaDeleted(SchemaEvent, frozen=True, kw_only=True):
    """A version, or a whole subject, was deleted."""

    permanent: bool = False  # it cannot be brought back

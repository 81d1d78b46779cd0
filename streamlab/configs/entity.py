"""What settings can be given to while everything runs: the broker, a topic, a group, a client id."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from ..errors import IllegalArgumentError


class EntityKind(StrEnum):
    """Kafka's entity types, as far as they mean something here."""

    BROKER = "broker"  # what holds where nothing nearer says otherwise; has no name
    TOPIC = "topic"
    GROUP = "group"  # its members, and the group itself
    CLIENT = "client"  # every producer and consumer with that client_id


class Entity(NamedTuple):
    """One of them. As text `group:revenue`, and `broker`.

    >>> str(Entity(EntityKind.GROUP, "revenue")), str(BROKER)
    ('group:revenue', 'broker')
    """

    kind: EntityKind
    name: str = ""  # "" of the broker

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}" if self.name else str(self.kind)


BROKER = Entity(EntityKind.BROKER)


def entity(text: str | Entity) -> Entity:
    """
    >>> entity("topic:orders").name, entity("client:a:b").name
    ('orders', 'a:b')

    Raises IllegalArgumentError.
    """
    if isinstance(text, Entity):
        return text
    kind, _, name = text.partition(":")
    if kind not in list(EntityKind) or (kind == EntityKind.BROKER) is bool(name):
        raise IllegalArgumentError(
            f"{text!r} has no settings: write broker, topic:NAME, group:NAME or client:ID."
        )
    return Entity(EntityKind(kind), name)


def topic(name: str) -> Entity:
    return Entity(EntityKind.TOPIC, name)


def group(name: str) -> Entity:
    return Entity(EntityKind.GROUP, name)


def client(client_id: str) -> Entity:
    return Entity(EntityKind.CLIENT, client_id)

"""Where a group's dead letters of a topic are: the topic `<topic>.<group>.dlq`, and the list of all of them.

A group's name may hold what a topic's may not, and `a.b` of group `c` would share a name with `a` of group `b.c`. So
the list, not the name, says whose letters a topic holds; a name that is taken, illegal or too long gets a checksum.
"""

from __future__ import annotations

import hashlib
import re
from contextlib import suppress
from typing import Any

import msgspec

from .. import keys
from ..connection import Connection
from ..errors import InvalidPartitionsError, TopicAlreadyExistsError, translated
from ..topics import Topics

SUFFIX = ".dlq"
RETENTION_MS = 30 * 24 * 3600 * 1000
"""Dead letters outlive the records of their topic (7 days): somebody has to look at them first."""
MAX_MESSAGE_BYTES = 256 << 20
"""A letter is larger than its record, and must never be refused."""

DEAD_LETTER_PRODUCER: dict[str, Any] = {
    "max_request_size": MAX_MESSAGE_BYTES,
    "compression_type": "zstd",  # a traceback stands in three headers, and in every letter of its kind
    "linger_ms": 0,
}
"""Settings of a producer that writes dead letters."""

_NAME_LENGTH = 249
_ILLEGAL = re.compile(r"[^A-Za-z0-9._-]")


class Source(msgspec.Struct, frozen=True):
    """Whose letters a dead-letter topic holds."""

    topic: str
    group: str


def dlq_topic(topic: str, group: str) -> str:
    """The name that a dead-letter topic has unless another pair took it before.

    >>> dlq_topic("orders", "revenue")
    'orders.revenue.dlq'
    >>> dlq_topic("orders", "Umsatz: täglich")
    'orders.Umsatz__t_glich-06ad3635.dlq'
    """
    name = f"{topic}.{_ILLEGAL.sub('_', group)}{SUFFIX}"
    if name == f"{topic}.{group}{SUFFIX}" and len(name) <= _NAME_LENGTH:
        return name
    return _with_checksum(topic, group)


def _with_checksum(topic: str, group: str) -> str:
    checksum = hashlib.sha256(f"{topic}\0{group}".encode()).hexdigest()[:8]
    tail = f"-{checksum}{SUFFIX}"
    return f"{topic}.{_ILLEGAL.sub('_', group)}"[: _NAME_LENGTH - len(tail)] + tail


class DeadLetterTopics:
    """The list of dead-letter topics of one server. Safe to share between threads."""

    def __init__(self, connection: Connection, topics: Topics | None = None):
        self._connection = connection
        self._topics = topics or Topics(connection)
        self._known: dict[Source, str] = {}

    def all(self) -> dict[str, Source]:
        """Every dead-letter topic that exists, by name."""
        with translated():
            listed: dict[bytes, bytes] = self._connection.client.hgetall(keys.DEAD_LETTER_TOPICS)  # type: ignore[assignment]
        sources = {name.decode(): msgspec.json.decode(text, type=Source) for name, text in listed.items()}
        existing = self._topics.all()
        if not sources.keys() <= existing.keys():
            existing = self._topics.all(fresh=True)
        return {name: source for name, source in sorted(sources.items()) if name in existing}

    def find(self, topic: str, group: str) -> str | None:
        """The dead-letter topic of this topic and group; None when no letter was ever written."""
        source = Source(topic, group)
        name = self._known.get(source)
        if name is None:
            name = next((n for n, listed in self.all().items() if listed == source), None)
            if name is not None:
                self._known[source] = name
        return name

    def source(self, name: str) -> Source | None:
        """Whose letters the topic holds; None when it is no dead-letter topic."""
        with translated():
            text: bytes | None = self._connection.client.hget(keys.DEAD_LETTER_TOPICS, name)  # type: ignore[assignment]
        return None if text is None else msgspec.json.decode(text, type=Source)

    def ensure(self, topic: str, group: str, retention_ms: int = RETENTION_MS) -> str:
        """The dead-letter topic, made when it is missing, with at least as many partitions as `topic`.

        Raises UnknownTopicOrPartitionError when there is no such topic. Cheap when it was asked before.
        """
        partitions = self._topics.require(topic).partitions
        source = Source(topic, group)
        name = self._known.get(source) or self._claim(source)
        spec = self._topics.get(name)
        if spec is None:
            settings = {"retention.ms": retention_ms, "max.message.bytes": MAX_MESSAGE_BYTES}
            try:
                spec = self._topics.create(name, partitions, settings)
            except TopicAlreadyExistsError:
                spec = self._topics.require(name)
        if spec.partitions < partitions:
            with suppress(InvalidPartitionsError):  # somebody else was faster
                self._topics.add_partitions(name, partitions)
        self._known[source] = name
        return name

    def _claim(self, source: Source) -> str:
        wanted = msgspec.json.encode(source)
        for name in (dlq_topic(source.topic, source.group), _with_checksum(source.topic, source.group)):
            with translated():
                client = self._connection.client
                if client.hsetnx(keys.DEAD_LETTER_TOPICS, name, wanted):
                    return name
                if client.hget(keys.DEAD_LETTER_TOPICS, name) == wanted:
                    return name
        raise TopicAlreadyExistsError(
            f"The names for the dead letters of {source.topic!r} and {source.group!r} are taken."
        )

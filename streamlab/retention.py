"""The housekeeper: every so often it removes what the topics' retention allows to remove."""

from __future__ import annotations

import msgspec

from . import keys
from .connection import Connection
from .errors import translated
from .log import PartitionLog
from .model import TopicPartition
from .topics import Topics

PRODUCER_EXPIRATION_MS = 86_400_000
"""Kafka's producer.id.expiration.ms: what a producer sent last is remembered this long."""
_FEW_PRODUCERS = 64  # not worth looking at each


def sweep(connection: Connection) -> int:
    """Apply every topic's retention once. Returns how many partitions were looked at.

    Whole batches only, in bounded steps, so that no append waits long behind it.
    """
    topics = Topics(connection, max_age_ms=0)
    log = PartitionLog(connection, topics)
    now_ms = connection.server_time_ms()
    looked_at = 0
    for topic, spec in topics.all().items():
        for partition in range(spec.partitions):
            log.apply_retention(TopicPartition(topic, partition), now_ms)
            _forget_producers(connection, TopicPartition(topic, partition), now_ms)
            looked_at += 1
    return looked_at


def _forget_producers(connection: Connection, partition: TopicPartition, now_ms: int) -> None:
    """Drop the sequences of producers that have not appended for a day; a new one begins anew anyway."""
    name = keys.producers(*partition)
    with translated():
        if connection.client.hlen(name) <= _FEW_PRODUCERS:
            return
        stored: dict[bytes, bytes] = connection.client.hgetall(name)  # type: ignore[assignment]
        oldest = now_ms - PRODUCER_EXPIRATION_MS
        gone = [p for p, state in stored.items() if msgspec.msgpack.decode(state)[1] < oldest]
        if gone:
            connection.client.hdel(name, *gone)

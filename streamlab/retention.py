"""The housekeeper: every so often it removes what the topics' retention and compaction allow to remove, and tells the
broker's history what killed processes have left untold."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from . import compaction, keys
from .connection import Connection
from .delivery import letter_changes, replay_runner
from .delivery.dead_letter_topics import SUFFIX
from .delivery.letter_states import forget_removed_letters
from .log import PARTITIONS_A_ROUND_TRIP, PartitionLog
from .model import TopicPartition
from .replies import pairs
from .topics import Topics, TopicSpec

log = logging.getLogger(__name__)

PRODUCER_EXPIRATION_MS = 86_400_000
"""Kafka's producer.id.expiration.ms: what a producer sent last is remembered this long."""
COMPACT_FOR_S = 20.0
"""No pass of compaction begins later than this in a sweep; what is left waits for the next one."""
_FEW_PRODUCERS = 64  # not worth looking at each

Partitions = list[tuple[TopicPartition, TopicSpec]]


def sweep(connection: Connection) -> int:
    """Apply every topic's retention and compaction once. Returns how many partitions were looked at.

    Many partitions a round trip, and in bounded steps, so that no append waits long behind it.
    """
    topics = Topics(connection, max_age_ms=0)
    now_ms = connection.server_time_ms()
    everything = [
        (TopicPartition(topic, number), spec)
        for topic, spec in topics.all().items()
        for number in range(spec.partitions)
    ]
    of_letters = [p for p, _ in everything if p.topic.endswith(SUFFIX)]
    letter_changes.tell_left(connection, of_letters)  # before retention takes what they are about
    replay_runner.tell_left(connection)
    PartitionLog(connection, topics).apply_retention(dict(everything), now_ms)
    _compact(connection, [(p, spec) for p, spec in everything if spec.compacted], now_ms)
    _forget_producers(connection, [p for p, _ in everything], now_ms)
    forget_removed_letters(connection, of_letters)
    return len(everything)


def _compact(connection: Connection, compacted: Partitions, now_ms: int) -> None:
    """The dirtiest partitions first, as in Kafka."""
    specs = dict(compacted)
    found: list[tuple[TopicPartition, compaction.Edge]] = []
    for portion in _portions(compacted):
        found += compaction.edges(connection, portion, now_ms).items()
    deadline = time.monotonic() + COMPACT_FOR_S
    for partition, edge in sorted(found, key=lambda one: -one[1].dirty_ratio):
        why = compaction.due(edge, specs[partition], now_ms)
        if why is None:
            continue
        if time.monotonic() > deadline:
            return
        done = compaction.compact(connection, partition, specs[partition], edge, now_ms)
        log.info(
            "%s: compacted because %s: %d of %d records went", partition, why, done.removed, done.records
        )


def _forget_producers(connection: Connection, partitions: Sequence[TopicPartition], now_ms: int) -> None:
    """Drop the sequences of producers that have not appended for a day; a new one begins anew anyway."""
    many: list[str] = []
    for portion in _portions(partitions):
        names = [keys.producers(*partition) for partition in portion]
        counts = connection.execute_many([("HLEN", name) for name in names])
        many += [name for name, count in zip(names, counts, strict=True) if count > _FEW_PRODUCERS]
    oldest = now_ms - PRODUCER_EXPIRATION_MS
    for name in many:
        [flat] = connection.execute_many([("HGETALL", name)])
        gone = [p for p, state in pairs(flat) if msgspec.msgpack.decode(state)[1] < oldest]
        if gone:
            connection.execute_many([("HDEL", name, *gone)])


def _portions(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for i in range(0, len(items), PARTITIONS_A_ROUND_TRIP):
        yield items[i : i + PARTITIONS_A_ROUND_TRIP]

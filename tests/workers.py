"""Handlers that remember, and what a group has left behind, for tests of workers."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from streamlab import RetryPolicy, keys
from streamlab.broker import Broker
from streamlab.delivery.dead_letter import DeadLetter, dead_letter_of
from streamlab.delivery.dead_letter_topics import dlq_topic
from streamlab.delivery.retry_queue import Counts, RetryQueue
from streamlab.events import EVENTS_TOPIC, Recorded, recorded_of
from streamlab.model import ConsumerRecord, TopicPartition
from tests.waiting import until

GROUP = "accounts"
QUICK = RetryPolicy(base_ms=20, cap_ms=100)
SOON = {"auto_commit_interval_ms": 50, "heartbeat_interval_ms": 100}
"""So that tests wait less."""
NEVER = RetryPolicy(base_ms=3_600_000, cap_ms=3_600_000, jitter="none")
"""The second attempt is an hour away."""


class Recorder:
    """A handler that notes what it handled, once `judge(record, context)` has let it through."""

    def __init__(self, judge: Callable[[ConsumerRecord, Any], Any] = lambda record, context: None):
        self._judge = judge
        self._lock = threading.Lock()
        self.attempts: list[tuple[bytes, int]] = []  # as they began
        self.handled: list[ConsumerRecord] = []  # as they ended well

    def __call__(self, record: ConsumerRecord, context: Any) -> Any:
        with self._lock:
            self.attempts.append((record.value, context.attempt))
        answer = self._judge(record, context)
        with self._lock:
            self.handled.append(record)
        return answer

    @property
    def values(self) -> list[bytes]:
        with self._lock:
            return [record.value for record in self.handled]

    def attempts_at(self, value: bytes) -> list[int]:
        with self._lock:
            return [attempt for seen, attempt in self.attempts if seen == value]


def produce_keyed(broker: Broker, topic: str, count: int, keys: int) -> None:
    """Numbers as values, under so many keys in turn. All are there when it returns."""
    with broker.producer() as producer:
        for number in range(count):
            producer.send(topic, b"%d" % number, key=b"key-%d" % (number % keys))


def failing(times: int, *values: bytes, error: type[Exception] = RuntimeError) -> Callable[..., None]:
    """A judge: these values (all when none are given) fail so many times."""

    def judge(record: ConsumerRecord, context: Any) -> None:
        if (not values or record.value in values) and context.attempt <= times:
            raise error(f"attempt {context.attempt} at {record.value!r}")

    return judge


def partitions(broker: Broker, topic: str) -> list[TopicPartition]:
    consumer = broker.consumer()
    found = sorted(TopicPartition(topic, n) for n in consumer.partitions_for_topic(topic) or ())
    consumer.close()
    return found


def waiting(broker: Broker, topic: str, group: str = GROUP) -> Counts:
    """In the retry queues of all partitions."""
    counts = RetryQueue(broker.connection).counts(group, partitions(broker, topic)).values()
    return Counts(*(sum(column) for column in zip(*counts, strict=True)))


def committed(broker: Broker, topic: str, group: str = GROUP) -> int:
    """Records that count as done, over all partitions."""
    offsets = broker.admin().list_group_offsets(group).get(group, {})
    return sum(offset.offset for partition, offset in offsets.items() if partition.topic == topic)


def everything(broker: Broker, topic: str) -> list[ConsumerRecord]:
    """All records of a topic; none when there is no such topic."""
    where = partitions(broker, topic)
    if not where:
        return []
    consumer = broker.consumer()
    consumer.assign(where)
    consumer.seek_to_beginning()
    left = sum(consumer.end_offsets(where).values()) - sum(consumer.beginning_offsets(where).values())
    records: list[ConsumerRecord] = []

    def read() -> bool:
        records.extend(record for polled in consumer.poll(100).values() for record in polled)
        return len(records) >= left

    until(read, 60, f"{left} records of {topic}")
    consumer.close()
    return records


def letters(broker: Broker, topic: str, group: str = GROUP) -> list[DeadLetter]:
    return [dead_letter_of(record) for record in everything(broker, dlq_topic(topic, group))]


def events(broker: Broker, *names: str) -> list[Recorded]:
    """Of these types, each once however often it was written, in the order of their time."""
    told = {event.id: event for record in everything(broker, EVENTS_TOPIC) if (event := recorded_of(record))}
    return sorted((e for e in told.values() if not names or e.name in names), key=lambda e: e.at_ms)


def settled(broker: Broker, topic: str, count: int, group: str = GROUP) -> bool:
    """`count` records are committed, nothing waits to be tried again, nothing is on its way to its topic."""
    if committed(broker, topic, group) < count or waiting(broker, topic, group).records:
        return False
    outboxes = [("HLEN", keys.retry("outbox", *p, group)) for p in partitions(broker, topic)]
    return not any(broker.connection.execute_many(outboxes))

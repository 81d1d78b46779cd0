"""Events into a topic: one producer a web process, and a bound on what may be on its way at once."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from dashboard.broker import broker, one_per_process
from streamlab.broker import Broker
from streamlab.clock import Deadline
from streamlab.cloudevents import CloudEvent
from streamlab.errors import KafkaTimeoutError, StreamlabError
from streamlab.model import RecordMetadata
from streamlab.producer import Producer
from streamlab.schemas.enforcement import Enforcement, Policy
from streamlab.topics import Topics

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streamlab.batches import FutureRecordMetadata

MAX_ON_THE_WAY = 5_000
"""Events that this process has taken and not yet stored. Who brings more is asked to wait."""
DELIVERY_MS = 10_000
PARTITION_KEY = "partitionkey"


class Busy(Exception):
    """Raised when too much is on its way already: 429."""


class Stored(NamedTuple):
    """What became of one event."""

    event: CloudEvent
    where: RecordMetadata | None  # None: it was not stored, or nobody knows
    error: StreamlabError | None


class _Bound:
    """Counts what is on its way."""

    def __init__(self, limit: int):
        self._limit = limit
        self._taken = 0
        self._lock = threading.Lock()

    @contextmanager
    def room_for(self, count: int) -> Iterator[None]:
        """Raises Busy. A batch larger than the bound is let in when nothing else is on its way."""
        with self._lock:
            if self._taken and self._taken + count > self._limit:
                raise Busy(f"{self._taken} events are on their way; the bound is {self._limit}.")
            self._taken += count
        try:
            yield
        finally:
            with self._lock:
                self._taken -= count


on_the_way = _Bound(MAX_ON_THE_WAY)


@one_per_process
def _producer(connected: Broker) -> Producer:
    return connected.producer(
        client_id=f"ingest-{os.getpid()}",
        allow_auto_create_topics=False,
        max_block_ms=500,
        delivery_timeout_ms=DELIVERY_MS,
    )


def store(topic: str, events: Sequence[CloudEvent]) -> list[Stored]:
    """Send them and wait until each is stored, or is not.

    Raises, when nothing was sent: UnknownTopicOrPartitionError, SchemaValidationError, MessageSizeTooLargeError,
    KafkaTimeoutError; and Busy.
    """
    with on_the_way.room_for(len(events)):
        if len(events) > 1:
            _check_schemas(topic, events)
        sent: list[tuple[CloudEvent, FutureRecordMetadata | None, StreamlabError | None]] = []
        producer = _producer()
        for event in events:
            headers, value = event.to_binary()
            key = event.extensions.get(PARTITION_KEY)
            try:
                sent.append(
                    (event, producer.send(topic, value, key.encode() if key else None, headers), None)
                )
            except StreamlabError as error:
                if not sent:
                    raise
                sent.append((event, None, error))
        deadline = Deadline(DELIVERY_MS + 2_000)
        return [
            Stored(event, None, error) if future is None else _settled(event, future, deadline)
            for event, future, error in sent
        ]


class _Promises:
    """What topics promise of their values, asked before the first event of a batch is sent."""

    def __init__(self, connected: Broker):
        self._topics = Topics(connected.connection)
        self._enforcement = Enforcement(connected.connection)

    def check(self, topic: str, events: Sequence[CloudEvent]) -> None:
        """Raises SchemaValidationError, UnknownTopicOrPartitionError."""
        if self._topics.require(topic).config("schema.validation") == Policy.REJECT:
            enforcer = self._enforcement.of(topic, Policy.REJECT)
            for event in events:
                enforcer(event.data)


_promises = cache(_Promises)


def _check_schemas(topic: str, events: Sequence[CloudEvent]) -> None:
    _promises(broker()).check(topic, events)


def _settled(event: CloudEvent, future: FutureRecordMetadata, deadline: Deadline) -> Stored:
    try:
        return Stored(event, future.get(deadline.remaining_s), None)
    except StreamlabError as error:
        return Stored(event, None, error)


def is_full(error: StreamlabError) -> bool:
    """Whether the producer's buffer had no room: the server takes events slower than they come."""
    return isinstance(error, KafkaTimeoutError) and "buffer_memory" in str(error)

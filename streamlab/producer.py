"""The producer: send() puts a record into a batch and returns; a thread of its own brings the batches to the log.

    with broker.producer(linger_ms=20) as producer:
        producer.send("orders", key=b"17841", value=b"...").get(timeout=10)

A record's way: send() → serialized → partition → open batch → closed (full, lingered, flushed) → sent → acknowledged.

What is promised: records of one partition are appended in the order of send(); with `enable_idempotence` a batch whose
reply was lost is repeated without being appended twice; a record that cannot be delivered within
`delivery_timeout_ms` fails its future. Nothing is dropped silently.
"""

from __future__ import annotations

import itertools
import logging
import os
import threading
from collections import deque
from typing import Any

from .batches import Batch, BatchState, FutureRecordMetadata
from .clock import SYSTEM_CLOCK, Clock, Deadline
from .config import PRODUCER, resolved
from .configs import agent
from .configs.running import RunningClient
from .connection import Connection
from .errors import (
    IllegalArgumentError,
    IllegalStateError,
    InvalidRecordError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    StreamlabError,
    UnknownTopicOrPartitionError,
)
from .metrics.of_producer import ProducerFigures, SenderStats
from .model import Headers, header_size
from .sender import sender_for
from .serializers import as_bytes, checked_headers, serialized
from .topic_buffer import TopicBuffer
from .topics import Topics, TopicSpec, check_name

log = logging.getLogger(__name__)

RECORD_OVERHEAD_BYTES = 8
"""What a record takes in a batch besides its key and value, about: its share of the columns."""
HEADER_OVERHEAD_BYTES = 8
"""What a header takes besides its name and value, about."""
_LATEST_MS = 2**62

_numbers = itertools.count(1)


class Producer:
    """kafka-python's KafkaProducer. Share one between threads; close() it, or use it in a `with`."""

    def __init__(self, connection: Connection, clock: Clock = SYSTEM_CLOCK, **configs: Any):
        """Raises KafkaConfigurationError for a setting that is unknown or out of its range."""
        self.config = resolved(configs, PRODUCER)
        self.config["client_id"] = self.config["client_id"] or f"producer-{os.getpid()}-{next(_numbers)}"
        self._clock = clock
        self._connection = connection
        self._enforcement: Any = None  # of schemas; made when a topic asks for it
        self._topics = Topics(connection, self.config["metadata_max_age_ms"])
        self._buffers: dict[str, TopicBuffer] = {}
        self._ready: deque[Batch] = deque()  # closed, in order of closing
        self._lock = threading.Lock()
        self._wake_sender = threading.Condition(self._lock)
        self._room = threading.Condition(self._lock)
        self._buffer_bytes = self._free_bytes = self.config["buffer_memory"]
        self._unsettled = 0  # batches, open ones included
        self._waiting_for_room = 0  # threads
        self._flushing = 0
        self._closed = False
        self._opened: deque[Batch] = deque()  # in order of opening; closed ones are dropped when met
        self._taken: dict[Batch, None] = {}  # the sender has them, not settled yet
        self._take_limits()
        self._partitioner = self.config["partitioner"]
        self._wall_ns = clock.wall_ns
        serializers = (self.config["key_serializer"], self.config["value_serializer"])
        self._serializers = serializers if any(serializers) else None
        self._sender = sender_for(self, connection, clock)
        self._figures = ProducerFigures(self._sender.stats)
        self._sender.start()
        self._running = RunningClient(
            "producer", self.config, self.metrics, self._reconfigured, self._figures.sketches
        )
        self._sign_off = agent.enter(connection, self._running)

    def _take_limits(self) -> None:
        """What send() looks at, out of the settings."""
        self._linger_s = self.config["linger_ms"] / 1000
        self._batch_size = max(1, min(self.config["batch_size"], self.config["buffer_memory"]))
        self._largest = self.config["max_request_size"]

    def _reconfigured(self, changed: set[str]) -> None:
        """Settings have other values. New batches follow them; those that are open keep their size."""
        with self._lock:
            self._take_limits()
            self._free_bytes += self.config["buffer_memory"] - self._buffer_bytes
            self._buffer_bytes = self.config["buffer_memory"]
            self._wake_sender.notify()
            self._room.notify_all()
        self._sender.reconfigure(changed)

    # -- sending --------------------------------------------------------------------------------------------------

    def send(
        self,
        topic: str,
        value: Any = None,
        key: Any = None,
        headers: Headers | None = None,
        partition: int | None = None,
        timestamp_ms: int | None = None,
    ) -> FutureRecordMetadata:
        """Hand over one record. `timestamp_ms` None is now; key None is no key; value None is a tombstone.

        Returns at once, unless `buffer_memory` is full: then it waits up to `max_block_ms`.
        Raises KafkaTimeoutError when there was no room in that time, MessageSizeTooLargeError, InvalidRecordError
        when a compacted topic gets no key, SchemaValidationError when the topic's `schema.validation` is "reject" and
        the value breaks its schema, UnknownTopicOrPartitionError, IllegalStateError when closed, TypeError for what is
        not bytes.
        """
        if self._serializers is not None:
            key, value = self._serialize(topic, headers, key, value)
        buffer = self._buffers.get(topic)
        if buffer is None:
            buffer = self._open_topic(topic)
        size = RECORD_OVERHEAD_BYTES
        if value is not None:
            if type(value) is not bytes:
                value = as_bytes("value", value)
            size += len(value)
        if key is not None:
            if type(key) is not bytes:
                key = as_bytes("key", key)
            size += len(key)
        if headers:
            headers = checked_headers(headers)
            size += header_size(headers) + HEADER_OVERHEAD_BYTES * len(headers)
        else:
            headers = None
        if size > self._largest or size > buffer.largest:
            self._check_size(size, topic, buffer.largest)
        if key is None and buffer.keyed:
            raise InvalidRecordError(
                f"{topic!r} is compacted, so a record needs a key: compaction keeps the newest record of each key."
            )
        if buffer.validation != "off":
            self._enforce(topic, buffer, value)
        if timestamp_ms is None:
            timestamp_ms = self._wall_ns() // 1_000_000
        elif type(timestamp_ms) is not int or not 0 <= timestamp_ms < _LATEST_MS:
            raise IllegalArgumentError(
                f"A timestamp is a whole number of ms since 1970, not {timestamp_ms!r}."
            )
        if partition is not None:
            if not 0 <= partition < buffer.partitions:
                buffer = self._grown(topic, buffer, partition)
        elif self._partitioner is not None:
            everyone = list(range(buffer.partitions))
            partition = self._partitioner(key, everyone, everyone)
        elif key is not None:
            partition = buffer.remembered.get(key)
            if partition is None:
                partition = buffer.remember(key)

        with self._lock:
            if self._closed:
                raise IllegalStateError("The producer is closed.")
            batch = buffer.open[buffer.sticky.partition if partition is None else partition]
            if batch is None or size > batch.room_bytes:
                batch = self._next_batch(buffer, batch, partition, size)
            timestamps = batch.timestamps
            index = len(timestamps)
            timestamps.append(timestamp_ms)
            batch.keys.append(key)
            batch.values.append(value)
            if headers is not None:
                batch.headers[index] = headers
            batch.room_bytes -= size
        return FutureRecordMetadata(batch, index)

    def _enforce(self, topic: str, buffer: TopicBuffer, value: bytes | None) -> None:
        """What the topic's `schema.validation` does to a value. Raises SchemaValidationError."""
        enforcer = buffer.enforcer
        if enforcer is None:
            if self._enforcement is None:
                from .schemas.enforcement import Enforcement  # Avro and JSON Schema, for those who need them

                self._enforcement = Enforcement(self._connection)
            enforcer = buffer.enforcer = self._enforcement.of(topic, buffer.validation)
        enforcer(value)

    def _next_batch(self, buffer: TopicBuffer, full: Batch | None, partition: int | None, size: int) -> Batch:
        """The batch that a record of `size` bytes goes into, once there is room for one.

        As in Kafka, a batch takes its whole size of `buffer_memory` when it is opened. A record without a partition
        goes to the sticky one, which moves on when its batch is closed.
        """
        if full is not None:
            self._close_batch(full)
        needed = max(min(self._batch_size, buffer.room_bytes), size)
        if needed > self._free_bytes:
            self._wait_for_room(needed)
        if partition is None:
            if buffer.sticky.spent:
                buffer.sticky.move(buffer.partitions)
            partition = buffer.sticky.partition
        waiting = buffer.open[partition]  # of the partition moved to, or opened by another thread meanwhile
        if waiting is not None:
            if size <= waiting.room_bytes:
                return waiting
            self._close_batch(waiting)
        batch = Batch(buffer.tps[partition], self._clock.monotonic(), needed, buffer)
        batch.append_time, batch.largest_bytes = buffer.append_time, buffer.largest
        self._free_bytes -= needed
        self._unsettled += 1
        buffer.open[partition] = batch
        if not self._opened:
            self._wake_sender.notify()  # it sleeps without an end while nothing is open
        self._opened.append(batch)
        return batch

    def _check_size(self, size: int, topic: str, topic_limit: int) -> None:
        """Raises MessageSizeTooLargeError; what a compressed batch takes is known only when it is sent."""
        if size > self._largest:
            raise MessageSizeTooLargeError(
                f"The record has {size} bytes, and max_request_size of this producer is {self._largest}. Send less, or "
                "raise it."
            )
        if self.config["compression_type"] in (None, "none"):
            raise MessageSizeTooLargeError(
                f"The record has {size} bytes, and max.message.bytes of {topic!r} is {topic_limit}. Send less, "
                "compress (compression_type), or raise it for the topic."
            )

    def _serialize(self, topic: str, headers: Headers | None, key: Any, value: Any) -> tuple[Any, Any]:
        assert self._serializers is not None
        for_key, for_value = self._serializers
        return serialized(for_key, topic, headers, key), serialized(for_value, topic, headers, value)

    def _close_batch(self, batch: Batch) -> None:
        buffer: TopicBuffer = batch.buffer
        batch.state, batch.buffer = BatchState.CLOSED, None
        number = batch.partition.partition
        buffer.open[number] = None
        if number == buffer.sticky.partition:
            buffer.sticky.spent = True
        self._ready.append(batch)
        self._wake_sender.notify()

    def _wait_for_room(self, needed: int) -> None:
        """Up to `max_block_ms`; one batch is always allowed. Raises KafkaTimeoutError, IllegalStateError."""
        deadline = Deadline(self.config["max_block_ms"], self._clock)
        self._sender.stats.buffer_waits += 1
        self._waiting_for_room += 1  # no batch lingers while somebody waits
        try:
            while needed > self._free_bytes and self._unsettled:
                self._wake_sender.notify()
                if not self._room.wait(deadline.remaining_s) and deadline.expired:
                    raise KafkaTimeoutError(
                        f"buffer_memory ({self.config['buffer_memory']} bytes) stayed full for "
                        f"{self.config['max_block_ms']} ms: the server takes records slower than they are sent."
                    )
                if self._closed:
                    raise IllegalStateError("The producer was closed.")
        finally:
            self._waiting_for_room -= 1

    def flush(self, timeout: float | None = None) -> None:
        """Send everything now and wait until all of it is settled, up to `timeout` seconds.

        Raises KafkaTimeoutError, and IllegalStateError in a callback. A record that failed is no error here: its own
        future tells.
        """
        deadline = Deadline(None if timeout is None else timeout * 1000, self._clock)
        with self._lock:
            waited_for = self._all_unsettled()
            self._flushing += 1
            self._wake_sender.notify()
        try:
            for batch in waited_for:
                if not batch.wait(deadline.remaining_s):
                    raise KafkaTimeoutError(
                        f"Not all records were settled after {timeout} s; they are still being sent."
                    )
        finally:
            with self._lock:
                self._flushing -= 1

    def close(self, timeout: float | None = None) -> None:
        """Send what waits, up to `timeout` seconds (None: as long as it takes), then fail the rest and stop."""
        with self._lock:
            already, self._closed = self._closed, True
            self._wake_sender.notify()
            self._room.notify_all()
        if self._sender.runs_this_thread:  # closed from a callback: the sender goes on by itself
            self._sign_off()
            return
        self._sender.join(timeout)
        if self._sender.is_alive():
            self._sender.give_up()
            self._sender.join(5)
        if not already:
            with self._lock:
                left = self._all_unsettled()
            for batch in left:
                outcome = "whether it was stored is not known" if batch.attempts else "it was not sent"
                error = KafkaTimeoutError(f"The producer was closed before the answer came; {outcome}.")
                self.settle(batch, error=error)
        self._sign_off()

    def __enter__(self) -> Producer:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    # -- asking ---------------------------------------------------------------------------------------------------

    def partitions_for(self, topic: str) -> set[int]:
        """The partition numbers of a topic, created when that is allowed. Raises UnknownTopicOrPartitionError."""
        return set(range(self._spec(topic).partitions))

    def bootstrap_connected(self) -> bool:
        return self._sender.connected

    def metrics(self, raw: bool = False) -> dict[str, dict[str, float]]:
        """Figures under Kafka's names (docs/metrics.md): rates, means and largest of the last half minute."""
        with self._lock:
            free, waiting = float(max(0, self._free_bytes)), self._waiting_for_room
        return self._figures.named(float(self._buffer_bytes), free, waiting)

    @property
    def stats(self) -> SenderStats:
        return self._sender.stats

    # -- for the sender -------------------------------------------------------------------------------------------

    def wait_for_work(self, timeout_s: float | None) -> None:
        """Sleep until there is a reason to look: a closed batch, the end of a linger, a flush, the close."""
        with self._lock:
            if self._ready or self._closed:
                return
            oldest = self._oldest_open()
            left = timeout_s
            if oldest is not None:
                linger = 0.0 if self._hurry() else oldest.born + self._linger_s - self._clock.monotonic()
                left = linger if left is None else min(left, linger)
            if left is None or left > 0:
                self._wake_sender.wait(left)

    def take_ready(self) -> list[Batch]:
        """Every batch whose time has come, in the order in which a partition's must be sent."""
        with self._lock:
            now, hurry = self._clock.monotonic(), self._hurry()
            while (oldest := self._oldest_open()) is not None and (
                hurry or now >= oldest.born + self._linger_s
            ):
                self._close_batch(oldest)
            ready = list(self._ready)
            self._ready.clear()
            self._taken.update(dict.fromkeys(ready))
            return ready

    def _oldest_open(self) -> Batch | None:
        opened = self._opened
        while opened and opened[0].state is not BatchState.OPEN:
            opened.popleft()
        return opened[0] if opened else None

    def _hurry(self) -> bool:
        return self._closed or self._flushing > 0 or self._waiting_for_room > 0

    def settle(
        self, batch: Batch, base_offset: int = -1, append_ms: int = -1, error: StreamlabError | None = None
    ) -> None:
        """Acknowledge or fail a batch, once, and give its room back."""
        with self._lock:
            if not batch.held_bytes:
                return
            batch.held_bytes = False
            self._free_bytes += batch.limit_bytes
            self._unsettled -= 1
            self._taken.pop(batch, None)
            self._room.notify_all()
        if batch.settled:  # with acks=0, when it was sent
            if error is not None:
                log.warning("%d records of %s are lost: %s", batch.count, batch.partition, error)
            return
        if error is None:
            batch.acknowledge(base_offset, append_ms)
        else:
            batch.fail(error)

    @property
    def closing(self) -> bool:
        return self._closed

    # -- how ------------------------------------------------------------------------------------------------------

    def _all_unsettled(self) -> list[Batch]:
        self._oldest_open()
        return [*self._taken, *self._ready, *(b for b in self._opened if b.state is BatchState.OPEN)]

    def _spec(self, topic: str) -> TopicSpec:
        check_name(topic)
        if self.config["allow_auto_create_topics"]:
            return self._topics.ensure(topic)
        return self._topics.require(topic)

    def _open_topic(self, topic: str) -> TopicBuffer:
        self._running.wait_for_first_look()
        deadline = Deadline(self.config["max_block_ms"], self._clock)
        while True:
            try:
                buffer = TopicBuffer(topic, self._spec(topic))
                break
            except StreamlabError as error:
                if not error.retriable or deadline.expired:
                    raise
                threading.Event().wait(self.config["retry_backoff_ms"] / 1000)
        with self._lock:
            return self._buffers.setdefault(topic, buffer)

    def _grown(self, topic: str, buffer: TopicBuffer, partition: int) -> TopicBuffer:
        """The buffer, grown when the topic has been; raises when the partition does not exist."""
        if isinstance(partition, int) and partition >= 0:
            self.refresh(self._topics.all(fresh=True))
            if partition < buffer.partitions:
                return buffer
        raise UnknownTopicOrPartitionError(
            f"{topic!r} has partitions 0 to {buffer.partitions - 1}, so there is no {partition!r}."
        )

    def refresh(self, specs: dict[str, TopicSpec] | None = None) -> None:
        """Take in partitions that were added since, and forget topics that are gone."""
        specs = self._topics.all() if specs is None else specs
        with self._lock:
            for topic, buffer in list(self._buffers.items()):
                spec = specs.get(topic)
                if spec is None:
                    if not any(buffer.open):
                        del self._buffers[topic]
                    continue
                buffer.follow(spec)

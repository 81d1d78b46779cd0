"""What waits to be sent: records gathered into batches, and the futures that tell what became of them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from enum import StrEnum
from typing import Any

import msgspec

from . import codec
from .errors import IllegalStateError, KafkaTimeoutError, StreamlabError
from .log import sizes
from .model import Headers, RecordMetadata, TopicPartition, header_size

log = logging.getLogger(__name__)

_settling = threading.Lock()
"""Guards the moment at which a batch is settled. Shared: it is held for a few instructions, and one lock a batch
would cost more to make than to wait for."""


class BatchState(StrEnum):
    """open → closed (sent, and repeated if need be) → acknowledged | failed."""

    OPEN = "open"  # takes records
    CLOSED = "closed"  # full, or its linger is over; has its sequence number once it was first sent
    ACKNOWLEDGED = "acknowledged"
    FAILED = "failed"


class Batch:
    """Records of one partition on their way, and what became of them."""

    __slots__ = (
        "_callbacks",
        "_done",
        "_sizes",
        "append_ms",
        "append_time",
        "attempts",
        "base_offset",
        "born",
        "buffer",
        "epoch",
        "error",
        "first_sequence",
        "headers",
        "held_bytes",
        "keys",
        "largest_bytes",
        "limit_bytes",
        "partition",
        "payload",
        "room_bytes",
        "state",
        "timestamps",
        "values",
    )

    def __init__(self, partition: TopicPartition, born: float, limit_bytes: int, buffer: Any = None):
        self.partition = partition
        self.buffer = buffer  # the producer's, of which this is the open batch
        self.held_bytes = True  # its room in the producer's memory is not given back yet
        self.born = born  # monotonic seconds: linger and delivery timeout count from here
        # columns, not rows: no object a record that the cyclic collector would have to look at
        self.timestamps: list[int] = []
        self.keys: list[bytes | None] = []  # these three until the batch is settled
        self.values: list[bytes | None] = []
        self.headers: dict[int, Headers] = {}  # by index; most records have none
        self.room_bytes = limit_bytes
        self.limit_bytes = limit_bytes
        self.state = BatchState.OPEN
        self.attempts = 0
        self.epoch = -1
        self.first_sequence = -1  # -1: not sent yet
        self.payload: bytes | None = None  # encoded once, at the first attempt
        self.base_offset = -1
        self.append_ms = -1
        self.largest_bytes = 256 << 20  # as sent, by the topic's max.message.bytes
        self.append_time = False  # readers see the server's time at the append instead of `timestamps`
        self.error: StreamlabError | None = None
        self._sizes: list[tuple[int, int, int]] | None = None
        self._done: threading.Event | None = None
        self._callbacks: list[Callable[[], None]] | None = None

    @property
    def size_bytes(self) -> int:
        """What it takes of the producer's buffer."""
        return self.limit_bytes - self.room_bytes

    @property
    def count(self) -> int:
        return len(self.timestamps)

    @property
    def settled(self) -> bool:
        return self.state is BatchState.ACKNOWLEDGED or self.state is BatchState.FAILED

    def sizes(self, index: int) -> tuple[int, int, int]:
        """Bytes of a sent record's key, value and headers; -1 for what it has none of."""
        if self._sizes is None:
            assert self.payload is not None
            _, columns = codec.decode(self.payload, check_crcs=False)
            headers = columns.headers or [None] * self.count
            header_sizes = [header_size(h) if h else -1 for h in headers]
            self._sizes = list(zip(sizes(columns.keys), sizes(columns.values), header_sizes, strict=True))
            if not self.held_bytes:  # with acks=0 it may have to be repeated after it was acknowledged
                self.payload = None
        return self._sizes[index]

    def acknowledge(self, base_offset: int, append_ms: int) -> None:
        self.base_offset = base_offset
        self.append_ms = append_ms
        self._settle(BatchState.ACKNOWLEDGED)

    def fail(self, error: StreamlabError) -> None:
        self.error = error
        self._settle(BatchState.FAILED)

    def _settle(self, state: BatchState) -> None:
        with _settling:
            self.state = state
            done, callbacks = self._done, self._callbacks
            self._done = self._callbacks = None
        self.keys, self.values, self.headers = (
            [],
            [],
            {},
        )  # the payload stays for those who keep their futures
        if done is not None:
            done.set()
        for callback in callbacks or ():
            _call(callback)

    def wait(self, timeout_s: float | None) -> bool:
        """False when the batch is not settled in that time.

        Raises IllegalStateError in the sender's own thread, that is in a callback: it would wait for itself.
        """
        if getattr(threading.current_thread(), "settles_batches", False) and not self.settled:
            raise IllegalStateError(
                "A callback cannot wait for other records: it runs in the thread that sends them."
            )
        with _settling:
            if self.settled:
                return True
            if self._done is None:
                self._done = threading.Event()
            done = self._done
        return done.wait(timeout_s)

    def when_settled(self, callback: Callable[[], None]) -> None:
        """Call it once the batch is settled: now, in this thread, or later in the sender's."""
        with _settling:
            if not self.settled:
                if self._callbacks is None:
                    self._callbacks = []
                self._callbacks.append(callback)
                return
        _call(callback)


def _call(callback: Callable[[], None]) -> None:
    try:
        callback()
    except BaseException:  # sys.exit() too: this is the sender's thread
        log.exception("A callback of a produced record failed; the record itself is not affected.")


class FutureRecordMetadata(msgspec.Struct, gc=False, eq=False):
    """What send() returns: get() waits until the record is acknowledged.

    One small struct per record; all else is shared by the batch.
    """

    _batch: Batch
    _index: int

    @property
    def is_done(self) -> bool:
        return self._batch.settled

    def done(self) -> bool:
        return self._batch.settled

    def succeeded(self) -> bool:
        return self._batch.state is BatchState.ACKNOWLEDGED

    def failed(self) -> bool:
        return self._batch.state is BatchState.FAILED

    @property
    def exception(self) -> StreamlabError | None:
        return self._batch.error

    @property
    def value(self) -> RecordMetadata | None:
        """None until the record is acknowledged."""
        batch, i = self._batch, self._index
        if batch.state is not BatchState.ACKNOWLEDGED:
            return None
        topic, partition = batch.partition
        return RecordMetadata(
            topic,
            partition,
            batch.partition,
            batch.base_offset + i if batch.base_offset >= 0 else -1,
            batch.append_ms if batch.append_time and batch.append_ms >= 0 else batch.timestamps[i],
            None,
            *batch.sizes(i),
        )

    def get(self, timeout: float | None = None) -> RecordMetadata:
        """Wait up to `timeout` seconds. Raises KafkaTimeoutError, or the error that the record failed with."""
        if not self._batch.wait(timeout):
            raise KafkaTimeoutError(f"Not acknowledged after {timeout} s; it may still be.")
        if self._batch.error is not None:
            raise self._batch.error
        metadata = self.value
        assert metadata is not None
        return metadata

    def add_callback(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> FutureRecordMetadata:
        """Call `function(*args, metadata)` once the record is acknowledged."""
        self._batch.when_settled(lambda: function(*args, self.value, **kwargs) if self.succeeded() else None)
        return self

    def add_errback(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> FutureRecordMetadata:
        """Call `function(*args, error)` once the record has failed."""
        self._batch.when_settled(lambda: function(*args, self.exception, **kwargs) if self.failed() else None)
        return self

    def add_both(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> FutureRecordMetadata:
        return self.add_callback(function, *args, **kwargs).add_errback(function, *args, **kwargs)

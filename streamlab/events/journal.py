"""Where the core writes its own history: into a bounded buffer, and from there to `__streamlab.events`.

Whoever writes an event has something better to do, so write() costs about a microsecond, never waits and never fails.
A thread of the journal's own encodes and sends. While the server is away events wait, up to `capacity` of them; what
comes after that is dropped and counted. flush() tells the truth about all of it, for those who must know before
they go on (a worker that is about to commit): it returns only when everything written so far is stored.

A crash can repeat events whose flush() had not returned, never lose those whose flush() had. A repeat has the same id.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from contextlib import suppress
from itertools import islice

from ..batches import FutureRecordMetadata
from ..clock import Deadline
from ..connection import Connection
from ..errors import (
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    StreamlabError,
    TopicAlreadyExistsError,
    UnknownTopicOrPartitionError,
)
from ..producer import Producer
from ..topics import Topics
from .base import Event
from .envelope import EVENTS_TOPIC, LARGEST_BYTES, PARTITIONS, RETENTION_MS, Letter, letter_of

CAPACITY = 100_000
RETRY_S = 0.5
"""Pause before the server is tried again."""
IDLE_S = 1.0
"""How often a journal that has nothing to do looks for deliveries that failed."""
_CHUNK = 1_000
_NEVER = (MessageSizeTooLargeError,)
"""What no repeat mends."""

log = logging.getLogger("streamlab.events")


def ensure_topic(
    connection: Connection, partitions: int = PARTITIONS, retention_ms: int = RETENTION_MS
) -> None:
    """Create the topic of events where it is missing; an existing one stays as it is. Raises StreamlabError."""
    topics = Topics(connection)
    if topics.get(EVENTS_TOPIC) is None:
        try:
            settings = {"retention.ms": retention_ms, "max.message.bytes": LARGEST_BYTES}
            topics.create(EVENTS_TOPIC, partitions, settings)
        except TopicAlreadyExistsError:
            pass  # somebody was faster


class UnwritableEventError(StreamlabError):
    """Raised when events were dropped that can never be stored: they are too large, or no text. All others are."""


class Journal:
    """Safe to share between threads. Nothing is sent, and no thread runs, before the first write()."""

    def __init__(self, connection: Connection, capacity: int = CAPACITY, of: str = ""):
        """`of` says whose it is, in its client id: a worker's client id, "sampler"."""
        self.dropped = 0  # events that will never be stored
        self._connection = connection
        self._capacity = capacity
        self._client_id = "-".join(filter(None, ("streamlab-journal", of)))
        self._waiting: deque[Event | Letter] = deque()  # written, not yet handed to the producer
        self._sent: deque[FutureRecordMetadata | None] = (
            deque()
        )  # handed over; None: cannot be written at all
        self._producer: Producer | None = None
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._settled = 0  # events whose fate is known, in the order in which they were written
        self._work = threading.Event()
        self._closed = False
        self._topic_is_there = False
        self._told_dropped = 0  # drops that a flush() has reported
        self._unwritable = 0  # of those that no flush() has reported: no repeat mends them
        self._trouble: StreamlabError | None = None  # why the last try failed

    @property
    def backlog(self) -> int:
        """Events written and not known to be stored."""
        return len(self._waiting) + len(self._sent)

    def write(self, event: Event | Letter) -> None:
        """Note the event (or one made ready already). Returns at once and raises nothing; what cannot be kept is
        counted in `dropped`."""
        if self._closed or len(self._waiting) >= self._capacity:
            self.dropped += 1
            return
        self._waiting.append(event)
        if not self._work.is_set():
            self._work.set()
            if self._thread is None:
                self._start()

    def flush(self, timeout_s: float = 10.0) -> None:
        """Wait until everything written so far is stored.

        Raises KafkaTimeoutError or another StreamlabError when it is not after `timeout_s`, and once for events
        that were dropped since the last flush: UnwritableEventError when all of them are such as can never be stored.
        """
        deadline = Deadline(timeout_s * 1000)
        target = len(self._waiting) + len(self._sent) + self._settled  # in this order: never too few
        while self._settled < target and (self._waiting or self._sent):
            self._work.set()
            if self._producer is not None:
                try:
                    self._producer.flush(deadline.remaining_s)
                except KafkaTimeoutError:
                    pass
            self._settle()
            if deadline.expired and self._settled < target and (self._waiting or self._sent):
                raise self._late(timeout_s)
            threading.Event().wait(0.002)
        if self.dropped > self._told_dropped:
            lost, self._told_dropped = self.dropped - self._told_dropped, self.dropped
            never, self._unwritable = self._unwritable, 0
            error = UnwritableEventError if lost <= never else StreamlabError
            raise error(f"{lost} events of the broker's history could not be kept{self._because()}.")

    def store(self, timeout_s: float = 10.0) -> None:
        """flush() for who would repeat what was dropped: an event that can never be stored is in the program's log,
        and no reason to stop. Raises StreamlabErrors."""
        with suppress(UnwritableEventError):
            self.flush(timeout_s)

    def close(self, timeout_s: float = 5.0) -> None:
        """Send what waits, up to `timeout_s`, and stop. Raises nothing: flush() before it tells how it went."""
        try:
            self.flush(timeout_s)
        except StreamlabError as error:
            log.warning("The journal was closed too early: %s", error)
        self._closed = True
        self._work.set()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout_s)

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    # -- the thread --------------------------------------------------------------------------------------------

    def _start(self) -> None:
        with self._lock:
            if self._thread is None and not self._closed:
                self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        try:
            while not self._closed:
                self._work.wait(IDLE_S if self._sent else None)
                self._work.clear()
                self._turn()
        finally:
            if self._producer is not None:
                self._producer.close(0.5)

    def _turn(self) -> None:
        try:
            while self._waiting and not self._closed:
                self._send_some(self._open())
                self._settle()
            self._settle()
            self._trouble = None
        except StreamlabError as error:
            if self._trouble is None:
                log.warning("The broker's history waits for the server: %s", error)
            self._trouble = error
            self._topic_is_there = not isinstance(error, UnknownTopicOrPartitionError)
            self._pause()
        except Exception:
            log.exception("The broker's history could not be written; it is tried again.")
            self._pause()

    def _pause(self) -> None:
        threading.Event().wait(RETRY_S)
        self._work.set()

    def _open(self) -> Producer:
        if not self._topic_is_there:
            ensure_topic(self._connection)
            self._topic_is_there = True
        if self._producer is None:
            self._producer = Producer(
                self._connection,
                client_id=self._client_id,
                allow_auto_create_topics=False,
                max_block_ms=1_000,
                max_request_size=LARGEST_BYTES,
                linger_ms=2,
            )
        return self._producer

    def _send_some(self, producer: Producer) -> None:
        """A chunk of what waits. An event leaves the queue only once the producer has it."""
        for event in list(islice(self._waiting, _CHUNK)):
            self._sent.append(_send(producer, event))
            self._waiting.popleft()

    def _settle(self) -> None:
        """Forget what is stored; count what failed for good."""
        with self._lock:
            while self._sent and (self._sent[0] is None or self._sent[0].is_done):
                future = self._sent[0]
                never = future is None or isinstance(future.exception, _NEVER)
                if future is None or future.failed():
                    self.dropped += 1
                    self._unwritable += never
                if future is not None and isinstance(future.exception, UnknownTopicOrPartitionError):
                    self._topic_is_there = False
                self._settled += 1
                self._sent.popleft()

    def _late(self, timeout_s: float) -> StreamlabError:
        return KafkaTimeoutError(
            f"{len(self._waiting) + len(self._sent)} events of the broker's history are not stored after "
            f"{timeout_s:g} s{self._because()}."
        )

    def _because(self) -> str:
        return "" if self._trouble is None else f" ({self._trouble})"


def _send(producer: Producer, event: Event | Letter) -> FutureRecordMetadata | None:
    """None when this event can never be written. Raises StreamlabError when it can be tried again."""
    try:
        letter = letter_of(event) if isinstance(event, Event) else event
        return producer.send(
            EVENTS_TOPIC,
            key=letter.key,
            value=letter.value,
            headers=letter.headers,
            timestamp_ms=letter.at_ms,
        )
    except StreamlabError as error:
        if error.retriable or isinstance(error, UnknownTopicOrPartitionError):
            raise
        log.error("An event is dropped: %s %.300r", error, event)
    except Exception:  # whatever somebody put into it: history must not stop because of one event
        log.exception("An event cannot be written and is dropped: %r", event)
    return None


__all__ = ["EVENTS_TOPIC", "Journal", "ensure_topic"]

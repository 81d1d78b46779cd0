"""One record in a worker's hands, and what its handler is told about it."""

from __future__ import annotations

import logging
from collections.abc import Hashable
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ..clock import Clock
from ..cloudevents import CloudEvent, from_record
from ..model import ConsumerRecord, Headers, TopicPartition
from .dead_letter import Cause, Origin, origin_of
from .letter_headers import PREVIOUS as REPLAYED_LETTER
from .partition_retries import Lease
from .verdicts import HandlerTimeout

if TYPE_CHECKING:
    from .stint import Stint

log = logging.getLogger("streamlab.handler")

Lane = Hashable
"""Jobs of one lane are handled one after the other, in their order."""


class Job:
    """A record to be handled, from the main stream or leased from the retry queue."""

    __slots__ = ("deadline", "ended", "failure", "given_up", "lane", "lease", "record", "started", "stint")

    def __init__(self, record: ConsumerRecord, stint: Stint, lane: Lane | None, lease: Lease | None = None):
        self.record = record  # as it was read: bytes
        self.stint = stint
        self.lane = lane  # None: no order is kept
        self.lease = lease  # None: of the main stream
        self.started = 0.0  # monotonic seconds; 0: not yet
        self.ended = 0.0
        self.deadline: float | None = None  # monotonic seconds; None: there is none
        self.failure: Failure | None = None  # what came of it; None: handled
        self.given_up = False  # what its handler still does counts for nothing

    @property
    def attempt(self) -> int:
        """Number of this attempt, counted from 1 over all replays."""
        return 1 if self.lease is None else self.lease.record.next_attempt

    @property
    def origin(self) -> Origin:
        """Where the record was first produced."""
        kept = None if self.lease is None else self.lease.record.origin
        return kept or origin_of(self.record)

    @property
    def replayed_into_topic(self) -> bool:
        """A dead letter wants to know what comes of it."""
        return bool(self.record.headers) and self.record.header(REPLAYED_LETTER) is not None


class Failure:
    """Why an attempt is not a success."""

    __slots__ = ("cause", "error")

    def __init__(self, error: BaseException, cause: Cause | None = None):
        self.error = error
        self.cause = cause  # deserialization or schema; None: the handler raised it


class Context:
    """What a handler may ask about the record in its hands. `record` has key and value deserialised."""

    def __init__(self, job: Job, record: ConsumerRecord, timeout_ms: float | None, clock: Clock):
        self.record = record
        self._job = job
        self._timeout_ms = timeout_ms
        self._clock = clock

    @property
    def topic(self) -> str:
        return self.record.topic

    @property
    def partition(self) -> int:
        return self.record.partition

    @property
    def offset(self) -> int:
        return self.record.offset

    @property
    def topic_partition(self) -> TopicPartition:
        return self.record.topic_partition

    @property
    def key(self) -> Any:
        return self.record.key

    @property
    def headers(self) -> Headers:
        return self.record.headers

    @property
    def group_id(self) -> str:
        return self._job.stint.group_id

    @property
    def member_id(self) -> str:
        return self._job.stint.owner

    @property
    def attempt(self) -> int:
        """From 1; goes on counting through replays."""
        return self._job.attempt

    @property
    def replays(self) -> int:
        """How often the record was replayed after it had been given up."""
        return self._job.origin.replays

    @property
    def record_id(self) -> str:
        """The same at every attempt: the record's CloudEvents id, else "orders/3@41"."""
        return self._job.origin.record_id

    @cached_property
    def event(self) -> CloudEvent:
        """The record as a CloudEvent, with the data as it was stored.

        Raises InvalidEventError when it is none; left alone, that makes the record a dead letter.
        """
        return from_record(self._job.record.headers, self._job.record.value)

    @property
    def remaining_s(self) -> float | None:
        """Until this attempt counts as failed; None: there is no limit."""
        deadline = self._job.deadline
        return None if deadline is None else max(0.0, deadline - self._clock.monotonic())

    def heartbeat(self) -> None:
        """The handler is alive: it has its whole time again, from now.

        Raises HandlerTimeout when the attempt was given up meanwhile. Nothing that is done now counts, so stop.
        """
        if self._job.given_up or self._job.stint.over:
            raise HandlerTimeout(f"The attempt at {self.record_id} was given up; another one may be running.")
        if self._timeout_ms is not None:
            self._job.deadline = self._clock.monotonic() + self._timeout_ms / 1000

    @cached_property
    def logger(self) -> logging.LoggerAdapter[logging.Logger]:
        """Writes to the logger `streamlab.handler`; every message names the record, and carries it as `extra`."""
        extra = {
            "topic": self.topic,
            "partition": self.partition,
            "offset": self.offset,
            "attempt": self.attempt,
            "group": self.group_id,
            "record_id": self.record_id,
        }
        return _Bound(log, extra)


class _Bound(logging.LoggerAdapter[logging.Logger]):
    def process(self, msg: Any, kwargs: Any) -> Any:
        about = self.extra or {}
        kwargs["extra"] = {**about, **kwargs.get("extra", {})}
        place = f"{about['topic']}/{about['partition']}@{about['offset']}"
        return f"{place} attempt {about['attempt']}: {msg}", kwargs

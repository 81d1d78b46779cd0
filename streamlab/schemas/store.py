"""The registry's topic, read to its end and appended to only at the end that was read.

Every change is decided on the state as of one log end, and appended by a script that refuses when the log has grown
since; then it is decided again on the new state. So of two processes that register at the same time one sees the
other's schema first: the same schema gets one id, and no id stands for two schemas.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec

from .. import codec, keys
from ..clock import SYSTEM_CLOCK, Clock
from ..connection import Connection
from ..errors import RecordError, TopicAlreadyExistsError
from ..events.base import Event
from ..log import parse_entry, records_of
from ..model import TopicPartition
from ..topics import Topics
from . import entries
from .append import Conflict, NoPartition, append_at
from .entries import Entry
from .state import State

SCHEMAS_TOPIC = "__streamlab.schemas"
CONFIGS = {"cleanup.policy": "compact", "retention.ms": -1}
RELOAD_S = 3600.0
"""A copy not brought up to date for this long is read anew: compaction may have removed that something was deleted."""
_READ_ENTRIES = 1_000

log = logging.getLogger(__name__)
R = TypeVar("R")

Decision = Callable[[State], tuple[R, Sequence[Entry]]]
"""What is to be answered, and what is to be written for it; it may be asked again on a newer state."""
Telling = Callable[[R], Event]
"""The event that tells of what was written."""


class Store:
    """A copy of the registry in memory. Safe to share between threads."""

    def __init__(self, connection: Connection, clock: Clock = SYSTEM_CLOCK):
        self._connection = connection
        self._clock = clock
        self._partition = TopicPartition(SCHEMAS_TOPIC, 0)
        self._lock = threading.RLock()
        self._state = State()
        self._fresh = True  # nobody but us has seen the state
        self._end = 0  # log end that the state is as of
        self._last: str | None = None  # id of the last entry read
        self.generation = 0  # grows when what was known may not hold any more, ids included
        self._read_at = float("-inf")  # monotonic
        self._written = False  # by ourselves, and not read back yet
        self._unconfirmed = False  # a write of ours may be in the log without being on the replicas

    def state(self, max_age_s: float = 0.0) -> State:
        """The state, at most so old; it does not change any more. Raises StreamlabError."""
        with self._lock:
            if self._written or self._clock.monotonic() - self._read_at > max_age_s:
                self._refresh()
            return self._state

    def change(self, decide: Decision[R], tell: Telling[R] | None = None) -> R:
        """Decide and write, and leave the event that tells of it in the outbox in the same moment; the answer.

        Raises what `decide` raises, and StreamlabError. After a KafkaTimeoutError it is not known whether it was
        written, after a NotEnoughReplicasError it is, and may be lost; deciding again finds out and makes sure.
        """
        while True:
            with self._lock:
                self._refresh()
                answer, written = decide(self._state)
                event = tell(answer) if tell and written else None
                if not written and self._unconfirmed:  # the answer may be what our last try left behind
                    written = [entries.of_last_id(self._state.last_id)]
                if not written:
                    return answer
                expected = self._end
            if self._append(expected, written, event):
                self._written = True
                return answer

    def now_ms(self) -> int:
        return self._clock.wall_ms()

    # -- how ------------------------------------------------------------------------------------------------------

    def _append(self, expected: int, written: Sequence[Entry], event: Event | None) -> bool:
        """False: the log has grown since."""
        now = self._clock.wall_ms()
        names, values = zip(*[entries.encode(entry) for entry in written], strict=True)
        batch = codec.encode([now] * len(written), names, values)
        where = [keys.log(*self._partition), keys.meta(*self._partition), keys.SCHEMAS_EVENTS]
        before, self._unconfirmed = self._unconfirmed, True
        try:
            append_at(self._connection, where, expected, len(written), batch, event)
        except (NoPartition, Conflict) as refused:
            self._unconfirmed = before
            if isinstance(refused, NoPartition):
                ensure_topic(self._connection)
            return False
        self._unconfirmed = False
        return True

    def _refresh(self) -> None:
        if self._clock.monotonic() - self._read_at > RELOAD_S:
            self._start_anew()
        while True:
            read_at = self._clock.monotonic()
            log_end, raw = self._connection.execute_many(
                [
                    ("HGET", keys.meta(*self._partition), "end"),
                    ("XRANGE", keys.log(*self._partition), self._last or "-", "+", "COUNT", _READ_ENTRIES),
                ]
            )
            if int(log_end or 0) < self._end or not self._follows(raw):
                self.generation += 1
                self._start_anew()
                continue
            new = raw[1:] if self._last else raw
            if new and not self._fresh:
                self._state, self._fresh = self._state.copy(), True  # others may be reading the old one
            for item in new:
                self._take(item)
            if len(raw) < _READ_ENTRIES:
                self._end = max(self._end, int(log_end or 0))  # compaction may have removed the last entries
                self._read_at, self._fresh, self._written = read_at, False, False
                return

    def _follows(self, raw: Sequence[Sequence[object]]) -> bool:
        """Whether what was read goes on where we stopped: with the last entry that we know.

        Else it was compacted away, or the server lost it in a failover, or the topic was deleted.
        """
        return self._last is None or (bool(raw) and _id(raw[0]) == self._last)

    def _take(self, item: Sequence[object]) -> None:
        self._last = _id(item)
        try:
            entry = parse_entry(item)
            records = records_of(self._partition, entry)
        except RecordError as error:
            log.error("An entry of %s cannot be read and is passed over: %s", SCHEMAS_TOPIC, error)
            return
        for record in records:
            try:
                self._state.apply(entries.decode(record.key, record.value))
            except msgspec.MsgspecError as error:
                log.warning("%s offset %d is not the registry's: %s", SCHEMAS_TOPIC, record.offset, error)
        self._end = max(self._end, entry.id.last_offset + 1)

    def _start_anew(self) -> None:
        self._state, self._fresh, self._end, self._last = State(), True, 0, None


def _id(item: Sequence[object]) -> str:
    return item[0].decode() if isinstance(item[0], bytes) else str(item[0])


def ensure_topic(connection: Connection) -> None:
    """Create the registry's topic where it is missing. Raises StreamlabError."""
    topics = Topics(connection)
    if topics.get(SCHEMAS_TOPIC) is None:
        try:
            topics.create(SCHEMAS_TOPIC, 1, CONFIGS)
        except TopicAlreadyExistsError:
            pass  # somebody was faster
    topics.make_partitions([(SCHEMAS_TOPIC, 0)])

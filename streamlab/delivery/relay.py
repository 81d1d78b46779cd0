"""Carries what lies in the outbox to where it belongs: dead letters to their topic, events to the broker's history.

A thread of its own, so that handling does not wait for it. What it carries is stored beside the partition until it has
arrived, and is taken out only then. A crash in between leaves it there, and the next owner carries it again:

    a dead letter   is appended as the record of a producer whose name is that of the group and partition, and whose
                    sequence is the letter's number. The dead letter topic knows a number that it has had
    an event        has the same id each time, by which its readers know it
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec
from redis.exceptions import RedisError, ResponseError

from .. import keys
from ..connection import Call, Connection
from ..errors import StreamlabError, translate
from ..events import Journal, RecordDeadLettered
from ..events.of_records import RecordEvent
from ..events.reading import event_of
from ..model import TopicPartition
from ..sender import SEQUENCES
from ..topics import Topics
from .dead_letter import LetterAddress
from .dead_letter_topics import DeadLetterTopics
from .letter_states import LetterState, LetterStates
from .partition_retries import Numbering, PartitionRetries
from .reports import Parcel, unpack

log = logging.getLogger(__name__)

_AT_ONCE = 200
_APPENDS_AT_ONCE = 10
"""Letters of one partition on the way together: what append.lua remembers of a producer."""
_PAUSE_S = 0.25
BACKLOG = 10_000
"""When so much waits, the worker takes no more records."""


class Item(NamedTuple):
    retries: PartitionRetries
    field: str  # of the outbox
    parcel: Parcel


class Relay(threading.Thread):
    """put() from the worker's thread; everything else happens here."""

    def __init__(self, connection: Connection, journal: Journal, topics: Topics, name: str):
        super().__init__(name=f"{name}-relay", daemon=True)
        self._connection = connection
        self._journal = journal
        self._topics = topics
        self._letter_topics = DeadLetterTopics(connection, topics)
        self._letters = LetterStates(connection)
        self._waiting: deque[Item] = deque()
        self._changed = threading.Condition()
        self._numberings: dict[tuple[str, TopicPartition], Numbering] = {}
        self._stopped = False
        self._busy = False

    # -- the worker's thread --------------------------------------------------------------------------------------

    def know(self, retries: PartitionRetries, numbering: Numbering) -> None:
        self._numberings[retries.group_id, retries.partition] = numbering

    def put(self, retries: PartitionRetries, field: str, packed: bytes) -> None:
        if not field:
            return
        with self._changed:
            self._waiting.append(Item(retries, field, unpack(packed)))
            self._changed.notify_all()

    @property
    def backlog(self) -> int:
        return len(self._waiting)

    def drain(self, timeout_s: float) -> bool:
        """Wait until everything has arrived; False when that takes too long. Nothing is lost then, only late."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._waiting and not self._busy, timeout_s)

    def stop(self) -> None:
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    # -- the thread -----------------------------------------------------------------------------------------------

    def run(self) -> None:
        while True:
            with self._changed:
                self._busy = False
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._waiting or self._stopped)
                if self._stopped:
                    return
                self._busy = True
                items = [self._waiting.popleft() for _ in range(min(_AT_ONCE, len(self._waiting)))]
            while not self._carried(items):
                with self._changed:
                    if self._changed.wait_for(lambda: self._stopped, _PAUSE_S):
                        return

    def _carried(self, items: list[Item]) -> bool:
        try:
            self._carry(items)
            return True
        except (StreamlabError, RedisError, OSError) as error:
            log.warning("Dead letters and events wait beside their partitions: %s", error)
        except Exception:  # a mistake of ours must not end the thread without a word
            log.exception("Dead letters and events could not be carried in a way that was not foreseen.")
        return False

    def _carry(self, items: list[Item]) -> None:
        places = self._send_letters([item for item in items if item.parcel.batch is not None])
        for item in items:
            event = event_of(item.parcel.type, item.parcel.event)
            if isinstance(event, RecordDeadLettered):
                topic, partition, offset = places[item.retries.group_id, item.retries.partition, item.field]
                event = msgspec.structs.replace(
                    event, dlq_topic=topic, dlq_partition=partition, dlq_offset=offset
                )
            if event is not None:
                self._journal.write(event)
        self._settle_replayed(items, places)
        self._journal.flush()
        calls = [r.told(fields) for r, fields in _fields_of(items)]
        for reply in self._connection.run_many(calls):
            if isinstance(reply, Exception):
                raise translate(reply)

    def _settle_replayed(
        self, items: list[Item], places: dict[tuple[str, TopicPartition, str], tuple[Any, ...]]
    ) -> None:
        """Say of the dead letters whose replays end here what came of them; repeating it changes nothing."""
        outcomes = []
        for item in items:
            event = event_of(item.parcel.type, item.parcel.event)
            if item.parcel.settles is None or not isinstance(event, RecordEvent):
                continue
            place = places.get((item.retries.group_id, item.retries.partition, item.field))
            state = LetterState.RECOVERED if place is None else LetterState.FAILED_AGAIN
            successor = None if place is None or place[2] is None else LetterAddress(*place)
            outcomes.append((LetterAddress.parse(item.parcel.settles), event.replays, state, successor))
        if outcomes:
            self._letters.settle_many(outcomes)

    # -- dead letters ---------------------------------------------------------------------------------------------

    def _send_letters(self, letters: list[Item]) -> dict[tuple[str, TopicPartition, str], tuple[Any, ...]]:
        """Append them in the order of their numbers: where each one is, its offset None where nobody knows any more."""
        places: dict[tuple[str, TopicPartition, str], tuple[Any, ...]] = {}
        by_queue: dict[tuple[str, TopicPartition], list[Item]] = {}
        for item in letters:
            by_queue.setdefault((item.retries.group_id, item.retries.partition), []).append(item)
        for queue, items in by_queue.items():
            items.sort(key=_number)
            for start in range(0, len(items), _APPENDS_AT_ONCE):
                part = items[start : start + _APPENDS_AT_ONCE]
                topic, offsets = self._append(part[0].retries, part)
                for item, offset in zip(part, offsets, strict=True):
                    places[(*queue, item.field)] = (topic, queue[1].partition, offset)
        return places

    def _append(self, retries: PartitionRetries, items: list[Item]) -> tuple[str, list[int | None]]:
        """Raises StreamlabErrors; those that were appended before it are known when they come again."""
        topic = self._letter_topics.ensure(retries.partition.topic, retries.group_id)
        target = TopicPartition(topic, retries.partition.partition)
        queue = (retries.group_id, retries.partition)
        numbering = self._numberings.get(queue, Numbering(0, 0))
        producer = f"dlq:{retries.partition}:{retries.group_id}"
        places = [keys.log(*target), keys.meta(*target), keys.producers(*target)]
        calls = []
        for item in items:
            sequence = (_number(item) - numbering.first) % SEQUENCES
            calls.append(Call("append", places, [producer, numbering.epoch, sequence, 1, item.parcel.batch]))
        offsets: list[int | None] = []
        for item, reply in zip(items, self._connection.run_many(calls), strict=True):
            if not isinstance(reply, Exception):
                offsets.append(int(reply[0]))
            elif _says(reply, "DUPLICATE"):
                offsets.append(None)  # it is there, and so long that its offset is not remembered
            else:
                self._explain(reply, retries, numbering, _number(item))
        return topic, offsets

    def _explain(
        self, error: Exception, retries: PartitionRetries, numbering: Numbering, number: int
    ) -> None:
        """Do what makes the repeat succeed, and raise."""
        if _says(error, "OUT_OF_ORDER") or _says(error, "PRODUCER_FENCED"):
            fresh = retries.renumber(self._connection, numbering.epoch, number)
            self._numberings[retries.group_id, retries.partition] = fresh
        elif _says(error, "UNKNOWN_PARTITION"):
            self._topics.all(fresh=True)
        raise translate(error)


def _says(error: Exception, code: str) -> bool:
    return isinstance(error, ResponseError) and str(error).startswith(code)


def _number(item: Item) -> int:
    return int(item.field[1:])


def _fields_of(items: Iterable[Item]) -> list[tuple[PartitionRetries, list[str]]]:
    found: dict[int, tuple[PartitionRetries, list[str]]] = {}
    for item in items:
        found.setdefault(id(item.retries), (item.retries, []))[1].append(item.field)
    return list(found.values())

"""Carries what lies in the outbox to where it belongs: dead letters to their topic, events to the broker's history.

A thread of its own, so that handling does not wait for it. What it carries is stored beside the partition until it has
arrived, and is taken out only then. A crash in between leaves it there, and the next owner carries it again:

    a dead letter   is known by its topic when it comes again (`letter_sender.py`)
    an event        has the same id each time, by which its readers know it
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Mapping

import msgspec
from redis.exceptions import RedisError

from ..connection import Connection
from ..errors import StreamlabError, translate
from ..events import Journal, RecordDeadLettered
from ..events.of_records import RecordEvent
from ..events.reading import event_of
from ..topics import Topics
from .dead_letter import LetterAddress
from .letter_sender import LetterSender, Place
from .letter_states import LetterState, LetterStates
from .outbox import Item, Name, by_queue
from .partition_retries import Numbering, PartitionRetries

log = logging.getLogger(__name__)

_AT_ONCE = 200
_PAUSE_S = 0.25
BACKLOG = 10_000
BACKLOG_BYTES = 64 << 20
"""When so much waits, the worker takes no more records."""


class Relay(threading.Thread):
    """put() from the worker's thread; everything else happens here."""

    def __init__(self, connection: Connection, journal: Journal, topics: Topics, name: str):
        super().__init__(name=f"{name}-relay", daemon=True)
        self._connection = connection
        self._journal = journal
        self._sender = LetterSender(connection, topics)
        self._letters = LetterStates(connection)
        self._waiting: deque[Item] = deque()
        self._held: set[Name] = set()  # what is here
        self._held_bytes = 0
        self._changed = threading.Condition()
        self._stopped = False
        self._busy = False

    # -- the worker's thread --------------------------------------------------------------------------------------

    def know(self, retries: PartitionRetries, numbering: Numbering) -> None:
        self._sender.know(retries, numbering)

    def put(self, retries: PartitionRetries, field: str, packed: bytes) -> None:
        if field:
            self.put_all(retries, {field: packed})

    def put_all(self, retries: PartitionRetries, outbox: Mapping[str, bytes]) -> None:
        """Likewise; letters in the order of their numbers. What is here already stays as it is."""
        with self._changed:
            for field, packed in outbox.items():
                item = Item.of(retries, field, packed)
                if item.name not in self._held:
                    self._held.add(item.name)
                    self._held_bytes += len(packed)
                    self._waiting.append(item)
            self._changed.notify_all()

    @property
    def backlog(self) -> int:
        return len(self._waiting)

    @property
    def is_full(self) -> bool:
        return len(self._held) >= BACKLOG or self._held_bytes >= BACKLOG_BYTES

    def drain(self, timeout_s: float) -> bool:
        """Wait until everything has arrived; False when that takes too long. Nothing is lost then, only late."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._waiting and not self._busy, timeout_s)

    def close(self, timeout_s: float) -> None:
        """Carry what waits, as far as the time allows, and end the thread."""
        try:
            if self.is_alive() and not self.drain(timeout_s):
                log.warning("%d dead letters and events wait beside their partitions.", self.backlog)
        finally:
            with self._changed:
                self._stopped = True
                self._changed.notify_all()
        if self.is_alive():
            self.join(timeout_s)

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
            self.carry(items)
            return True
        except (StreamlabError, RedisError, OSError) as error:
            log.warning("Dead letters and events wait beside their partitions: %s", error)
        except Exception:  # a mistake of ours must not end the thread without a word
            log.exception("Dead letters and events could not be carried in a way that was not foreseen.")
        return False

    def carry(self, items: list[Item]) -> None:
        """In the thread, or without one. Raises StreamlabErrors: repeat it then, what has arrived is known."""
        places = self._sender.send([item for item in items if item.parcel.batch is not None])
        there = [item for item in items if item.parcel.batch is None or item.name in places]
        for item in there:
            event = event_of(item.parcel.type, item.parcel.event)
            if isinstance(event, RecordDeadLettered):
                topic, partition, offset = places[item.name]
                event = msgspec.structs.replace(
                    event, dlq_topic=topic, dlq_partition=partition, dlq_offset=offset
                )
            if event is not None:
                self._journal.write(event)
        self._settle_replayed(there, places)
        self._journal.store()
        calls = [retries.told((i.field, i.packed) for i in those) for retries, those in by_queue(items)]
        for reply in self._connection.run_many(calls):
            if isinstance(reply, Exception):
                raise translate(reply)
        with self._changed:
            self._held -= {item.name for item in items}
            self._held_bytes -= sum(len(item.packed) for item in items)

    def _settle_replayed(self, items: list[Item], places: dict[Name, Place]) -> None:
        """Say of the dead letters whose replays end here what came of them; repeating it changes nothing."""
        outcomes = []
        for item in items:
            event = event_of(item.parcel.type, item.parcel.event)
            if item.parcel.settles is None or not isinstance(event, RecordEvent):
                continue
            place = places.get(item.name)
            state = LetterState.RECOVERED if place is None else LetterState.FAILED_AGAIN
            successor = None
            if place is not None and place.offset is not None:
                successor = LetterAddress(place.topic, place.partition, place.offset)
            outcomes.append((LetterAddress.parse(item.parcel.settles), event.replays, state, successor))
        if outcomes:
            self._letters.settle_many(outcomes)

"""The process that keeps the tables up with the topic: one consumer of the group `streamlab-projections`.

How far the topic was applied is written in the transaction that writes the rows, so the database alone decides where to
go on; what is committed to the group only shows the lag. A record below the position was applied already and is
passed over; a first record above it means that the database is behind the group (it was restored, or emptied to be
rebuilt), and the consumer goes back to where the database stands.

    poll → lock the ledger → drop what was applied → rows and position → commit the transaction → commit the group

Any number of projectors may run; they take turns at the ledger's lock.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator

from django.conf import settings
from django.db import DatabaseError, DataError, IntegrityError, close_old_connections, connection, transaction

from streamlab.broker import Broker
from streamlab.consumer import Consumer
from streamlab.errors import StreamlabError
from streamlab.events import EVENTS_TOPIC, Recorded, ensure_topic
from streamlab.model import TopicPartition
from streamlab.topics import Topics

from . import GROUP
from .apply import apply
from .batch import Batch, Polled, Written
from .models import Position
from .prune import prune

BATCH = 5_000
POLL_MS = 500
RETRY_S = 1.0
PRUNE_EVERY_S = 3_600.0

REFUSALS = (DataError, IntegrityError, OverflowError, TypeError, ValueError)
"""A value that the database does not take. All else (no connection, no table) is tried again, never passed over."""

log = logging.getLogger("streamlab.projector")


class Projector:
    """Not safe to share between threads; `stop` may be set by any."""

    def __init__(self, broker: Broker, group_id: str | None = GROUP):
        """`group_id` None reads all partitions alone, beside whoever else does (for a rebuild)."""
        self.stop = threading.Event()
        self.applied = 0  # events, by this object
        self._broker = broker
        self._group_id = group_id
        self._consumer: Consumer | None = None
        self._topics = Topics(broker.connection)

    def run(self) -> None:
        """Until `stop` is set. A server or database that is away is tried again every second, and said once."""
        told = ""
        pruned = -PRUNE_EVERY_S
        while not self.stop.is_set():
            try:
                self.turn()
                told = ""
                if time.monotonic() - pruned > PRUNE_EVERY_S:
                    pruned = time.monotonic()
                    prune(settings.HISTORY_DAYS)
            except (StreamlabError, DatabaseError) as error:
                if str(error) != told:
                    log.warning("The history waits: %s", error)
                told = str(error)
                self._start_over()
                self.stop.wait(RETRY_S)
        self.close()

    def turn(self, poll_ms: float = POLL_MS) -> int:
        """Read and apply what there is, waiting up to `poll_ms` for it; how many events were applied.

        Raises StreamlabError, and DatabaseError after which nothing of the batch is applied.
        """
        polled = self._open().poll(poll_ms, max_records=BATCH)
        if not polled:
            return 0
        close_old_connections()
        written = self._write(polled)
        self._go_back(written.back_to)
        if self._group_id is not None and not written.back_to:
            self._open().commit()
        self.applied += written.applied
        return written.applied

    def catching_up(self) -> Iterator[int]:
        """Apply what stands in the topic now, however much is added meanwhile; events so far, after each batch.

        Raises StreamlabError, DatabaseError.
        """
        self._open()
        partitions = range(self._topics.require(EVENTS_TOPIC).partitions)
        edges = {partition: self._edges(partition) for partition in partitions}
        ends = {partition: end for partition, (start, end) in edges.items() if end > start}
        done = False
        while not done:
            self.turn()
            yield self.applied
            done = _stands_at(ends)

    def catch_up(self) -> int:
        """The same in one go; how many events were applied."""
        for _ in self.catching_up():
            pass
        return self.applied

    def close(self) -> None:
        if self._consumer is not None:
            self._consumer.close(autocommit=False)
            self._consumer = None

    def _open(self) -> Consumer:
        if self._consumer is None:
            ensure_topic(self._broker.connection)
            topics = [EVENTS_TOPIC] if self._group_id is not None else []
            self._consumer = self._broker.consumer(
                *topics,
                group_id=self._group_id,
                client_id="streamlab-projector",
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                session_timeout_ms=10_000,
            )
            if self._group_id is None:
                partitions = self._topics.require(EVENTS_TOPIC).partitions
                self._consumer.assign([TopicPartition(EVENTS_TOPIC, n) for n in range(partitions)])
        return self._consumer

    def _start_over(self) -> None:
        """Whatever was polled and not applied is polled again."""
        try:
            self.close()
        except StreamlabError:
            self._consumer = None
        connection.close()

    # -- one batch -------------------------------------------------------------------------------------------

    def _write(self, polled: Polled) -> Written:
        batch = Batch(polled, self._topics.require(EVENTS_TOPIC).created_ms, self._edges)
        try:
            with transaction.atomic():
                return batch.write(apply)
        except REFUSALS as error:
            log.warning("A batch was refused and is applied event by event: %s", error)
        with transaction.atomic():
            return batch.write(_one_by_one)

    def _edges(self, partition: int) -> tuple[int, int]:
        """Where the log of a partition starts and ends."""
        place = TopicPartition(EVENTS_TOPIC, partition)
        consumer = self._open()
        return consumer.beginning_offsets([place])[place], consumer.end_offsets([place])[place]

    def _go_back(self, back_to: dict[int, int]) -> None:
        for partition, offset in back_to.items():
            place = TopicPartition(EVENTS_TOPIC, partition)
            log.info("%s: back to offset %d, where the database stands", place, offset)
            self._open().seek(place, offset)


def _stands_at(ends: dict[int, int]) -> bool:
    at = dict(Position.objects.values_list("partition", "offset"))
    return all(at.get(partition, 0) >= end for partition, end in ends.items())


def _one_by_one(batch: list[Recorded]) -> int:
    refused = 0
    for recorded in batch:
        try:
            with transaction.atomic():
                apply([recorded])
        except REFUSALS:
            log.exception("Event %r cannot be applied and is passed over.", recorded.id)
            refused += 1
    return refused

"""Brings the outbox into the log: each event once, those of one key in the order of their transactions' rows.

    number    in one transaction: partition, epoch and number of the next rows
    append    under those numbers; the log knows the ones that it has had
    delete    the rows that are in the log

A relay that is killed between append and delete is followed by one that appends the same numbers again, and the log
says that it has them. Two relays at once do no harm either; a lease keeps the second one waiting. Only when the log has
forgotten the relay (a day of silence in the middle of an append, or a failover that took back what it had confirmed)
is nothing known of the batch on its way; then it is sent in a new epoch, perhaps a second time, and this process's own
log says so.
"""

from __future__ import annotations

import logging
import threading
from collections import defaultdict
from collections.abc import Iterable, Sequence

from django.db import close_old_connections, transaction
from django.db.models import F

from streamlab import exactly_once, keys
from streamlab.broker import Broker
from streamlab.errors import (
    OutOfOrderSequenceNumberError,
    ProducerFencedError,
    StreamlabError,
    UnknownTopicOrPartitionError,
)
from streamlab.exactly_once import NUMBERS, Numbered, Outgoing, producer_id
from streamlab.metrics.lease import Lease
from streamlab.model import TopicPartition
from streamlab.partitioner import partition_for
from streamlab.topics import Topics

from .models import OutboxEvent, OutboxPosition
from .publish import from_json

log = logging.getLogger(__name__)

AT_ONCE = 1_000
BATCH = 200
LOOK_EVERY_S = 0.25
LEASE_MS = 5_000


class Relay:
    """One of them works at a time; the others stand by. Not safe to share between threads."""

    def __init__(self, broker: Broker, name: str = "outbox"):
        """`name` tells the databases of several applications apart: each has its own numbers."""
        self.stop = threading.Event()
        self._connection = broker.connection
        self._topics = Topics(broker.connection)
        self._producer = producer_id(f"outbox {name}")
        self._lease = Lease(broker.connection, keys.outbox_lease(name), LEASE_MS)

    def run(self) -> None:
        """Until `stop` is set. Survives everything that passes."""
        while not self.stop.is_set():
            close_old_connections()
            try:
                sent = self.turn() if self._lease.hold() else 0
            except StreamlabError as error:
                log.warning("The outbox waits: %s", error)
                sent = 0
            except Exception:
                log.exception("The outbox could not be carried on in a way that was not foreseen")
                sent = 0
            if not sent:
                self.stop.wait(LOOK_EVERY_S)
        try:
            if self._lease.mine:
                self._lease.release()
        except StreamlabError:
            pass  # it ends by itself

    def turn(self) -> int:
        """Send what waits, up to AT_ONCE of it. Returns how many events are in the log now that were not known to be.

        Raises StreamlabError; the next turn goes on where this one stopped.
        """
        rows = list(
            OutboxEvent.objects.exclude(number=None).order_by("topic", "partition", "epoch", "number")[
                :AT_ONCE
            ]
        )
        if not rows:
            rows = self._number()
        return self._send(rows) if rows else 0

    # -- numbering ------------------------------------------------------------------------------------------------

    def _number(self) -> list[OutboxEvent]:
        rows = list(OutboxEvent.objects.filter(number=None).order_by("pk")[:AT_ONCE])
        if not rows:
            return []
        widths = {topic: self._topics.ensure(topic).partitions for topic in {row.topic for row in rows}}
        with transaction.atomic():
            for row in rows:
                row.partition = _partition_of(row, widths[row.topic])
            self._give_numbers(rows)
        return sorted(rows, key=lambda row: (row.topic, row.partition, row.number))

    def _give_numbers(self, rows: Sequence[OutboxEvent]) -> None:
        for (topic, partition), share in _by_partition(rows).items():
            position, _ = OutboxPosition.objects.select_for_update().get_or_create(
                topic=topic, partition=partition
            )
            for row in share:
                row.epoch, row.number = position.epoch, position.next_number
                position.next_number = (position.next_number + 1) % NUMBERS
            position.save(update_fields=["next_number"])
        OutboxEvent.objects.bulk_update(rows, ["partition", "epoch", "number"], batch_size=200)

    # -- sending --------------------------------------------------------------------------------------------------

    def _send(self, rows: Sequence[OutboxEvent]) -> int:
        batches = [
            (share[i : i + BATCH])
            for share in _by_partition(rows).values()
            for i in range(0, len(share), BATCH)
        ]
        outcomes = exactly_once.append(
            self._connection, self._producer, [_numbered(batch) for batch in batches]
        )
        sent = 0
        forgotten: list[OutboxEvent] = []
        for batch, error in zip(batches, outcomes, strict=True):
            if error is None:
                OutboxEvent.objects.filter(pk__in=[row.pk for row in batch]).delete()
                sent += len(batch)
            elif isinstance(error, OutOfOrderSequenceNumberError):
                forgotten.append(batch[0])
            elif isinstance(error, UnknownTopicOrPartitionError):
                self._topic_is_gone(batch[0].topic)
            elif not isinstance(error, ProducerFencedError):  # fenced: another relay has gone on
                raise error
        for row in forgotten:
            self._begin_anew(TopicPartition(row.topic, row.partition or 0))
        return sent

    def _begin_anew(self, partition: TopicPartition) -> None:
        """A new epoch for everything that waits for the partition."""
        with transaction.atomic():
            position = OutboxPosition.objects.select_for_update().get(
                topic=partition.topic, partition=partition.partition
            )
            waiting = list(
                OutboxEvent.objects.filter(topic=partition.topic, partition=partition.partition)
                .exclude(number=None)
                .order_by("epoch", "number")
            )
            position.epoch, position.next_number = position.epoch + 1, 0
            position.save(update_fields=["epoch", "next_number"])
            self._give_numbers(waiting)
        log.warning(
            "%s has forgotten what the outbox sent before: %d events are sent in epoch %d, perhaps once more",
            partition,
            len(waiting),
            position.epoch,
        )

    def _topic_is_gone(self, topic: str) -> None:
        """Deleted, and perhaps made anew with other partitions: what waits for it is numbered from the beginning."""
        with transaction.atomic():
            OutboxEvent.objects.filter(topic=topic).update(partition=None, epoch=None, number=None)
            OutboxPosition.objects.filter(topic=topic).update(epoch=F("epoch") + 1, next_number=0)
        self._topics.all(fresh=True)
        log.warning("Topic %s was deleted; what waits for it begins it anew", topic)


def _by_partition(rows: Iterable[OutboxEvent]) -> dict[tuple[str, int], list[OutboxEvent]]:
    found: dict[tuple[str, int], list[OutboxEvent]] = defaultdict(list)
    for row in rows:
        found[row.topic, row.partition or 0].append(row)
    return found


def _partition_of(row: OutboxEvent, partitions: int) -> int:
    """By its key as Kafka does it; without one in turn."""
    return row.pk % partitions if row.key is None else partition_for(bytes(row.key), partitions)


def _numbered(rows: Sequence[OutboxEvent]) -> Numbered:
    first = rows[0]
    return Numbered(
        TopicPartition(first.topic, first.partition or 0),
        first.epoch or 0,
        first.number or 0,
        [
            Outgoing(
                int(row.created_at.timestamp() * 1000),
                None if row.key is None else bytes(row.key),
                None if row.value is None else bytes(row.value),
                from_json(row.headers),
            )
            for row in rows
        ],
    )

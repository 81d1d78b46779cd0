"""The partitions that a worker has: each with its stint, or waiting for one.

assigned ──take_over──▶ stint ──▶ dropped: revoked, lost, or another owner has it
    │                     ▲
    └─ it could not be ─▶ unopened: tried again, and not read until then
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from ..clock import Clock
from ..connection import Connection
from ..consumer import Consumer
from ..errors import StreamlabError
from ..groups.offsets import NOT_COMMITTED, claim
from ..model import Commit, TopicPartition
from .lanes import Lanes
from .partition_retries import PartitionRetries
from .relay import Relay
from .stint import Stint

log = logging.getLogger(__name__)

_REOPEN_S = 0.5


class Holdings:
    """Used by the worker's thread; others may look at `stints`."""

    def __init__(
        self,
        connection: Connection,
        consumer: Consumer,
        group_id: str,
        ordering: str,
        relay: Relay,
        lanes: Lanes,
        clock: Clock,
    ):
        self._connection = connection
        self._consumer = consumer
        self._group_id = group_id
        self._ordering = ordering
        self._relay = relay
        self._lanes = lanes
        self._clock = clock
        self.stints: dict[TopicPartition, Stint] = {}
        self.unopened: dict[
            TopicPartition, int | None
        ] = {}  # where the stint before began; None: there was none
        self.changed = True  # since somebody looked, who takes it back
        self._next_reopening = 0.0

    @property
    def count(self) -> int:
        return len(self.stints) + len(self.unopened)

    def open(self, partitions: Iterable[TopicPartition]) -> None:
        """Take over the queues of these."""
        owner = self._consumer.group_metadata().member_id
        for partition in partitions:
            epoch = self._consumer.owner_epoch(partition)
            retries = PartitionRetries(self._group_id, partition, owner, epoch)
            self.changed = True
            try:
                found = retries.take_over(self._connection)
            except StreamlabError as error:
                log.warning("%s cannot be taken over yet: %s", partition, error)
                self.unopened.setdefault(partition, None)
                continue
            self.unopened.pop(partition, None)
            self._relay.know(retries, found.numbering)
            self._relay.put_all(retries, found.outbox)
            self.stints[partition] = Stint(retries, owner, found, self._ordering)

    def reopen(self) -> None:
        """Try again to take over what could not be taken over, and go on reading from what is committed.

        Raises StreamlabErrors.
        """
        now = self._clock.monotonic()
        if not self.unopened or now < self._next_reopening:
            return
        self._next_reopening = now + _REOPEN_S
        owner = self._consumer.group_metadata().member_id
        for partition, began_at in list(self.unopened.items()):
            epochs = {partition: self._consumer.owner_epoch(partition)}
            found = claim(self._connection, self._group_id, owner, epochs)[partition]
            if not isinstance(found, Commit):
                log.debug("%s", found)
                continue
            self.open([partition])
            if partition in self.stints and began_at is not None:
                self._consumer.seek(partition, began_at if found.offset == NOT_COMMITTED else found.offset)

    def fenced(self, stint: Stint) -> None:
        """Its partition has another owner; the group will say so. When the group says nothing, a failover has taken
        back that it is ours."""
        self.drop(stint)
        if stint.partition in self._consumer.assignment():
            self.unopened[stint.partition] = stint.began_at

    def drop(self, stint: Stint) -> None:
        """It is over: whatever comes of its jobs does not count."""
        stint.over = True
        self._lanes.withdraw(lambda job: job.stint is stint)
        if self.stints.get(stint.partition) is stint:
            del self.stints[stint.partition]
        self.changed = True

    def lose(self, partitions: Iterable[TopicPartition]) -> None:
        """These are another's."""
        for partition in partitions:
            self.unopened.pop(partition, None)
            if partition in self.stints:
                self.drop(self.stints[partition])

"""What lies in the outbox beside a partition, in the hands of whoever carries it to where it belongs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from ..model import TopicPartition
from .partition_retries import PartitionRetries
from .reports import Parcel, unpack

Name = tuple[str, TopicPartition, str, bytes]
"""Group, partition, field, and what stood there: a failover may take a letter's number back, and another one get it."""


class Item(NamedTuple):
    """One parcel."""

    retries: PartitionRetries
    field: str  # "L<number>" of a dead letter, "E<id>" of an event
    packed: bytes  # as it is stored
    parcel: Parcel

    @classmethod
    def of(cls, retries: PartitionRetries, field: str, packed: bytes) -> Item:
        return cls(retries, field, packed, unpack(packed))

    @property
    def name(self) -> Name:
        return self.retries.group_id, self.retries.partition, self.field, self.packed

    @property
    def number(self) -> int:
        """Of a dead letter, counted from 0 for its group and partition."""
        return int(self.field[1:])


def by_queue(items: Iterable[Item]) -> list[tuple[PartitionRetries, list[Item]]]:
    """Those of one group and partition together, in their order."""
    found: dict[tuple[str, TopicPartition], tuple[PartitionRetries, list[Item]]] = {}
    for item in items:
        queue = (item.retries.group_id, item.retries.partition)
        found.setdefault(queue, (item.retries, []))[1].append(item)
    return list(found.values())

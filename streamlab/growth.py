"""What adding partitions would mean: how many of the keys in use would go to another partition from then on.

A key's partition is its hash modulo the number of partitions, so growing a topic sends some keys elsewhere, and their
new records can be read before older ones. How many is seen from the newest records of each partition.
"""

from __future__ import annotations

from typing import NamedTuple

from . import codec, keys
from .connection import Connection
from .errors import InvalidPartitionsError, RecordError
from .log import PARTITIONS_A_ROUND_TRIP, parse_entry
from .partitioner import partition_for
from .topics import MAX_PARTITIONS, Topics

ENTRIES_A_PARTITION = 20
"""The newest batches that are looked at: some thousand records, as a rule."""


class Growth(NamedTuple):
    """What growing a topic would mean, by a sample of its newest records."""

    topic: str
    before: int  # partitions
    after: int
    records: int  # looked at
    keys: int  # different ones among them
    moving_keys: int  # of those, that would go to another partition
    moving_records: int  # records of those keys
    elsewhere_keys: int  # keys that are not where murmur2 puts them: another partitioner sent them

    @property
    def warning(self) -> str:
        """One or two sentences for whoever is about to do it."""
        if not self.keys:
            return "None of the newest records has a key, so no order within a key is lost."
        share = f"{self.moving_keys} of the {self.keys} keys of the newest {self.records} records"
        sentence = (
            f"{share} would go to another partition from then on: their new records may be handled before their older "
            "ones, which stay where they are. Partitions cannot be taken away again."
        )
        if self.elsewhere_keys:
            sentence += (
                f" {self.elsewhere_keys} keys were sent by another partitioner; where those go is not known."
            )
        return sentence


def preview(connection: Connection, topic: str, total: int) -> Growth:
    """Nothing is changed. Raises UnknownTopicOrPartitionError, InvalidPartitionsError."""
    before = Topics(connection, max_age_ms=0).require(topic).partitions
    if isinstance(total, bool) or not isinstance(total, int) or not before < total <= MAX_PARTITIONS:
        raise InvalidPartitionsError(
            f"Topic {topic!r} has {before} partitions already. It can grow to at most {MAX_PARTITIONS}, and never "
            f"shrink: {total!r} is not possible."
        )
    found: dict[bytes, tuple[int, int]] = {}  # key -> partition where it is, records
    records = 0
    for number, key in _newest_keys(connection, topic, before):
        records += 1
        if key is not None:
            found[key] = (number, found.get(key, (0, 0))[1] + 1)
    ours = {key: (n, count) for key, (n, count) in found.items() if partition_for(key, before) == n}
    moving = {key: count for key, (n, count) in ours.items() if partition_for(key, total) != n}
    return Growth(
        topic, before, total, records, len(found), len(moving), sum(moving.values()), len(found) - len(ours)
    )


def _newest_keys(connection: Connection, topic: str, partitions: int) -> list[tuple[int, bytes | None]]:
    """(partition, key) of the newest records; a damaged batch is passed over."""
    found = []
    for first in range(0, partitions, PARTITIONS_A_ROUND_TRIP):
        numbers = range(first, min(first + PARTITIONS_A_ROUND_TRIP, partitions))
        replies = connection.execute_many(
            [("XREVRANGE", keys.log(topic, n), "+", "-", "COUNT", ENTRIES_A_PARTITION) for n in numbers]
        )
        for number, entries in zip(numbers, replies, strict=True):
            for raw in entries:
                try:
                    _, columns = codec.decode(parse_entry(raw).batch)
                except RecordError:
                    continue
                found += [(number, key) for key in columns.keys]
    return found

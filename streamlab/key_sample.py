"""Which keys make a partition hot, and how they would spread over another number of partitions: seen from a sample.

The newest batches of each partition are read, until a budget of records, bytes or time is used up. What a partition
was sampled for stands for all that it keeps, so a busy partition counts for more than a quiet one.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from . import codec, keys
from .connection import Connection
from .errors import RecordError
from .log import parse_entry
from .partitioner import partition_for

PARTITIONS_A_ROUND_TRIP = 100


class Budget(NamedTuple):
    """When reading stops. What one round trip brings may go beyond it."""

    entries: int = 2_000
    records: int = 100_000
    bytes: int = 32 << 20
    seconds: float = 1.0
    entries_a_partition: int = 200


ONE_LOOK = Budget()


class SampledKey(NamedTuple):
    key: bytes
    partition: int  # where its newest records are
    records: int  # in the sample
    weight: float  # records of the topic that it stands for


class KeySample(NamedTuple):
    partitions: int  # of the topic
    sampled_partitions: int
    records: int  # looked at
    keyless: int  # of them, without a key
    keys: list[SampledKey]  # the heaviest first
    kept: float  # records that the sampled partitions keep, which is what all weights add up to
    entries: int  # batches that were looked at
    elsewhere: int  # keys that are not where murmur2 puts them: another partitioner sent them
    size_bytes: int = 0  # of these batches, as stored

    def share(self, key: SampledKey) -> float:
        """Of everything that the sampled partitions keep, 0..1."""
        return key.weight / self.kept if self.kept else 0.0

    def spread(self, partitions: int) -> list[float]:
        """Records of the sampled keys on each of so many partitions, had they been there from the beginning."""
        amounts = [0.0] * partitions
        for key in self.keys:
            amounts[partition_for(key.key, partitions)] += key.weight
        return amounts


def sample(connection: Connection, topic: str, kept: Sequence[int], budget: Budget = ONE_LOOK) -> KeySample:
    """`kept` says how many records each partition holds. The fullest are looked at first. Raises StreamlabError."""
    fullest_first = sorted((n for n, records in enumerate(kept) if records), key=lambda n: -kept[n])
    each = max(1, min(budget.entries_a_partition, budget.entries // max(len(fullest_first), 1)))
    until = time.monotonic() + budget.seconds
    found: dict[int, list[bytes | None]] = {}
    size = records = looked = 0
    step = max(1, min(PARTITIONS_A_ROUND_TRIP, 200 // each))
    for first in range(0, len(fullest_first), step):
        numbers = fullest_first[first : first + step]
        replies = connection.execute_many(
            [("XREVRANGE", keys.log(topic, n), "+", "-", "COUNT", each) for n in numbers]
        )
        for number, entries in zip(numbers, replies, strict=True):
            found[number], read = _keys(entries)
            looked += len(entries)
            size, records = size + read, records + len(found[number])
        if records >= budget.records or size >= budget.bytes or time.monotonic() >= until:
            break
    return of_keys(found, kept, looked)._replace(size_bytes=size)


def _keys(entries: Sequence[bytes]) -> tuple[list[bytes | None], int]:
    """The keys of some entries, and how many bytes these have; a damaged batch is passed over."""
    found: list[bytes | None] = []
    size = 0
    for raw in entries:
        entry = parse_entry(raw)
        size += len(entry.batch)
        try:
            _, columns = codec.decode(entry.batch)
        except RecordError:
            continue
        found += columns.keys
    return found, size


def of_keys(found: Mapping[int, Sequence[bytes | None]], kept: Sequence[int], entries: int = 0) -> KeySample:
    """
    >>> sample = of_keys({0: [b"a", b"a", b"b", None], 1: [b"c"]}, [400, 100])
    >>> [(k.key, k.records, k.weight) for k in sample.keys]
    [(b'a', 2, 200.0), (b'b', 1, 100.0), (b'c', 1, 100.0)]
    >>> sample.records, sample.keyless, sample.kept, sample.share(sample.keys[0])
    (5, 1, 500.0, 0.4)
    """
    counts: dict[bytes, list[float]] = {}  # key -> partition, records, weight
    for number, sampled in found.items():
        each = kept[number] / len(sampled) if sampled else 0.0
        for key in sampled:
            if key is None:
                continue
            entry = counts.setdefault(key, [number, 0, 0.0])
            entry[1] += 1
            entry[2] += each
    heaviest = sorted(
        (SampledKey(key, int(n), int(records), weight) for key, (n, records, weight) in counts.items()),
        key=lambda k: (-k.weight, k.key),
    )
    return KeySample(
        partitions=len(kept),
        sampled_partitions=len(found),
        records=sum(len(sampled) for sampled in found.values()),
        keyless=sum(key is None for sampled in found.values() for key in sampled),
        keys=heaviest,
        kept=float(sum(kept[number] for number, sampled in found.items() if sampled)),
        entries=entries,
        elsewhere=sum(partition_for(k.key, len(kept)) != k.partition for k in heaviest),
    )

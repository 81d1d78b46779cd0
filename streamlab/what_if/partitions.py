"""Another number of partitions: how the keys of now would lie, and which of them would go elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..key_sample import KeySample, SampledKey
from ..metrics.skew import skew
from ..partitioner import partition_for


class Move(NamedTuple):
    """A key whose new records would go to another partition."""

    key: SampledKey
    after: int  # partition


class Spread(NamedTuple):
    amounts: list[float]  # records of the sampled keys, by partition
    max_over_mean: float | None  # None: one partition, or no key
    fullest: int | None  # partition


class Partitions(NamedTuple):
    before: Spread
    after: Spread
    moves: list[Move]  # the heaviest first
    moving_share: float  # of the records that keyed ones stand for, 0..1
    keys: int  # sampled
    possible: bool  # partitions are never taken away


def with_partitions(sample: KeySample, partitions: int) -> Partitions:
    """Keys that another partitioner sent are not where murmur2 puts them; where those would go is not known, and they
    are not counted as moving.

    >>> from ..key_sample import of_keys
    >>> found = with_partitions(of_keys({0: [b"a", b"c"], 1: [b"b"]}, [20, 10]), 4)
    >>> len(found.after.amounts), found.keys, found.possible
    (4, 3, True)
    """
    known = [key for key in sample.keys if partition_for(key.key, sample.partitions) == key.partition]
    moves = [
        Move(key, after) for key in known if (after := partition_for(key.key, partitions)) != key.partition
    ]
    whole = sum(key.weight for key in sample.keys)
    return Partitions(
        before=_spread(sample.spread(sample.partitions)),
        after=_spread(sample.spread(partitions)),
        moves=moves,
        moving_share=sum(move.key.weight for move in moves) / whole if whole else 0.0,
        keys=len(sample.keys),
        possible=partitions >= sample.partitions,
    )


def _spread(amounts: Sequence[float]) -> Spread:
    found = skew([round(amount) for amount in amounts])
    return Spread(
        list(amounts),
        found.max_over_mean if found else None,
        max(range(len(amounts)), key=lambda n: amounts[n]) if any(amounts) else None,
    )

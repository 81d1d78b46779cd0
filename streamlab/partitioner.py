"""Key to partition, as Kafka does it, so that a key lands where a Kafka cluster would put it."""

from __future__ import annotations

import struct
from collections.abc import Callable
from random import randrange

Partitioner = Callable[[bytes | None, list[int], list[int]], int]
"""kafka-python's signature: serialized key, all partitions, available partitions → partition."""

_MASK = 0xFFFFFFFF
_M = 0x5BD1E995
_SEED = 0x9747B28C


def murmur2(data: bytes) -> int:
    """MurmurHash2, 32 bits, unsigned, with Kafka's seed.

    Source: org.apache.kafka.common.utils.Utils.murmur2.

    >>> murmur2(b"21")  # Java's -973932308
    3321034988
    """
    length = len(data)
    h = _SEED ^ length
    words = length >> 2
    for k in struct.unpack_from(f"<{words}I", data):
        k = k * _M & _MASK
        h = (h * _M & _MASK) ^ ((k ^ k >> 24) * _M & _MASK)
    tail = data[words << 2 :]
    if tail:
        h = (h ^ int.from_bytes(tail, "little")) * _M & _MASK
    h = (h ^ h >> 13) * _M & _MASK
    return h ^ h >> 15


def partition_for(key: bytes, partitions: int) -> int:
    """The partition of a keyed record. An empty key is a key; only None is none.

    >>> partition_for(b"21", 6)
    0
    """
    return (murmur2(key) & 0x7FFFFFFF) % partitions


class StickyPartition:
    """Records without a key stay on one partition until a batch is full, then move on (KIP-480, KIP-794).

    Spreading them one by one would make every batch small.
    """

    __slots__ = ("partition", "spent")

    def __init__(self, partitions: int):
        self.partition = randrange(partitions)
        self.spent = False  # its batch was closed: the next record goes elsewhere

    def move(self, partitions: int) -> None:
        """Choose another one, when there is another one."""
        self.spent = False
        if partitions > 1:
            step = randrange(1, partitions)
            self.partition = (self.partition + step) % partitions
        else:
            self.partition = 0

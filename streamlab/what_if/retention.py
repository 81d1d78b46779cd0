"""Another retention: the memory that a topic settles at, and what is left of the server's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

MEMORY_A_BYTE = 117 / 110
"""Memory for each byte of a full batch: a record of 107 bytes is 110 in it and takes 117 (docs/scaling.md). Where a
batch has one record or a few it is a fifth to a third more, so what logs really take is measured where it can be.
"""


class Kept(NamedTuple):
    """A topic after its retention has been what it is for once its length."""

    retention_ms: int
    bytes: float  # of batches
    memory_bytes: float
    records: float
    by_bytes: bool  # whether retention.bytes removes records before their time
    memory_a_byte: float  # that this rests on


class Room(NamedTuple):
    """What another retention does to the server's memory."""

    after_bytes: float  # used in the end
    limit_bytes: int  # maxmemory; 0: none is set
    full_in_s: float | None  # None: never


def with_retention(
    byte_rate: float,
    rate: float,
    retention_ms: int,
    partitions: int,
    retention_bytes: int = -1,
    memory_a_byte: float = MEMORY_A_BYTE,
) -> Kept:
    """`byte_rate`, `rate`: what comes in a second. `retention_bytes` is of a partition; -1: no limit.

    >>> with_retention(1_000.0, 10.0, 60_000, 3).bytes
    60000.0
    >>> found = with_retention(1_000.0, 10.0, 60_000, 3, retention_bytes=5_000, memory_a_byte=1.2)
    >>> found.bytes, found.memory_bytes, found.records, found.by_bytes
    (15000.0, 18000.0, 150.0, True)
    """
    wanted = byte_rate * retention_ms / 1000
    most = float(retention_bytes * partitions) if retention_bytes > 0 else wanted
    kept = min(wanted, most)
    records = rate * retention_ms / 1000 * (kept / wanted if wanted else 1.0)
    return Kept(retention_ms, kept, kept * memory_a_byte, records, most < wanted, memory_a_byte)


def room(kept: Kept, size_bytes: int, byte_rate: float, used_bytes: int, limit_bytes: int) -> Room:
    """`size_bytes`: what the topic keeps now. The memory is full when it has grown by what is free.

    >>> soon = with_retention(1_000.0, 10.0, 3_600_000, 1)
    >>> round(room(soon, 100_000, 1_000.0, 2_000_000, 3_000_000).full_in_s)
    940
    >>> room(soon, 100_000, 1_000.0, 2_000_000, 0).full_in_s is None
    True
    """
    grows = (kept.bytes - size_bytes) * kept.memory_a_byte
    after, free = used_bytes + grows, limit_bytes - used_bytes
    never = not limit_bytes or after <= limit_bytes or byte_rate <= 0
    return Room(after, limit_bytes, None if never else max(0.0, free / (byte_rate * kept.memory_a_byte)))


def ladder(now_ms: int, asked_ms: int) -> Sequence[int]:
    """Retentions around the one of now and the one that is asked for, for a picture: each once, shortest first.

    >>> ladder(3_600_000, 14_400_000)
    [1800000, 3600000, 7200000, 14400000, 28800000]
    """
    low, high = sorted((now_ms, asked_ms))
    steps = {now_ms, asked_ms, low // 2, high * 2}
    step = low * 2
    while step < high and len(steps) < 9:
        steps.add(step)
        step *= 2
    return sorted(ms for ms in steps if ms > 0)

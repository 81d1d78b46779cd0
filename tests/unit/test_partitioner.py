"""A key lands where Kafka would put it. The hashes are those of Kafka's own UtilsTest."""

from __future__ import annotations

import pytest

from streamlab.partitioner import StickyPartition, murmur2, partition_for


@pytest.mark.parametrize(
    ("key", "java_hash"),
    [
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_murmur2_is_javas(key, java_hash):
    assert murmur2(key) == java_hash % 2**32


def test_an_empty_key_is_a_key():
    assert partition_for(b"", 7) == (murmur2(b"") & 0x7FFFFFFF) % 7


def test_the_sticky_partition_always_moves_to_another_one():
    sticky = StickyPartition(3)
    for _ in range(50):
        before = sticky.partition
        sticky.move(3)
        assert sticky.partition != before and 0 <= sticky.partition < 3


def test_with_one_partition_there_is_nowhere_to_move():
    sticky = StickyPartition(1)
    sticky.move(1)
    assert sticky.partition == 0

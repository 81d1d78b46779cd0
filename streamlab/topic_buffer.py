"""One topic as a producer sees it: its settings, its partitions, and the open batch of each."""

from __future__ import annotations

from collections.abc import Callable

from . import codec
from .batches import Batch
from .model import TopicPartition
from .partitioner import StickyPartition, partition_for
from .topics import TopicSpec

REMEMBERED_KEYS = 65_536
"""Keys a topic whose partition is remembered, because hashing in Python costs more than all the rest of send()."""

_FRAME_BYTES = 32  # the columns' own heads
_PACKED_GROWTH = 2.5  # at most: 8 bytes are counted for what may take 20, with a large key, value and age


class TopicBuffer:
    """Guarded by the producer's lock, but for `remembered` and what `follow` takes over, which send() reads without."""

    __slots__ = (
        "append_time",
        "enforcer",
        "keyed",
        "largest",
        "open",
        "partitions",
        "remembered",
        "room_bytes",
        "sticky",
        "tps",
        "validation",
    )

    def __init__(self, topic: str, spec: TopicSpec):
        self.partitions = spec.partitions
        self.enforcer: Callable[[bytes | None], None] | None = (
            None  # of schemas; made when the first value comes
        )
        self.validation = "off"
        self.tps = [TopicPartition(topic, n) for n in range(spec.partitions)]
        self.open: list[Batch | None] = [None] * spec.partitions
        self.sticky = StickyPartition(spec.partitions)
        self.remembered: dict[bytes, int] = {}  # key -> partition
        self._take_settings(spec)

    def follow(self, spec: TopicSpec) -> None:
        """Take the topic's settings over, which may change while we run, and partitions that were added."""
        self._take_settings(spec)
        more = range(self.partitions, spec.partitions)
        if more:
            self.tps += [TopicPartition(self.tps[0].topic, n) for n in more]
            self.open += [None for _ in more]
            self.partitions = spec.partitions
            self.remembered = {}

    def _take_settings(self, spec: TopicSpec) -> None:
        self.keyed = spec.compacted  # a record without a key is refused
        self.append_time = spec.append_time
        validation = spec.config("schema.validation")
        if validation != self.validation:
            self.validation, self.enforcer = validation, None
        self.largest: int = spec.config("max.message.bytes")
        # what is counted of a record can grow by so much when it is packed, so that a batch never is too large
        self.room_bytes = max(1, int((self.largest - codec.HEAD_BYTES - _FRAME_BYTES) / _PACKED_GROWTH))

    def remember(self, key: bytes) -> int:
        """The partition of a key, known from now on."""
        remembered = self.remembered  # before the count: follow() changes the count, then the memory
        if len(remembered) >= REMEMBERED_KEYS:
            remembered.clear()
        partition = remembered[key] = partition_for(key, self.partitions)
        return partition

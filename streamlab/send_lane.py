"""One partition as a sender sees it: what is on its way, and the sequence that makes repeats recognisable."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from . import keys
from .batches import Batch
from .cluster.slots import key_slot
from .connection import script
from .model import TopicPartition

SEQUENCES = 2**31


@dataclass
class SendLane:
    """Belongs to one request stream at a time."""

    partition: TopicPartition
    batches: deque[Batch]  # not settled, oldest first
    slot: int
    command: tuple[str | int, ...]  # what every append to this partition begins with
    epoch: int = 0
    next_sequence: int = 0
    asking: bool = False  # the slot is on its way to this master: each command needs an ASKING before it
    rest_until: float = 0.0  # monotonic seconds

    @classmethod
    def of(cls, partition: TopicPartition) -> SendLane:
        places = keys.log(*partition), keys.meta(*partition), keys.producers(*partition)
        command = ("EVALSHA", script("append").sha, len(places), *places)
        return cls(partition, deque(), key_slot(places[0]), command)

    def begin_epoch(self) -> None:
        """What was acknowledged before is not there, or a batch failed for good: number anew what is left."""
        self.epoch += 1
        self.next_sequence = 0
        for batch in self.batches:
            batch.first_sequence = -1

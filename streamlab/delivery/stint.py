"""One worker's time with one partition: from taking it to giving it up."""

from __future__ import annotations

from collections import deque

from ..model import ConsumerRecord, TopicPartition
from .job import Job
from .partition_retries import NO_CHAIN, WHOLE_PARTITION, Inheritance, Lease, PartitionRetries, chain_of_key
from .watermark import Watermark


class Stint:
    """Used by the worker's thread alone, but for what never changes."""

    def __init__(self, retries: PartitionRetries, owner: str, found: Inheritance, ordering: str):
        self.group_id = retries.group_id
        self.partition: TopicPartition = retries.partition
        self.owner = owner
        self.retries = retries
        self.mark = Watermark()
        self.settled = found.settled  # offsets that the main stream will bring and must not do again
        self.chains = found.chains  # that have somebody in the queue
        self.queued = found.records  # in the queue, as far as known
        self.committed = found.committed
        self.steps = found.steps  # changes of the queue that were confirmed, those of owners before included
        self.leases: dict[str, Lease] = {}  # that are ours now
        self.held: deque[Job] = deque()  # with order of the whole partition: wait until the queue is empty
        self.look_at = 0.0  # monotonic seconds: when to ask for what is due
        self.ahead = max(found.settled, default=-1)  # so far the owner before was ahead of its commit
        self.began_at: int | None = None  # offset of the first one; None: it has brought nothing yet
        self.seen_to = -1  # offset of the last record that the main stream brought
        self.over = False  # it is another's now: nothing that comes of its jobs counts
        self._ordering = ordering

    def chain_of(self, record: ConsumerRecord) -> str:
        """What must be handled in order. Records without a key have none."""
        if self._ordering == "partition":
            return WHOLE_PARTITION
        if self._ordering == "key" and record.key is not None:
            return chain_of_key(record.key)
        return NO_CHAIN

    def job(self, record: ConsumerRecord) -> Job:
        """Of the main stream."""
        if self._ordering == "none" or (self._ordering == "key" and record.key is None):
            return Job(record, self, None)
        return Job(record, self, (self, record.key if self._ordering == "key" else None))

    def retry(self, lease: Lease) -> Job:
        record = lease.record.as_record()
        lane = None
        if lease.chain != NO_CHAIN:
            lane = (self, None if lease.chain == WHOLE_PARTITION else record.key)
        return Job(record, self, lane, lease)

    def stands_at(self, offset: int) -> None:
        """The main stream is read up to there. With nothing in hand that can be committed, though the records before it
        never came: retention has removed them while nobody was there to read."""
        if self.mark.held_back or offset <= self.committed:
            return
        self.mark.passed(offset)
        self.seen_to = max(self.seen_to, offset - 1)
        self.settled = {settled for settled in self.settled if settled >= offset}

    @property
    def blocked(self) -> bool:
        """Whether the whole partition waits for a retry."""
        return WHOLE_PARTITION in self.chains and self.caught_up

    @property
    def caught_up(self) -> bool:
        """Whether the main stream is where the owner before was. Until then it must go on: what keeps an order is
        tried again only when everything before it is committed."""
        return self.seen_to >= self.ahead

    def __repr__(self) -> str:
        return f"<Stint {self.partition} of {self.owner}>"

"""The retry queue: records of one group and partition that are to be tried again, in the order of their time.

It lies in the partition's slot, so that everything about a record (its place in the queue, its lease, its dead letter
on the way, the event that tells of it) changes in one script:

    fail      a record of the main stream failed            → waits until it is due; committed only after this
    park      its key has somebody before it                → waits until that one is settled
    lease     it is due                                     → its owner has it until the lease ends
    settle    done, once more, or dead                      → out, back, or into the outbox; who was parked is due
    replay    a dead letter is to be handled again          → due at once; the queue's owner finds it

Whoever owns the partition works on its queue (`partition_retries.py`); every script but `replay` is refused to an older
owner. This class is for all others: operators, replays, the sampler.

    queue = RetryQueue(broker.connection)
    queue.enqueue("revenue", [QueuedRecord(...)])           # replay: idempotent on (offset, replays)
    queue.counts("revenue", partitions)                     # one round trip
    queue.list("revenue", partition)
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from .. import keys
from ..connection import Call, Connection
from ..errors import translated
from ..log import script_error
from ..model import CREATE_TIME, ConsumerRecord, Headers, TopicPartition
from ..replies import pairs
from .dead_letter import Attempt, Origin

Flags = list[bool]
Ids = list[bytes]
Queue = tuple[str, TopicPartition]  # group, and the partition that it reads
Found = list[tuple[str, "Waiting"]]
Commands = list[tuple[Any, ...]]
Times = list[tuple[int, Queue, bytes]]
"""The class below has a method named `list`."""

REPLAYS_KEPT_MS = 7 * 86_400_000
"""For so long a replay that is put in again is recognised."""
_REPLAYS_A_CALL = 100
_ENTRIES_A_PAGE = 500


class QueuedRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, array_like=True):
    """A record that waits to be handled again: as the group read it, bytes untouched, and what was tried so far."""

    topic: str  # where the group read it, which is the partition whose queue it is in
    partition: int
    offset: int
    timestamp: int  # ms since 1970, the record's
    key: bytes | None
    value: bytes | None
    headers: Headers = []
    timestamp_type: int = CREATE_TIME
    attempts: list[Attempt] = []  # every attempt so far, oldest first; those before a replay too
    before: int = 0  # how many of them were made before the last replay: the policy does not count those
    first_ms: int = 0  # when the first attempt since the last replay began, server time; 0: none was made
    origin: Origin | None = None  # of a replay: where it was first produced, and which replay this is

    @property
    def id(self) -> str:
        """What it is called in its queue: the offset, and which replay of which dead letter it is. After a reset to an
        earlier place a record may die again as one that was never replayed, and leaves another letter.
        """
        if self.origin is None or not self.replays:
            return str(self.offset)
        letter = self.origin.letter
        return f"{self.offset}r{self.replays}" + (f"d{letter.partition}.{letter.offset}" if letter else "")

    @property
    def replays(self) -> int:
        return self.origin.replays if self.origin is not None else 0

    @property
    def next_attempt(self) -> int:
        """Number of the attempt that comes, counted from 1 over all replays."""
        return self.attempts[-1].attempt + 1 if self.attempts else 1

    @property
    def topic_partition(self) -> TopicPartition:
        return TopicPartition(self.topic, self.partition)

    def as_record(self) -> ConsumerRecord:
        return ConsumerRecord(
            self.topic,
            self.partition,
            self.offset,
            self.timestamp,
            self.key,
            self.value,
            self.headers or None,
            None,
            self.timestamp_type,
        )

    @classmethod
    def of(cls, record: ConsumerRecord, **more: Any) -> QueuedRecord:
        """`record` as it was read, key and value still bytes."""
        return cls(
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            timestamp=record.timestamp,
            timestamp_type=record.timestamp_type,
            key=record.key,
            value=record.value,
            headers=record.headers,
            **more,
        )


_encode = msgspec.msgpack.Encoder().encode
_decoder = msgspec.msgpack.Decoder(QueuedRecord)


def pack(record: QueuedRecord) -> bytes:
    """
    >>> unpack(pack(QueuedRecord(topic="t", partition=0, offset=7, timestamp=1, key=None, value=b"v"))).value
    b'v'
    """
    return _encode(record)


def unpack(data: bytes) -> QueuedRecord:
    return _decoder.decode(data)


class Waiting(NamedTuple):
    """One record in a queue, as an operator sees it."""

    record: QueuedRecord
    due_ms: int | None  # server time; None: it is parked behind another record of its key
    leased: bool  # a worker has it right now; due_ms is then the end of its lease
    ordered: bool  # later records of its key (or partition) wait for it


class Counts(NamedTuple):
    """How much waits in one queue."""

    retrying: int  # that have a time, or are being tried right now
    parked: int  # behind another one of their key
    size_bytes: int  # of all these records

    @property
    def records(self) -> int:
        return self.retrying + self.parked


def queue_keys(group_id: str, partition: TopicPartition) -> list[str]:
    """KEYS of every delivery script."""
    kinds = ("due", "records", "state", "chain", "leases", "done", "outbox", "counts")
    return [
        keys.commits(*partition),
        *[keys.retry(kind, *partition, group_id) for kind in kinds],
        keys.meta(*partition),
        keys.retry("replays", *partition, group_id),
    ]


class RetryQueue:
    """The queues of all groups and partitions of one server. Safe to share between threads."""

    def __init__(self, connection: Connection):
        self._connection = connection

    def enqueue(
        self, group_id: str, records: Sequence[QueuedRecord], delays_ms: Sequence[int] | None = None
    ) -> Flags:
        """Put records, of any partitions, into the group's queues, due after `delays_ms` (None: at once).

        Idempotent on (group, topic, partition, offset, replays, dead letter): False for what was put in before,
        within REPLAYS_KEPT_MS, even when it has been handled since. They keep no order among each other, and hold up
        nobody. Raises UnknownTopicOrPartitionError; what was put in before the error is in, and a repeat knows it.
        """
        with translated():
            now_ms = self._connection.server_time_ms()
            make_known(self._connection, group_id, {r.topic for r in records})
            calls, indices = [], []
            for partition, numbers in _by_partition(records).items():
                for start in range(0, len(numbers), _REPLAYS_A_CALL):
                    part = numbers[start : start + _REPLAYS_A_CALL]
                    args: list[Any] = [now_ms - REPLAYS_KEPT_MS]
                    for number in part:
                        delay_ms = delays_ms[number] if delays_ms is not None else 0
                        args += [records[number].id, delay_ms, pack(records[number])]
                    calls.append(Call("delivery/replay", queue_keys(group_id, partition), args))
                    indices.append((partition, part))
            replies = self._connection.run_many(calls)
        fresh = [False] * len(records)
        for (partition, part), reply in zip(indices, replies, strict=True):
            if isinstance(reply, Exception):
                raise script_error(reply, partition) from reply
            for number, new in zip(part, reply, strict=True):
                fresh[number] = bool(new)
        return fresh

    def known(self) -> dict[str, set[str]]:
        """Groups and the topics on which they may have queues: a worker of theirs has read there."""
        [members] = self._connection.execute_many([("SMEMBERS", keys.RETRY_QUEUES)])
        found: dict[str, set[str]] = {}
        for member in members:
            topic, _, group_id = member.decode().partition("/")
            found.setdefault(group_id, set()).add(topic)
        return found

    def counts(self, group_id: str, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, Counts]:
        """Of each partition, in one round trip."""
        found = self.counts_of((group_id, TopicPartition(*partition)) for partition in partitions)
        return {partition: counts for (_, partition), counts in found.items()}

    def counts_of(
        self, queues: Iterable[tuple[str, TopicPartition]]
    ) -> dict[tuple[str, TopicPartition], Counts]:
        """Of each (group, partition), in one round trip."""
        asked = list(queues)
        replies = self._connection.execute_many(counts_commands(asked))
        return {queue: parse_counts(replies[2 * i : 2 * i + 2]) for i, queue in enumerate(asked)}

    def list(self, group_id: str, partition: TopicPartition) -> Iterator[Waiting]:
        """Every record of a queue; what has a time first, by its time, then what is parked, by its offset.

        Read in pages, as far as the caller asks: what changes meanwhile may be missing, or there twice.
        """
        for start in itertools.count(0, _ENTRIES_A_PAGE):
            due = self._due(group_id, partition, start)
            if not due:
                break
            yield from self._page(group_id, partition, [*due], due)
        yield from self._parked(group_id, partition)

    def soonest(self, queues: Mapping[Queue, Counts], most: int) -> Found:
        """(group, record) of the `most` of all these queues that are due next, then of what is parked in them.

        Three round trips however many queues there are, and no record is read that is not returned; what is parked,
        if the others are too few, takes two more a queue.
        """
        near = [queue for _, queue, _ in self._times(queues, 1)[:most]]
        found = self._read(self._times(near, most)[:most])
        for queue in sorted(queue for queue, counts in queues.items() if counts.parked):
            if len(found) < most:
                found += [
                    (queue[0], one) for one in itertools.islice(self._parked(*queue), most - len(found))
                ]
        return found

    # -- how ------------------------------------------------------------------------------------------------------

    def _key(self, kind: str, group_id: str, partition: TopicPartition) -> str:
        return keys.retry(kind, *partition, group_id)

    def _due(self, group_id: str, partition: TopicPartition, start: int) -> dict[bytes, int]:
        """A page of those that have a time."""
        name, last = self._key("due", group_id, partition), start + _ENTRIES_A_PAGE - 1
        [found] = self._connection.execute_many([("ZRANGE", name, start, last, "WITHSCORES")])
        return {id: int(float(ms)) for id, ms in pairs(found)}

    def _times(self, queues: Iterable[Queue], most: int) -> Times:
        """When the `most` next ones of each queue are due, the soonest first."""
        asked = [*queues]
        names = [self._key("due", *queue) for queue in asked]
        replies = self._connection.execute_many([("ZRANGE", n, 0, most - 1, "WITHSCORES") for n in names])
        found = zip(asked, replies, strict=True)
        return sorted((int(float(ms)), queue, id) for queue, flat in found for id, ms in pairs(flat))

    def _read(self, times: Times) -> Found:
        """These records, in this order, in one round trip. One that left its queue meanwhile is left out."""
        wanted: dict[Queue, dict[bytes, int]] = {}
        for ms, queue, id in times:
            wanted.setdefault(queue, {})[id] = ms
        asked = [self._hmgets(*queue, [*due]) for queue, due in wanted.items()]
        replies = iter(self._connection.execute_many([command for three in asked for command in three]))
        found = [
            (queue[0], one)
            for queue, due in wanted.items()
            for one in _waiting([*due], due, [next(replies) for _ in range(3)])
        ]
        return sorted(found, key=lambda item: item[1].due_ms or 0)

    def _parked(self, group_id: str, partition: TopicPartition) -> Iterator[Waiting]:
        """What is behind another record of its key, by its offset."""
        chained = self._chained(group_id, partition)
        for start in range(0, len(chained), _ENTRIES_A_PAGE):
            ids = chained[start : start + _ENTRIES_A_PAGE]
            yield from self._page(group_id, partition, ids, {}, only=b"P")

    def _chained(self, group_id: str, partition: TopicPartition) -> Ids:
        """Those that keep an order, by offset: as many as `max_queued` allows, for a replay keeps none."""
        [links] = self._connection.execute_many([("ZRANGE", self._key("chain", group_id, partition), 0, -1)])
        return [link.rpartition(b":")[2] for link in sorted(links, key=lambda link: link.partition(b":")[2])]

    def _page(
        self,
        group_id: str,
        partition: TopicPartition,
        ids: Ids,
        due: Mapping[bytes, int],
        only: bytes = b"",
    ) -> Iterator[Waiting]:
        """Those of these whose state begins with `only`."""
        yield from _waiting(
            ids, due, self._connection.execute_many(self._hmgets(group_id, partition, ids)), only
        )

    def _hmgets(self, group_id: str, partition: TopicPartition, ids: Ids) -> Commands:
        names = [self._key(kind, group_id, partition) for kind in ("records", "leases", "state")]
        return [("HMGET", name, *ids) for name in names]


def _waiting(
    ids: Ids, due: Mapping[bytes, int], replies: Sequence[Any], only: bytes = b""
) -> Iterator[Waiting]:
    """What three HMGETs say of these ids: those that are there, and whose state begins with `only`."""
    for id, record, lease, state in zip(ids, *replies, strict=True):
        if record is not None and state is not None and state.startswith(only):
            yield Waiting(unpack(record), due.get(id), lease is not None, not state.endswith(b" -"))


def make_known(connection: Connection, group_id: str, topics: Iterable[str]) -> None:
    """Before the first record gets into a queue, so that who looks for records need not look everywhere."""
    names = [f"{topic}/{group_id}" for topic in topics]
    if names:
        connection.execute_many([("SADD", keys.RETRY_QUEUES, *names)])


def groups_of(
    connection: Connection, partitions: Iterable[TopicPartition]
) -> list[tuple[str, TopicPartition]]:
    """(group, partition) of every group that has read one of these, which are all that can have a queue there."""
    asked = [*partitions]
    replies = connection.execute_many([("HKEYS", keys.commits(*partition)) for partition in asked])
    return [(name.decode(), p) for p, names in zip(asked, replies, strict=True) for name in names]


def counts_commands(queues: Iterable[tuple[str, TopicPartition]]) -> list[tuple[Any, ...]]:
    """Two commands for each (group, partition), for who reads other things in the same round trip."""
    commands: list[tuple[Any, ...]] = []
    for group_id, partition in queues:
        commands.append(("ZCARD", keys.retry("due", *partition, group_id)))
        commands.append(("HMGET", keys.retry("counts", *partition, group_id), "parked", "bytes"))
    return commands


def parse_counts(replies: Sequence[Any]) -> Counts:
    """The answers to the two commands.

    >>> parse_counts([3, [b"2", None]])
    Counts(retrying=3, parked=2, size_bytes=0)
    """
    retrying, (parked, size) = replies
    return Counts(int(retrying), int(parked or 0), int(size or 0))


def _by_partition(records: Sequence[QueuedRecord]) -> dict[TopicPartition, list[int]]:
    found: dict[TopicPartition, list[int]] = {}
    for number, record in enumerate(records):
        found.setdefault(record.topic_partition, []).append(number)
    return found

"""The partition log: where a partition begins and ends, which entry holds an offset, what retention removes.

Appending is the producer's (`producer.py`, through `scripts/append.lua`), reading in order the consumer's
(`fetcher.py`). What both and the operator need of a partition besides is here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import repeat
from typing import Any, NamedTuple

from redis.exceptions import ResponseError

from . import codec, keys
from .connection import Call, Connection
from .errors import (
    CorruptRecordError,
    RecordError,
    StreamlabError,
    UnknownTopicOrPartitionError,
    translate,
    translated,
)
from .model import (
    LOG_APPEND_TIME,
    ConsumerRecord,
    EntryId,
    OffsetAndTimestamp,
    PartitionOffsets,
    TopicPartition,
)
from .topics import Topics, TopicSpec

TRIM_BATCHES_A_CALL = 512
"""Bounds how long one retention call keeps the server busy: about 5 ms at 16 kB a batch."""


PARTITIONS_A_ROUND_TRIP = 500


class Entry(NamedTuple):
    """One batch as it came off the wire, not yet decoded."""

    id: EntryId
    base_offset: int  # first offset that the entry stands for
    records: int  # offsets that it stands for; where compaction went over it, some are without a record
    batch: bytes

    @property
    def sparse(self) -> bool:
        """Whether compaction removed records here, or entries before it, whose offsets it then stands for."""
        return len(self.batch) >= codec.HEAD_BYTES and codec.count(self.batch) != self.records


class Place(NamedTuple):
    """Where an offset stands in a log."""

    log_start: int
    log_end: int
    last_append_ms: int  # 0: nothing was ever appended
    entry: EntryId | None  # that holds the offset; None when the offset is outside, or the log is empty there
    cut: int | None = (
        None  # from here on the log is another one than that in which the witness stood; None: the same
    )


def script_error(error: Exception, partition: TopicPartition) -> StreamlabError:
    """The error that a partition's script answered with, as one of ours."""
    if isinstance(error, ResponseError) and str(error).startswith("UNKNOWN_PARTITION"):
        return UnknownTopicOrPartitionError(f"There is no partition {partition}.")
    return translate(error)


def parse_entry(raw: Sequence[Any]) -> Entry:
    """An item of XREAD's or XRANGE's answer. Raises CorruptRecordError when it is not one of ours."""
    try:
        entry_id = EntryId.parse(raw[0])
        fields = raw[1]
        count = int(fields[1]) if isinstance(fields, (list, tuple)) else int(fields[b"n"])
        batch = fields[5] if isinstance(fields, (list, tuple)) else fields[b"b"]
        return Entry(entry_id, entry_id.last_offset - count + 1, count, batch)
    except (TypeError, ValueError, IndexError, KeyError) as error:
        raise CorruptRecordError(f"Entry {raw[0]!r} was not written by Streamlab.") from error


def records_of(partition: TopicPartition, entry: Entry, check_crcs: bool = True) -> list[ConsumerRecord]:
    """Every record of an entry, in offset order. Raises CorruptRecordError, UnsupportedCodecError."""
    try:
        base_timestamp, columns = codec.decode(entry.batch, check_crcs)
    except CorruptRecordError as error:
        raise CorruptRecordError(
            f"{partition} offset {entry.base_offset}: {error}", *partition, entry.id.last_offset + 1
        ) from error
    topic, number = partition
    ages, append_time = columns.ages, codec.has_append_time(entry.batch)
    parts: list[Iterable[Any]] = [
        repeat(topic, len(ages)),
        repeat(number),
        _offsets(entry.id.last_offset, columns),
        repeat(entry.id.append_ms) if append_time else [base_timestamp + age for age in ages],
        columns.keys,
        columns.values,
    ]
    if columns.headers is not None or append_time:
        parts.append(columns.headers or repeat(None))
    if append_time:
        parts += [repeat(None), repeat(LOG_APPEND_TIME)]
    make: Callable[..., ConsumerRecord] = ConsumerRecord
    return list(map(make, *parts))


def _offsets(last: int, columns: codec.Columns) -> Iterable[int]:
    if columns.distances is None:
        return range(last + 1 - len(columns.ages), last + 1)
    return [last - distance for distance in columns.distances]


def first_offset(entry: Entry, at_least: int) -> int:
    """Of the first record in the entry from offset `at_least` on, as far as that can be read."""
    first = max(entry.base_offset, at_least)
    if not entry.sparse:
        return first
    try:
        _, columns = codec.decode(entry.batch)
    except RecordError:
        return first  # reading it will say what is wrong
    last = entry.id.last_offset
    return min((offset for offset in _offsets(last, columns) if offset >= first), default=last)


def sizes(parts: Sequence[bytes | None]) -> list[int]:
    """Of keys or values in bytes; -1 for None.

    >>> sizes([b"abc", None, b""])
    [3, -1, 0]
    """
    try:
        return list(map(len, parts))  # type: ignore[arg-type]
    except TypeError:
        return [-1 if part is None else len(part) for part in parts]


class PartitionLog:
    """Questions to, and housekeeping of, the partitions of one server. Safe to share between threads."""

    def __init__(self, connection: Connection, topics: Topics):
        self._connection = connection
        self._topics = topics

    def offsets(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, PartitionOffsets]:
        """Where each partition begins and ends; a partition never written to is empty.

        Raises UnknownTopicOrPartitionError for one that does not exist.
        """
        wanted = [TopicPartition(*p) for p in partitions]
        for partition in wanted:
            self._require(partition)
        replies = self._connection.execute_many(
            [("HMGET", keys.meta(*p), "start", "end", "ms", "bytes", "trimmed") for p in wanted]
        )
        found = {}
        for partition, reply in zip(wanted, replies, strict=True):
            start, end, ms, appended, trimmed = (int(v or 0) for v in reply)
            found[partition] = PartitionOffsets(start, end, ms or None, appended - trimmed, appended)
        return found

    def locate(
        self,
        positions: dict[TopicPartition, int],
        witnesses: Mapping[TopicPartition, EntryId | None] | None = None,
    ) -> dict[TopicPartition, Place | UnknownTopicOrPartitionError]:
        """Where each offset stands, or that there is no such partition.

        A witness is an entry that was read before: when a failover took it away, `cut` says where the log goes on.
        """
        seen = witnesses or {}
        with translated():
            calls = [
                Call("locate", [keys.log(*p), keys.meta(*p)], [offset, str(seen.get(p) or "")])
                for p, offset in positions.items()
            ]
            replies = self._connection.run_many(calls)
        return {p: self._place(p, reply) for p, reply in zip(positions, replies, strict=True)}

    def _place(self, partition: TopicPartition, reply: Any) -> Place | UnknownTopicOrPartitionError:
        if not isinstance(reply, Exception):
            start, end, entry, ms, cut = reply
            found = EntryId.parse(entry) if entry else None
            return Place(int(start), int(end), int(ms), found, int(cut) if cut else None)
        error = script_error(reply, partition)
        if not isinstance(error, UnknownTopicOrPartitionError):
            raise error from reply
        try:
            self._topics.all(fresh=True)
            self._require(partition)
        except UnknownTopicOrPartitionError as unknown:
            return unknown
        return Place(0, 0, 0, None)  # it exists, and was never written to

    def at_time(self, moments: dict[TopicPartition, int]) -> dict[TopicPartition, OffsetAndTimestamp | None]:
        """The first record appended at or after each moment (ms); None when there is none.

        Time is the append time: the one clock that only moves forward in a log.
        """
        commands: list[tuple[Any, ...]] = []
        for partition, ms in moments.items():
            commands.append(("XRANGE", keys.log(*partition), max(0, ms), "+", "COUNT", 1))
            commands.append(("HGET", keys.meta(*partition), "start"))
        replies = self._connection.execute_many(commands)
        found: dict[TopicPartition, OffsetAndTimestamp | None] = {}
        for partition, entries, start in zip(moments, replies[::2], replies[1::2], strict=True):
            entry = (
                parse_entry(entries[0]) if entries else None
            )  # its front may be deleted: then from the start on
            found[partition] = (
                OffsetAndTimestamp(first_offset(entry, int(start or 0)), entry.id.append_ms)
                if entry
                else None
            )
        return found

    def apply_retention(
        self, partitions: Mapping[TopicPartition, TopicSpec], now_ms: int
    ) -> dict[TopicPartition, int]:
        """Remove what each topic's retention allows to remove; the log start after it, of those that exist.

        `now_ms` is the server's time, which is also the append times'. A topic that is only compacted keeps all ages.
        """
        limits = {}
        for partition, spec in partitions.items():
            if "delete" in spec.config("cleanup.policy"):
                retention_ms = spec.config("retention.ms")
                before_ms = now_ms - retention_ms if retention_ms >= 0 else -1
                limits[partition] = (before_ms, spec.config("retention.bytes"), -1)
        return self._trim(limits)

    def delete_before(self, offsets: Mapping[TopicPartition, int]) -> dict[TopicPartition, int]:
        """Remove records below each offset (whole batches; the rest of a batch is hidden). Returns the log starts.

        Raises UnknownTopicOrPartitionError, before anything is removed.
        """
        for partition in offsets:
            self._require(partition)
        starts = self._trim({p: (-1, -1, offset) for p, offset in offsets.items()})
        return {p: starts.get(p, 0) for p in offsets}  # 0: it was never written to

    def _trim(self, limits: Mapping[TopicPartition, tuple[int, int, int]]) -> dict[TopicPartition, int]:
        """Limits are before_ms, keep_bytes and from_offset of trim.lua; -1 is no limit."""
        starts: dict[TopicPartition, int] = {}
        left = list(limits)
        while left:
            now, left = left[:PARTITIONS_A_ROUND_TRIP], left[PARTITIONS_A_ROUND_TRIP:]
            calls = [
                Call("trim", [keys.log(*p), keys.meta(*p)], [*limits[p], TRIM_BATCHES_A_CALL]) for p in now
            ]
            with translated():
                replies = self._connection.run_many(calls)
            for partition, reply in zip(now, replies, strict=True):
                if isinstance(reply, Exception):
                    error = script_error(reply, partition)
                    if not isinstance(error, UnknownTopicOrPartitionError):
                        raise error from reply
                    continue  # deleted a moment ago, or never written to
                starts[partition] = int(reply[0])
                if reply[2]:
                    left.append(partition)
        return starts

    def _require(self, partition: TopicPartition) -> None:
        spec = self._topics.require(partition.topic)
        if not 0 <= partition.partition < spec.partitions:
            raise UnknownTopicOrPartitionError(
                f"There is no partition {partition}: {partition.topic!r} has {spec.partitions}."
            )

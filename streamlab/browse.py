"""Looking into a topic: records by offset, time, key, text and JSON path, newest or oldest first, a page at a time.

A search reads at most so many records and so many bytes at a time, and says how far it came: what it found, how many
records it looked at of how many there are, and the positions to go on from. So a filter that matches nothing costs a
bounded moment, and "nothing found" is never said of what was not looked at.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from . import keys
from .connection import Connection
from .errors import CorruptRecordError, UnsupportedCodecError
from .log import Entry, PartitionLog, parse_entry, records_of
from .model import ConsumerRecord, TopicPartition
from .topics import Topics

_ENTRIES_A_READ = 8


class Budget(NamedTuple):
    """When one page of a search stops looking."""

    matches: int = 50
    records: int = 20_000  # looked at
    bytes: int = 32 << 20  # read
    seconds: float = 1.0


ONE_PAGE = Budget()


class Span(NamedTuple):
    """What is still to be looked at in one partition: offsets from `first` up to, not including, `end`."""

    first: int
    end: int

    @property
    def offsets(self) -> int:
        return max(0, self.end - self.first)


class Unreadable(NamedTuple):
    """An entry that could not be decoded, and why."""

    partition: TopicPartition
    offset: int  # of its first record
    reason: str


class Page(NamedTuple):
    """What one search found."""

    records: list[ConsumerRecord]  # in the order of the search
    unreadable: list[Unreadable]
    scanned: int  # offsets passed; in a compacted log more than there were records
    left: dict[TopicPartition, Span]  # to go on with; {}: everything was looked at

    @property
    def left_offsets(self) -> int:
        return sum(span.offsets for span in self.left.values())


Matches = Callable[[ConsumerRecord], bool]


def everything(record: ConsumerRecord) -> bool:
    return True


def spans(
    connection: Connection, topic: str, partitions: Sequence[int] | None = None
) -> dict[TopicPartition, Span]:
    """All that a topic, or some of its partitions, holds now. Raises UnknownTopicOrPartitionError."""
    topics = Topics(connection)
    known = range(topics.require(topic).partitions)
    wanted = [TopicPartition(topic, n) for n in (known if partitions is None else partitions)]
    edges = PartitionLog(connection, topics).offsets(wanted)
    return {p: Span(edge.log_start, edge.log_end) for p, edge in edges.items()}


def since(
    connection: Connection, within: Mapping[TopicPartition, Span], at_ms: int
) -> dict[TopicPartition, Span]:
    """Of these spans what was appended at a moment (ms) or later."""
    found = PartitionLog(connection, Topics(connection)).at_time(dict.fromkeys(within, at_ms))
    first = {p: at.offset if at else within[p].end for p, at in found.items()}
    return {p: Span(max(span.first, first[p]), span.end) for p, span in within.items()}


def search(
    connection: Connection,
    within: Mapping[TopicPartition, Span],
    matches: Matches = everything,
    *,
    newest_first: bool = True,
    budget: Budget = ONE_PAGE,
) -> Page:
    """Look through these spans in order of append time, across partitions, until the budget is used up."""
    walk = _Walk(connection, within, newest_first)
    until = time.monotonic() + budget.seconds
    found: list[ConsumerRecord] = []
    for looked_at, record in enumerate(walk, 1):
        if matches(record):
            found.append(record)
        if (
            len(found) >= budget.matches
            or looked_at >= budget.records
            or walk.bytes_read >= budget.bytes
            or (looked_at % 64 == 0 and time.monotonic() >= until)
        ):
            break
    left = {p: span for p, span in walk.left.items() if span.offsets}
    scanned = sum(span.offsets for span in within.values()) - sum(span.offsets for span in left.values())
    return Page(found, walk.unreadable, scanned, left)


class _Walk:
    """Every record of some spans in order of append time; `left` says at any moment what was not yielded yet."""

    def __init__(self, connection: Connection, within: Mapping[TopicPartition, Span], newest_first: bool):
        self._connection = connection
        self._newest_first = newest_first
        self.left: dict[TopicPartition, Span] = dict(within)
        self.unreadable: list[Unreadable] = []
        self.bytes_read = 0

    def __iter__(self) -> Iterator[ConsumerRecord]:
        sign = -1 if self._newest_first else 1
        streams = [self._partition(p) for p, span in self.left.items() if span.offsets]
        for _, _, record in heapq.merge(*streams, key=lambda item: (sign * item[0], item[1])):
            partition = record.topic_partition
            span = self.left[partition]
            self.left[partition] = (
                span._replace(end=record.offset)
                if self._newest_first
                else span._replace(first=record.offset + 1)
            )
            yield record
        for partition, span in self.left.items():  # whatever offsets are left hold no record
            self.left[partition] = span._replace(first=span.end)

    def _partition(self, partition: TopicPartition) -> Iterator[tuple[int, int, ConsumerRecord]]:
        """(append ms, partition number, record) of one partition."""
        for entry in self._entries(partition):
            for record in self._records(partition, entry):
                yield entry.id.append_ms, partition.partition, record

    def _records(self, partition: TopicPartition, entry: Entry) -> list[ConsumerRecord]:
        span = self.left[partition]
        try:
            decoded = records_of(partition, entry)
        except (CorruptRecordError, UnsupportedCodecError) as error:
            self.unreadable.append(Unreadable(partition, entry.base_offset, str(error)))
            return []
        inside = [record for record in decoded if span.first <= record.offset < span.end]
        return inside[::-1] if self._newest_first else inside

    def _entries(self, partition: TopicPartition) -> Iterator[Entry]:
        """Entries that overlap the partition's span, read a few at a time."""
        span, log = self.left[partition], keys.log(*partition)
        near = self._edge(partition)
        while near is not None:
            command = (
                ("XREVRANGE", log, near, "-", "COUNT", _ENTRIES_A_READ)
                if self._newest_first
                else ("XRANGE", log, near, "+", "COUNT", _ENTRIES_A_READ)
            )
            [raw] = self._connection.execute_many([command])
            for item in raw:
                entry = parse_entry(item)
                self.bytes_read += len(entry.batch)
                if entry.id.last_offset < span.first or entry.base_offset >= span.end:
                    if self._newest_first == (entry.id.last_offset < span.first):
                        return
                    continue
                yield entry
            near = f"({parse_entry(raw[-1]).id}" if len(raw) == _ENTRIES_A_READ else None

    def _edge(self, partition: TopicPartition) -> str | None:
        """Id of the entry to begin with; None when the span holds nothing any more."""
        span = self.left[partition]
        offset = span.end - 1 if self._newest_first else span.first
        log = PartitionLog(self._connection, Topics(self._connection))
        place = log.locate({partition: offset})[partition]
        entry = getattr(place, "entry", None)
        if entry is not None:
            return str(entry)
        return (
            "+" if self._newest_first else "-"
        )  # retention or compaction took it: begin at the end that is there


def record_at(connection: Connection, partition: TopicPartition, offset: int) -> ConsumerRecord | None:
    """One record; None when the log does not hold it (any more).

    Raises CorruptRecordError, UnsupportedCodecError.
    """
    log = PartitionLog(connection, Topics(connection))
    edge = log.offsets([partition])[partition]
    if not edge.log_start <= offset < edge.log_end:
        return None
    page = search(
        connection, {partition: Span(offset, offset + 1)}, newest_first=False, budget=Budget(matches=1)
    )
    if page.unreadable:
        raise CorruptRecordError(page.unreadable[0].reason, *partition, offset)
    return page.records[0] if page.records else None


__all__: Any = ["Budget", "Page", "Span", "Unreadable", "everything", "record_at", "search", "since", "spans"]

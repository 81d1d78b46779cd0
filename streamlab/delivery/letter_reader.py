"""Reading a dead-letter topic: letters with their states, in pages, forwards or backwards, and no more than is asked.

A page costs one XRANGE and one HMGET. How many entries are asked for follows from how large the last ones were, so that
letters of a megabyte and letters of a kilobyte both come in pages of about the same size.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator

import msgspec

from .. import keys
from ..connection import Connection
from ..errors import CorruptRecordError, UnsupportedCodecError
from ..log import PartitionLog, Place, parse_entry, records_of
from ..model import ConsumerRecord, EntryId, TopicPartition
from ..topics import Topics
from .dead_letter import DeadLetter, LetterAddress, dead_letter_of
from .letter_states import LetterStates, LetterStatus

PAGE_LETTERS = 500
PAGE_BYTES = 4 << 20
_MOST_ENTRIES = 500
_FIRST_ENTRIES = 8
_WIDE_GAP = 200
_SKEW_MS = 60_000
"""A letter is appended after it died, by clocks that may differ so much."""

log = logging.getLogger(__name__)


class Letter(msgspec.Struct, frozen=True):
    """A dead letter, where it stands, and what became of it."""

    address: LetterAddress
    letter: DeadLetter
    status: LetterStatus

    @property
    def next_replay(self) -> int:
        """Number that its next replay will have: it goes on counting over all letters of one record."""
        return max(self.letter.replays, self.status.replays) + 1


class Bounds(msgspec.Struct, frozen=True):
    """The letters of one partition that are asked about."""

    start: int  # first offset
    end: int  # behind the last one

    @property
    def letters(self) -> int:
        return max(0, self.end - self.start)


class LetterReader:
    """Reads the dead-letter topics of one server. Safe to share between threads."""

    def __init__(self, connection: Connection, topics: Topics | None = None):
        self._connection = connection
        self._topics = topics or Topics(connection)
        self._log = PartitionLog(connection, self._topics)
        self._states = LetterStates(connection)

    def bounds(
        self,
        dlq: str,
        partitions: Iterable[int] | None = None,
        since_ms: int | None = None,
    ) -> dict[TopicPartition, Bounds]:
        """What each partition holds; with `since_ms` from about there on: none that died then or later is left out.

        The log's own order of time finds the place, so the letters before it cost nothing.
        Raises UnknownTopicOrPartitionError.
        """
        numbers = (
            range(self._topics.require(dlq).partitions) if partitions is None else sorted(set(partitions))
        )
        places = [TopicPartition(dlq, n) for n in numbers]
        found = {p: Bounds(o.log_start, o.log_end) for p, o in self._log.offsets(places).items()}
        if since_ms is not None:
            first = self._log.at_time(dict.fromkeys(places, since_ms - _SKEW_MS))
            found = {p: Bounds(at.offset if (at := first[p]) else b.end, b.end) for p, b in found.items()}
        return found

    def forward(
        self,
        partition: TopicPartition,
        bounds: Bounds,
        letters: int = PAGE_LETTERS,
        size_bytes: int = PAGE_BYTES,
    ) -> Iterator[list[Letter]]:
        """Pages of at most `letters` and about `size_bytes`, oldest first."""
        page: list[ConsumerRecord] = []
        held = 0
        for record in self._records(partition, bounds, newest_first=False):
            size = len(record.value or b"") + len(record.key or b"")
            if page and (len(page) >= letters or held + size > size_bytes):
                yield self._with_states(partition, page)
                page, held = [], 0
            page.append(record)
            held += size
        if page:
            yield self._with_states(partition, page)

    def backward(self, partition: TopicPartition, bounds: Bounds) -> Iterator[Letter]:
        """Newest first. What the caller does not ask for is read one page ahead at most."""
        page: list[ConsumerRecord] = []
        for record in self._records(partition, bounds, newest_first=True):
            page.append(record)
            if len(page) >= _FIRST_ENTRIES:
                yield from self._with_states(partition, page)
                page = []
        yield from self._with_states(partition, page)

    def get(self, address: LetterAddress) -> Letter | None:
        """None when there is no such letter (any more). Raises UnknownTopicOrPartitionError."""
        found = self.at(address.topic_partition, [address.offset])
        return found[0] if found else None

    def at(self, partition: TopicPartition, offsets: Iterable[int]) -> list[Letter]:
        """The letters at these offsets, in rising order, as far as they are there.

        Raises UnknownTopicOrPartitionError.
        """
        found = []
        for run in _runs(sorted(set(offsets))):
            bounds = Bounds(run[0], run[-1] + 1)
            wanted = set(run)
            found += [r for r in self._records(partition, bounds, newest_first=False) if r.offset in wanted]
        return self._with_states(partition, found)

    # -- how ------------------------------------------------------------------------------------------------------

    def _with_states(self, partition: TopicPartition, records: list[ConsumerRecord]) -> list[Letter]:
        statuses = self._states.of(partition, [record.offset for record in records])
        return [
            Letter(LetterAddress(*partition, record.offset), dead_letter_of(record), status)
            for record, status in zip(records, statuses, strict=True)
        ]

    def _records(
        self, partition: TopicPartition, bounds: Bounds, newest_first: bool
    ) -> Iterator[ConsumerRecord]:
        if bounds.letters == 0:
            return
        edge = bounds.end - 1 if newest_first else bounds.start
        entry = self._entry_of(partition, edge, newest_first)
        if entry is None:
            return
        place, count = str(entry), _FIRST_ENTRIES
        while True:
            raws = self._entries(partition, place, count, newest_first)
            size = 0
            for raw in raws:
                size += len(raw[1][5])
                records = self._decoded(partition, raw)
                if newest_first:
                    records.reverse()
                if records and not newest_first and records[0].offset >= bounds.end:
                    return
                if records and newest_first and records[0].offset < bounds.start:
                    return
                yield from (r for r in records if bounds.start <= r.offset < bounds.end)
            if len(raws) < count:
                return
            place = "(" + raws[-1][0].decode()
            count = max(1, min(_MOST_ENTRIES, 2 * count, PAGE_BYTES * count // max(1, size)))

    def _entries(
        self, partition: TopicPartition, place: str, count: int, newest_first: bool
    ) -> list[tuple[bytes, list[bytes]]]:
        name = keys.log(*partition)
        command = (
            ("XREVRANGE", name, place, "-", "COUNT", count)
            if newest_first
            else ("XRANGE", name, place, "+", "COUNT", count)
        )
        [raws] = self._connection.execute_many([command])
        return [(raw[0], _flat(raw[1])) for raw in raws]

    def _decoded(self, partition: TopicPartition, raw: tuple[bytes, list[bytes]]) -> list[ConsumerRecord]:
        try:
            return records_of(partition, parse_entry(raw))
        except (CorruptRecordError, UnsupportedCodecError) as error:
            log.warning("Dead letters cannot be read and are passed over: %s", error)
            return []

    def _entry_of(self, partition: TopicPartition, offset: int, newest_first: bool) -> EntryId | None:
        place = self._place(partition, offset)
        if place.entry is None and not newest_first and offset < place.log_start < place.log_end:
            place = self._place(partition, place.log_start)
        if place.entry is None and newest_first and offset >= place.log_end > place.log_start:
            place = self._place(partition, place.log_end - 1)
        return place.entry

    def _place(self, partition: TopicPartition, offset: int) -> Place:
        place = self._log.locate({partition: offset})[partition]
        if isinstance(place, Exception):
            raise place
        return place


def _runs(offsets: list[int]) -> list[list[int]]:
    """Split where there is a wide gap: that is looked up, not read through.

    >>> _runs([1, 2, 5000])
    [[1, 2], [5000]]
    """
    runs: list[list[int]] = []
    for offset in offsets:
        if not runs or offset - runs[-1][-1] > _WIDE_GAP:
            runs.append([])
        runs[-1].append(offset)
    return runs


def _flat(fields: list[bytes] | dict[bytes, bytes]) -> list[bytes]:
    """redis-py makes a dict of an entry's fields; a cluster's client may not."""
    if isinstance(fields, dict):
        return [part for pair in fields.items() for part in pair]
    return fields

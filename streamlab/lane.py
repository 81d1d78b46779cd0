"""One assigned partition: how far the application is, how far the reading is, and the batches between."""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import dataclass, field

from .cluster.topology import Node
from .deserializers import Deserialize, Undecodable
from .errors import RecordError, StreamlabError
from .log import Entry, Place, records_of
from .model import ConsumerRecord, EntryId, TopicPartition

log = logging.getLogger(__name__)

_MAX_SEQ = 2**64 - 1


def before(entry: EntryId) -> str:
    """The id right before an entry's: reading after it begins with the entry itself.

    >>> before(EntryId(5, 7)), before(EntryId(5, 0))
    ('5-6', '4-18446744073709551615')
    """
    if entry.last_offset:
        return f"{entry.append_ms}-{entry.last_offset - 1}"
    return f"{entry.append_ms - 1}-{_MAX_SEQ}"


@dataclass
class Lane:
    """Guarded by its fetcher's lock, but for what only the consumer's thread touches."""

    partition: TopicPartition
    position: int  # offset of the next record that poll() returns
    entry: EntryId | None = None  # that holds record position - 1, as far as known
    cursor: str | None = None  # read after this id; None: look it up by `next_offset`
    witness: EntryId | None = None  # the entry read last, or committed; None: nothing was read
    doubted: bool = False  # perhaps the log has lost its end since the witness was read
    node: Node | None = None  # the master that it is read from; None: not known yet, or there is one server
    asking: bool = False  # it is on its way to that master
    next_offset: int = 0  # offset expected at the cursor
    midway: bool = True  # the first entry read may begin before `next_offset`
    paused: bool = False
    held: bool = False  # poll() passes it over, while reading ahead goes on
    version: int = 0  # raised by seek(): an answer to an older question is thrown away
    entries: deque[tuple[Entry, int]] = field(
        default_factory=deque
    )  # read, not decoded, with the first offset wanted
    jumped_to: int | None = None  # where the reading went on after a gap, until the application is there
    records: list[ConsumerRecord] = field(default_factory=list)  # decoded, from `taken` on not yet returned
    taken: int = 0
    decoded_entry: EntryId | None = None
    buffered_bytes: int = 0
    log_end: int | None = None  # as of the last lookup or read
    error: StreamlabError | None = None  # to be raised by poll(); the lane halts
    raised: bool = False
    blocked: bool = False  # the error stands before the next buffered batch, not behind the last
    lost: int = 0  # records that were removed before they were read
    cut_off: int = 0  # records that were read and that the log lost afterwards

    def start(self, position: int, entry: EntryId | None) -> None:
        """Forget what was read and begin at `position`."""
        self.position = self.next_offset = position
        self.entry = self.witness = entry
        self.doubted = entry is not None
        self.midway = True
        if entry is None:
            self.cursor = None
        elif entry.last_offset + 1 == position:
            self.cursor, self.midway = str(entry), False
        else:
            self.cursor = before(entry)
        self.version += 1
        self.entries.clear()
        self.jumped_to = None
        self.records, self.taken, self.decoded_entry, self.buffered_bytes = [], 0, None, 0
        self.error, self.raised, self.blocked = None, False, False

    @property
    def has_news(self) -> bool:
        """Whether take() would return or raise something."""
        if self.paused or self.held:
            return False
        unread = self.taken < len(self.records) or (bool(self.entries) and not self.blocked)
        return unread or (self.error is not None and not self.raised)

    def decode_next(self, deserialize: Deserialize | None, check_crcs: bool) -> list[ConsumerRecord] | None:
        """The records of the next batch; None when it cannot be decoded, which `error` tells.

        In the consumer's thread and without the lock: deserializers are the application's, and may take their time.
        """
        entry, first = self.entries[0]
        try:
            records = records_of(self.partition, entry, check_crcs)
            if first > entry.base_offset:
                records = [record for record in records if record.offset >= first]
            return records if deserialize is None else deserialize(records)
        except Undecodable as error:
            self.error, self.blocked = error, True
            return error.readable
        except RecordError as error:
            log.error("%s", error)
            self.error, self.blocked = error, True
            return None

    def decoded(self, records: list[ConsumerRecord]) -> None:
        """The next batch is decoded into these."""
        entry, _ = self.entries.popleft()
        self.buffered_bytes -= len(entry.batch)
        self.records, self.taken, self.decoded_entry = records, 0, entry.id

    def take(self, most: int) -> list[ConsumerRecord]:
        """Up to `most` of the decoded records. In the consumer's thread."""
        part = self.records[self.taken : self.taken + most]
        if part:
            self.taken += len(part)
            self.position = part[-1].offset + 1
            self.entry = self.decoded_entry
        return part

    def follow_jump(self) -> None:
        """Nothing waits to be polled any more: stand where the reading stands. In the consumer's thread."""
        if self.jumped_to is not None and not self.entries and self.taken >= len(self.records):
            self.position, self.entry, self.jumped_to = self.jumped_to, None, None

    def add(self, entry: Entry) -> None:
        """A batch was read."""
        overlaps = entry.base_offset < self.next_offset <= entry.id.last_offset
        first = self.next_offset if overlaps else entry.base_offset
        self.entries.append((entry, first))
        self.cursor, self.next_offset, self.midway = str(entry.id), entry.id.last_offset + 1, False
        self.witness = entry.id
        self.log_end = max(self.log_end or 0, self.next_offset)
        self.buffered_bytes += len(entry.batch)

    def point_at(self, place: Place) -> None:
        """`next_offset` stands there: read on from it."""
        self.midway = True
        if place.entry is not None:
            self.cursor = before(place.entry)
        elif place.log_end == 0:
            self.cursor = "0-0"
        else:
            last = EntryId(place.last_append_ms, place.log_end - 1)
            self.cursor = str(last)
            if (
                self.next_offset == place.log_end
            ):  # then a log that loses that entry is noticed, as if it had been read
                self.witness, self.midway = last, False

    def jump(self, offset: int) -> None:
        """Read on at `offset`; records that wait to be polled stay."""
        self.next_offset, self.cursor, self.midway, self.jumped_to = offset, None, True, offset
        self.witness, self.doubted = None, False

    def cut(self, offset: int) -> None:
        """The log lost what it had from `offset` on. What was read of that and waits to be polled goes, too.

        But for the batch in front, which the consumer's thread may be decoding.
        """
        while len(self.entries) > 1 and self.entries[-1][0].base_offset >= offset:
            entry, _ = self.entries.pop()
            self.buffered_bytes -= len(entry.batch)
        self.jump(offset)

"""The words of the broker: a record, a place in the log, a commit.

Names and fields are those of kafka-python 3, so that code written for it reads the same here.
Times are milliseconds since the Unix epoch (UTC), sizes are bytes, offsets count records from 0.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any, NamedTuple

import msgspec

Headers = list[tuple[str, bytes | None]]

CREATE_TIME = 0
"""timestamp_type of a record whose timestamp the producer gave."""
LOG_APPEND_TIME = 1
"""timestamp_type of a record whose timestamp is the server's at the append."""


class TopicPartition(NamedTuple):
    """One partition of one topic."""

    topic: str
    partition: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}"


class OffsetAndMetadata(NamedTuple):
    """A committed position: the offset of the next record to read, never of the last one read."""

    offset: int
    metadata: str = ""
    leader_epoch: int = -1


class OffsetAndTimestamp(NamedTuple):
    """The first record at or after a moment."""

    offset: int
    timestamp: int
    leader_epoch: int = -1


class OffsetSpec(IntEnum):
    """A position to be looked up; Kafka's numbers."""

    LATEST = -1  # the offset that the next record will get
    EARLIEST = -2
    MAX_TIMESTAMP = -3  # of the newest record by append time
    EARLIEST_LOCAL = -4  # as EARLIEST: everything is local
    LATEST_TIERED = -5  # there is no second tier, so nobody knows one


class OffsetTimestamp(int):
    """A moment (ms since 1970) where a bare number would be an offset: the first record appended at or after it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"OffsetTimestamp({int(self)})"


class RecordMetadata(NamedTuple):
    """Where an acknowledged record landed. Sizes are -1 where the part was None."""

    topic: str
    partition: int
    topic_partition: TopicPartition
    offset: int  # -1 with acks=0: nobody waited to hear it
    timestamp: int
    checksum: int | None  # always None: the batch is checked, not the record
    serialized_key_size: int
    serialized_value_size: int
    serialized_header_size: int


class ConsumerRecord(msgspec.Struct, frozen=True, gc=False):
    """One record as a consumer sees it.

    Millions of these are made a second, so what most records do without is not stored, and `gc=False` keeps the cyclic
    collector away: records hold no cycles.
    """

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: Any  # bytes, or what key_deserializer made of them; None is no key, b"" is an empty key
    value: Any  # likewise; None is a tombstone
    _headers: Headers | None = None  # None: there are none
    _sizes: tuple[int, int] | None = None  # of key and value as they were read, once they were deserialized
    timestamp_type: int = CREATE_TIME

    @property
    def headers(self) -> Headers:
        return [] if self._headers is None else self._headers

    @property
    def serialized_key_size(self) -> int:
        """Bytes; -1 for no key."""
        return _size(self.key) if self._sizes is None else self._sizes[0]

    @property
    def serialized_value_size(self) -> int:
        """Bytes; -1 for a tombstone."""
        return _size(self.value) if self._sizes is None else self._sizes[1]

    @property
    def serialized_header_size(self) -> int:
        """Bytes of names and values; -1 when there are none."""
        return header_size(self._headers) if self._headers else -1

    @property
    def leader_epoch(self) -> None:
        """A partition has no replicas of ours that could lead."""

    @property
    def checksum(self) -> None:
        """The batch is checked, not the record."""

    @property
    def topic_partition(self) -> TopicPartition:
        return TopicPartition(self.topic, self.partition)

    def header(self, name: str) -> bytes | None:
        """The last value of that header, as Kafka's `lastHeader`; None when it is absent."""
        for key, value in reversed(self.headers):
            if key == name:
                return value
        return None


class EntryId(NamedTuple):
    """The id of a stream entry: when a batch was appended, and the offset of its last record."""

    append_ms: int
    last_offset: int

    @classmethod
    def parse(cls, text: bytes | str) -> EntryId:
        """Raises ValueError when the text is not `<ms>-<offset>`.

        >>> EntryId.parse(b"1700000000000-41")
        EntryId(append_ms=1700000000000, last_offset=41)
        """
        ms, _, seq = (text.decode() if isinstance(text, bytes) else text).partition("-")
        return cls(int(ms), int(seq))

    def __str__(self) -> str:
        return f"{self.append_ms}-{self.last_offset}"


class Commit(NamedTuple):
    """What a partition remembers of one group."""

    offset: int  # next to read
    entry: (
        EntryId | None
    )  # entry that holds record offset - 1; None when the commit was made without reading it
    commit_ms: int  # server time of the commit; 0: the group took the partition and has not committed yet
    owner_epoch: int  # a commit with a lower one is refused
    owner: str  # member id; "" when nobody owns the partition
    metadata: str


class PartitionOffsets(NamedTuple):
    """The edges of one partition's log and what it holds."""

    log_start: int  # first offset that can be read
    log_end: int  # offset that the next record will get
    last_append_ms: int | None  # None: nothing was ever appended
    size_bytes: int  # bytes of the batches kept now
    appended_bytes: int  # bytes ever appended; a difference of two readings is a byte rate


def header_size(headers: Headers) -> int:
    """Bytes of names and values.

    >>> header_size([("a", b"12"), ("b", None)])
    4
    """
    return sum(len(name) + len(value or b"") for name, value in headers)


def _size(part: bytes | None) -> int:
    return -1 if part is None else len(part)

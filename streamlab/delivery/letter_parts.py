"""What a dead letter is made of: why it died, what was tried, where it stands, where its record came from."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from ..model import CREATE_TIME, TopicPartition


class Cause(StrEnum):
    """Why a group gave a record up."""

    EXHAUSTED = "exhausted"  # every attempt that the policy allows has failed
    REJECTED = "rejected"  # the handler said Permanent, or the policy does not retry what it raised
    DESERIALIZATION = "deserialization"  # it could not be decoded
    SCHEMA = "schema"  # it was decoded and breaks its schema
    EXPIRED = "expired"  # it was older than the policy's max age before an attempt succeeded


class Attempt(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One attempt at handling a record."""

    attempt: int  # from 1; goes on counting through replays
    planned_ms: int  # when it was due, server time
    actual_ms: int  # when it began
    duration_ms: int = 0
    error_class: str = ""  # "" for one that did not fail
    error_message: str = ""
    member: str = ""


class LetterAddress(msgspec.Struct, frozen=True, order=True, gc=False):
    """Where a dead letter stands. Written as `orders.revenue.dlq/3@41`."""

    topic: str  # of the dead letters, e.g. orders.revenue.dlq
    partition: int
    offset: int

    @property
    def topic_partition(self) -> TopicPartition:
        return TopicPartition(self.topic, self.partition)

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}@{self.offset}"

    @classmethod
    def parse(cls, text: str) -> LetterAddress:
        """Raises ValueError when the text is not `topic/partition@offset`.

        >>> str(LetterAddress.parse("orders.revenue.dlq/3@41"))
        'orders.revenue.dlq/3@41'
        """
        place, _, offset = text.rpartition("@")
        topic, _, partition = place.rpartition("/")
        if not (topic and partition.isdecimal() and offset.isdecimal()):
            raise ValueError(f"{text!r} is not topic/partition@offset")
        return cls(topic, int(partition), int(offset))


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """Where a record was first produced, whatever hops it made since, and which replay it is on."""

    topic: str
    partition: int
    offset: int
    timestamp: int  # ms since 1970
    timestamp_type: int = CREATE_TIME
    record_id: str  # its CloudEvents id, else "orders/3@41"
    replays: int = 0  # how often it was replayed so far
    replay_id: str | None = None  # the job that replayed it last; None: none did
    letter: LetterAddress | None = None  # the dead letter that was replayed
    letter_group: str | None = None  # the group to say what came of it; None: whichever handles the record
    letter_key: str | None = (
        None  # that letter in the history: replays before its death and its group, "0:revenue"
    )

    def letter_of(self, group: str) -> LetterAddress | None:
        """The dead letter that `group` settles by handling the record, or by giving it up."""
        return self.letter if self.letter_group in (None, group) else None

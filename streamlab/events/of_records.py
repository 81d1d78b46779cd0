"""What happened to single records in a group's hands: attempts, dead letters, replays."""

from __future__ import annotations

import base64

from .base import Event, event_type


def record_id_of(topic: str, partition: int, offset: int, ce_id: bytes | str | None = None) -> str:
    """What a record is called on its whole way: its CloudEvents id where it has one, else its place.

    >>> record_id_of("orders", 3, 41), record_id_of("orders", 3, 41, b"536365-1")
    ('orders/3@41', '536365-1')
    """
    if ce_id:
        return ce_id.decode("utf-8", "replace") if isinstance(ce_id, bytes) else ce_id
    return f"{topic}/{partition}@{offset}"


def key_text(key: bytes | None) -> str | None:
    """A record's key as events carry it: base64; None is no key.

    >>> key_text(b"17841"), key_text(None)
    ('MTc4NDE=', None)
    """
    return None if key is None else base64.b64encode(key).decode()


class RecordEvent(Event, frozen=True, kw_only=True):
    """Fields that all events about one record share. The place is the original one, never that of a later hop."""

    group: str
    topic: str
    partition: int
    offset: int
    record_id: str  # the record's ce_id header, else "orders/3@41"
    key: str | None = None  # base64 of the key; None: it has none
    attempt: int  # of the handler, counted from 1; 0: none was made
    replays: int = 0  # how often the record was replayed before
    member: str | None = None  # who had the record; None: not a member's doing

    @property
    def place(self) -> str:
        return f"{self.topic}/{self.partition}@{self.offset}"

    @property
    def identity(self) -> str:
        return f"{self.place}:{self.replays}:{self.attempt}:{self.group}"

    @property
    def source(self) -> str:
        return f"/streamlab/groups/{self.group}"

    @property
    def subject(self) -> str:
        return self.record_id

    @property
    def order_key(self) -> str:
        return f"{self.topic}/{self.partition}:{self.group}"


class AttemptEvent(RecordEvent, frozen=True, kw_only=True):
    """An attempt was made, and this is what came of it."""

    planned_ms: int | None = None  # when the attempt was due; None: the first one, which nobody plans
    started_ms: int | None = None  # when the handler was really called; None: it was not
    took_ms: float | None = None  # how long the handler took; None: it was not called


class FailureEvent(AttemptEvent, frozen=True, kw_only=True):
    """An attempt failed, and why."""

    exception: str | None = None  # class with its module, "shop.errors.OutOfStock"; None: there was none
    message: str | None = None  # the exception's text
    call_site: str | None = None  # last frame in the user's code, "shop/orders.py:book"
    fingerprint: str | None = None  # what like failures have in common
    schema_subject: str | None = None  # the schema that the value was written with; None: not known
    schema_version: int | None = None


@event_type("record.retried")
class RecordRetried(FailureEvent, frozen=True, kw_only=True):
    """An attempt failed and the next one is planned."""

    due_ms: int  # when the next attempt is due


@event_type("record.dead_lettered")
class RecordDeadLettered(FailureEvent, frozen=True, kw_only=True):
    """The record was given up and lies on the dead letter topic."""

    cause: str  # exhausted, rejected, deserialization, schema, expired
    dlq_topic: str  # where the dead letter lies
    dlq_partition: int
    dlq_offset: int | None = None  # None: not known
    letter: str | None = None  # see `RecordRecovered`

    @property
    def identity(self) -> str:
        """Without the attempt: a record dies once between two replays."""
        return f"{self.place}:{self.replays}:{self.group}"


@event_type("record.recovered")
class RecordRecovered(AttemptEvent, frozen=True, kw_only=True):
    """The record was handled after it had failed before."""

    # dead letter whose replay ends here: replays before its death and its group, "0:revenue"; "": none's;
    # None: not said, then the one before, of the same group
    letter: str | None = None

    @property
    def identity(self) -> str:
        return f"{self.place}:{self.replays}:{self.group}"


@event_type("record.released")
class RecordReleased(AttemptEvent, frozen=True, kw_only=True):
    """The handler gave the record back; no attempt is counted."""

    due_ms: int | None = None  # when it is tried again; None: at once
    reason: str | None = None

    @property
    def identity(self) -> str:
        """The same attempt may be given back again and again."""
        return f"{self.place}:{self.replays}:{self.attempt}:{self.at_ms}:{self.group}"


class DeadLetterEvent(RecordEvent, frozen=True, kw_only=True):
    """Somebody did something with a dead letter."""

    dlq_topic: str
    dlq_partition: int
    dlq_offset: int
    by: str | None = None  # who; None: nobody said
    replay_id: str | None = None  # the replay that it was part of; None: on its own
    fingerprint: str | None = None

    @property
    def identity(self) -> str:
        """The replay number is in it: a dead letter is replayed, and dies, more than once."""
        return f"{self.place}:{self.replays}:{self.group}"


@event_type("dead_letter.replayed")
class DeadLetterReplayed(DeadLetterEvent, frozen=True, kw_only=True):
    """A dead letter was sent on its way again. `replays` counts this one: 1 is the first replay."""

    target: str  # group: the group that failed; source: the source topic; topic: another one
    to_topic: str | None = None  # where it was written; None: into the group's retry queue
    edited: bool = False  # the payload or headers were changed
    letter: str | None = None  # the letter in the history, as in `RecordRecovered`


@event_type("dead_letter.discarded")
class DeadLetterDiscarded(DeadLetterEvent, frozen=True, kw_only=True):
    """A dead letter was given up for good."""

    reason: str

    @property
    def identity(self) -> str:
        """A letter may be discarded and restored again and again."""
        return f"{self.place}:{self.replays}:{self.at_ms}:{self.group}"


@event_type("dead_letter.restored")
class DeadLetterRestored(DeadLetterEvent, frozen=True, kw_only=True):
    """A discard was taken back, or a replay is known to be lost: the letter counts as dead again."""

    @property
    def identity(self) -> str:
        """A letter may be discarded and restored again and again."""
        return f"{self.place}:{self.replays}:{self.at_ms}:{self.group}"


@event_type("replay.started")
class ReplayStarted(Event, frozen=True, kw_only=True):
    """A replay of dead letters began."""

    replay_id: str
    group: str
    dlq_topic: str
    target: str  # as in dead_letter.replayed
    filter: str | None = None  # which dead letters, in words; None: all
    total: int | None = None  # dead letters that it will take; None: not counted
    rate: float | None = None  # dead letters a second; None: as fast as it goes
    by: str | None = None

    @property
    def identity(self) -> str:
        return self.replay_id

    @property
    def source(self) -> str:
        return f"/streamlab/groups/{self.group}"

    @property
    def subject(self) -> str:
        return self.replay_id


@event_type("replay.finished")
class ReplayFinished(Event, frozen=True, kw_only=True):
    """A replay ended, or was stopped and can be resumed."""

    replay_id: str
    group: str
    outcome: str  # done, cancelled, failed, stopped (too many failed again)
    replayed: int  # dead letters sent on their way
    skipped: int = 0  # not replayed, for example because they were discarded meanwhile
    failed_again: int | None = None  # dead again by the end; None: not watched
    took_ms: float | None = None
    reason: str | None = None  # why it ended, where that is not plain

    @property
    def identity(self) -> str:
        """It may be stopped and resumed again and again."""
        return f"{self.replay_id}:{self.outcome}:{self.at_ms}"

    @property
    def source(self) -> str:
        return f"/streamlab/groups/{self.group}"

    @property
    def subject(self) -> str:
        return self.replay_id

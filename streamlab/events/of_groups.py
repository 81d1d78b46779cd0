"""What happened to consumer groups: members, rebalances, offsets."""

from __future__ import annotations

import msgspec

from .base import Event, event_type


class Move(msgspec.Struct, frozen=True, kw_only=True):
    """A partition that changed hands in a rebalance."""

    topic: str
    partition: int
    before: str | None = None  # member that had it; None: nobody
    after: str | None = None  # member that has it now; None: nobody
    standstill_ms: float | None = None  # from its release to its taking; None: not known, 0: it never stopped


class PositionChange(msgspec.Struct, frozen=True, kw_only=True):
    """A committed offset that was moved by hand."""

    topic: str
    partition: int
    before: int | None = None  # None: there was none
    after: int | None = None  # None: it was removed


class GroupEvent(Event, frozen=True, kw_only=True):
    """Something happened to a group."""

    group: str

    @property
    def identity(self) -> str:
        return f"{self.at_ms}:{self.group}"

    @property
    def source(self) -> str:
        return f"/streamlab/groups/{self.group}"

    @property
    def subject(self) -> str:
        return self.group


@event_type("group.rebalanced")
class GroupRebalanced(GroupEvent, frozen=True, kw_only=True):
    """Partitions were given out anew."""

    epoch: int  # the group's; rises with each rebalance
    cause: str  # why, in a word, such as joined, left, expired, partitions, forced
    words: str | None = None  # why, with names
    assignor: str | None = None
    members_before: list[str] = msgspec.field(default_factory=list)
    members_after: list[str] = msgspec.field(default_factory=list)
    moved: list[Move] = msgspec.field(default_factory=list)  # partitions that changed hands
    started_ms: int | None = None  # when the cause came about
    took_ms: float | None = None  # from then until the last partition was taken; None: not measured
    outcome: str | None = None  # finished, or superseded by the next epoch

    @property
    def identity(self) -> str:
        return f"{self.epoch}:{self.group}"


class MemberEvent(GroupEvent, frozen=True, kw_only=True):
    member: str
    client_id: str | None = None
    host: str | None = None
    instance_id: str | None = None  # of a static member
    epoch: int | None = None  # the group's, after it

    @property
    def identity(self) -> str:
        return f"{self.member}:{self.at_ms}:{self.group}"

    @property
    def subject(self) -> str:
        return self.member


@event_type("member.joined")
class MemberJoined(MemberEvent, frozen=True, kw_only=True):
    """A member came."""


@event_type("member.left")
class MemberLeft(MemberEvent, frozen=True, kw_only=True):
    """A member went."""

    cause: str | None = (
        None  # left, expired (silent too long), poll_interval, fenced, removed; None: not known
    )


@event_type("offsets.reset")
class OffsetsReset(GroupEvent, frozen=True, kw_only=True):
    """Somebody moved committed offsets."""

    positions: list[PositionChange]
    strategy: str | None = None  # in words, "to-earliest", "shift-by -100"
    repeated: int | None = None  # records that will be processed again; None: not counted
    skipped: int | None = None  # records that will not be processed; None: not counted
    by: str | None = None


@event_type("group.deleted")
class GroupDeleted(GroupEvent, frozen=True, kw_only=True):
    """Somebody had the group forgotten: its commits, and what waited to be handled again."""

    by: str | None = None


@event_type("group.paused")
class GroupPaused(GroupEvent, frozen=True, kw_only=True):
    """Members finish what they have, commit, and fetch no more."""

    by: str | None = None
    reason: str | None = None


@event_type("group.resumed")
class GroupResumed(GroupEvent, frozen=True, kw_only=True):
    """Members fetch again."""

    by: str | None = None
    reason: str | None = None
    paused_ms: float | None = None  # how long it was paused; None: not known

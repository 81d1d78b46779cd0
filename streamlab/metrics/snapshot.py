"""One picture of everything at one moment: what pages draw, what alerts judge, what history keeps.

A figure that is not known is None, never 0. Rates come from the difference to the snapshot before, so the
first one has none.

None of these holds a cycle, so `gc=False` keeps the cyclic collector away from the tens of thousands of them
that live for a second.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from operator import attrgetter

import msgspec

_topic = attrgetter("topic")


class GroupPartition(msgspec.Struct, frozen=True, gc=False):
    """How far one group is on one partition."""

    topic: str
    partition: int
    committed: int | None  # next offset to read; None: never committed
    log_end: int
    lag: (
        int | None
    )  # records, those that retention removed included, as in Kafka; None: no commit to measure from
    time_lag_ms: int | None  # age of the oldest record not yet consumed; 0: caught up; None: unknown
    commit_ms: int | None  # server time of the last commit
    lost: int  # records that retention removed before the group read them
    owner: str | None  # member id; None: nobody reads it
    consumed_rate: float | None  # records/s over the last seconds, by commits; see rates.commit_rate
    ahead: int = 0  # records by which the commit lies past the log end: the server lost its newest records


class Member(msgspec.Struct, frozen=True, gc=False):
    """One consumer of a group."""

    member_id: str
    client_id: str
    host: str
    instance_id: str | None
    topics: list[str]  # subscription
    assigned: list[str]  # partitions it should have, as "orders/3"
    owned: list[str]  # partitions it has now
    lease_left_ms: int  # until it is declared dead unless it is heard from


class GroupSnapshot(msgspec.Struct, frozen=True, gc=False):
    group: str
    state: str  # Empty, Assigning, Reconciling, Stable, Dead: groups.membership.GroupState
    epoch: int
    assignor: str
    members: list[Member]
    partitions: list[GroupPartition]  # sorted by topic and partition
    lag: int | None  # sum of what is known; None: nothing is known
    time_lag_ms: int | None  # the worst partition's
    consumed_rate: float | None  # records/s
    paused: bool = False  # an operator wants that its members read nothing

    def on(self, topic: str) -> list[GroupPartition]:
        """Those of one topic, found without looking at the others."""
        first = bisect_left(self.partitions, topic, key=_topic)
        return self.partitions[first : bisect_right(self.partitions, topic, first, key=_topic)]


class PartitionSnapshot(msgspec.Struct, frozen=True, gc=False):
    partition: int
    log_start: int
    log_end: int
    size_bytes: int
    last_append_ms: int | None
    rate: float | None  # records/s appended
    byte_rate: float | None  # bytes/s appended


class Skew(msgspec.Struct, frozen=True, gc=False):
    """How unevenly records spread over the partitions of a topic. 1.0, 0.0, 0.0 is perfectly even."""

    max_over_mean: float
    variation: float  # coefficient of variation: standard deviation / mean
    gini: float  # 0 even .. 1 all on one partition
    hot: list[int]  # partitions above mean + 2 standard deviations of the others (3 partitions at least)


class TopicSnapshot(msgspec.Struct, frozen=True, gc=False):
    topic: str
    partitions: list[PartitionSnapshot]  # by number
    records: int  # kept now
    size_bytes: int
    rate: float | None
    byte_rate: float | None
    skew: Skew | None  # by records kept; None: fewer than two partitions, or nothing kept
    groups: list[str]  # groups that have committed or subscribed here
    internal: bool  # name starts with "__"


class ServerSnapshot(msgspec.Struct, frozen=True, gc=False):
    version: str
    engine: str  # redis or valkey
    uptime_s: int
    used_memory_bytes: int
    max_memory_bytes: int  # 0: no limit
    clients: int
    ops_rate: float  # commands/s
    aof: bool
    cpu_share: float | None  # share of one core since the snapshot before


class Snapshot(msgspec.Struct, frozen=True, gc=False):
    seq: int  # rises with each snapshot, across restarts of the sampler too; a gap is a snapshot not taken
    as_of_ms: int  # server time
    took_ms: float
    topics: dict[str, TopicSnapshot]
    groups: dict[str, GroupSnapshot]
    server: ServerSnapshot


_decoder = msgspec.msgpack.Decoder(Snapshot)


def encode(snapshot: Snapshot) -> bytes:
    return msgspec.msgpack.encode(snapshot)


def decode(data: bytes) -> Snapshot:
    """Raises msgspec.DecodeError when the bytes are not a snapshot of this version."""
    return _decoder.decode(data)

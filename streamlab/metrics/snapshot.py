"""One picture of everything at one moment: what pages draw, what alerts judge, what history keeps.

A figure that is not known is None, never 0. Rates come from the difference to the snapshot before, so the
first one has none.

None of these holds a cycle, so `gc=False` keeps the cyclic collector away from the tens of thousands of them
that live for a second.
"""

from __future__ import annotations

from typing import Any

import msgspec

from .partition_names import PartitionNames
from .positions import GroupPartition, OnTopic, Positions


class Member(msgspec.Struct, frozen=True, gc=False):
    """One consumer of a group."""

    member_id: str
    client_id: str
    host: str
    instance_id: str | None
    topics: list[str]  # subscription
    assigned: PartitionNames  # it should have
    owned: PartitionNames  # it has now
    lease_left_ms: int  # until it is declared dead unless it is heard from


class GroupSnapshot(msgspec.Struct, frozen=True, gc=False):
    group: str
    state: str  # Empty, Assigning, Reconciling, Stable, Dead: groups.membership.GroupState
    epoch: int
    assignor: str
    members: list[Member]
    partitions: Positions
    lag: int | None  # sum of what is known; None: nothing is known
    time_lag_ms: int | None  # the worst partition's
    consumed_rate: float | None  # records/s
    paused: bool = False  # an operator wants that its members read nothing


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


def encode(snapshot: Snapshot) -> bytes:
    return _encoder.encode(snapshot)


def decode(data: bytes) -> Snapshot:
    """Raises msgspec.DecodeError when the bytes are not a snapshot."""
    return _decoder.decode(data)


def plain(part: GroupSnapshot) -> dict[str, Any]:
    """As JSON can say it."""
    return msgspec.to_builtins(part, enc_hook=_listed)  # type: ignore[no-any-return]


def _listed(value: Any) -> Any:
    if isinstance(value, Positions):
        return [msgspec.structs.asdict(position) for position in value]
    return list(value)


def _stored(value: Any) -> Any:
    return value.totals if isinstance(value, Positions) else value.packed


def _loaded(kind: type, value: Any) -> Any:
    """Snapshots of earlier versions held lists, and maps of a position's fields."""
    if kind is PartitionNames:
        return PartitionNames(*value) if value and isinstance(value[0], int) else PartitionNames.of(value)
    if isinstance(value, list):
        return Positions.of(GroupPartition(**position) for position in value)
    return Positions({topic: OnTopic(*cells) for topic, cells in value.items()})


_encoder = msgspec.msgpack.Encoder(enc_hook=_stored)
_decoder = msgspec.msgpack.Decoder(Snapshot, dec_hook=_loaded)

"""Builders of snapshots with plain defaults: say only what the test is about."""

from __future__ import annotations

from typing import Any

import msgspec

from streamlab.metrics.partition_names import PartitionNames
from streamlab.metrics.positions import GroupPartition, Positions
from streamlab.metrics.snapshot import (
    GroupSnapshot,
    Member,
    PartitionSnapshot,
    ServerSnapshot,
    Skew,
    Snapshot,
    TopicSnapshot,
)

NOW_MS = 1_700_000_000_000


def a_partition(partition: int = 0, **changes: Any) -> PartitionSnapshot:
    plain = PartitionSnapshot(
        partition=partition,
        log_start=0,
        log_end=1_000,
        size_bytes=100_000,
        last_append_ms=NOW_MS - 1_000,
        rate=10.0,
        byte_rate=1_000.0,
    )
    return msgspec.structs.replace(plain, **changes)


def a_topic(name: str = "orders", partitions: int = 3, **changes: Any) -> TopicSnapshot:
    logs = changes.pop("logs", None) or [a_partition(i) for i in range(partitions)]
    plain = TopicSnapshot(
        topic=name,
        partitions=logs,
        records=sum(p.log_end - p.log_start for p in logs),
        size_bytes=sum(p.size_bytes for p in logs),
        rate=sum(p.rate or 0 for p in logs),
        byte_rate=sum(p.byte_rate or 0 for p in logs),
        skew=Skew(1.0, 0.0, 0.0, []) if len(logs) > 1 else None,
        groups=[],
        internal=name.startswith("__"),
    )
    return msgspec.structs.replace(plain, **changes)


def a_position(
    topic: str = "orders", partition: int = 0, lag: int | None = 0, **changes: Any
) -> GroupPartition:
    plain = GroupPartition(
        topic=topic,
        partition=partition,
        committed=None if lag is None else 1_000 - lag,
        log_end=1_000,
        lag=lag,
        time_lag_ms=None if lag is None else min(lag, 1) * 500,
        commit_ms=None if lag is None else NOW_MS - 500,
        lost=0,
        owner="consumer-1-a",
        consumed_rate=10.0,
    )
    return msgspec.structs.replace(plain, **changes)


def a_member(
    member_id: str = "consumer-1-a", assigned: tuple[str, ...] = ("orders/0",), **changes: Any
) -> Member:
    plain = Member(
        member_id=member_id,
        client_id="consumer-1",
        host="10.0.0.7",
        instance_id=None,
        topics=sorted({name.rpartition("/")[0] for name in assigned}),
        assigned=PartitionNames.of(assigned),
        owned=PartitionNames.of(assigned),
        lease_left_ms=44_000,
    )
    return msgspec.structs.replace(plain, **changes)


def a_group(name: str = "analytics", lag: int | None = 0, **changes: Any) -> GroupSnapshot:
    positions = changes.pop("partitions", None) or [a_position(lag=lag)]
    known = [p.lag for p in positions if p.lag is not None]
    plain = GroupSnapshot(
        group=name,
        state="Stable",
        epoch=3,
        assignor="cooperative-sticky",
        members=[a_member()],
        partitions=Positions.of(positions),
        lag=sum(known) if known else None,
        time_lag_ms=max((p.time_lag_ms for p in positions if p.time_lag_ms is not None), default=None),
        consumed_rate=sum(p.consumed_rate or 0 for p in positions),
    )
    return msgspec.structs.replace(plain, **changes)


def a_server(**changes: Any) -> ServerSnapshot:
    plain = ServerSnapshot(
        version="7.0.15",
        engine="redis",
        uptime_s=3_600,
        used_memory_bytes=50_000_000,
        max_memory_bytes=0,
        clients=12,
        ops_rate=1_500.0,
        aof=True,
        cpu_share=0.07,
    )
    return msgspec.structs.replace(plain, **changes)


def a_snapshot(*things: TopicSnapshot | GroupSnapshot, **changes: Any) -> Snapshot:
    """A snapshot of these topics and groups."""
    plain = Snapshot(
        seq=1,
        as_of_ms=NOW_MS,
        took_ms=3.0,
        topics={t.topic: t for t in things if isinstance(t, TopicSnapshot)},
        groups={g.group: g for g in things if isinstance(g, GroupSnapshot)},
        server=a_server(),
    )
    return msgspec.structs.replace(plain, **changes)

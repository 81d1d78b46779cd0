"""Evidence for the advisor, from plain rates: a topic, a group that reads it, and what its members say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from streamlab.advisor.finding import Finding
from streamlab.advisor.judge import judge
from streamlab.advisor.world import World
from streamlab.metrics.snapshot import Snapshot
from streamlab.metrics.telemetry import ClientTelemetry
from tests.snapshots import NOW_MS, a_group, a_member, a_partition, a_position, a_snapshot, a_topic

TOPIC, GROUP = "orders", "revenue"
STEP_S = 10
PAST_S = 60


def a_world(
    in_rates: Sequence[float] = (10, 10, 10),
    out_rates: Sequence[float] | None = None,
    *,
    members: int = 3,
    lag: float = 0,
    clients: Sequence[ClientTelemetry] = (),
    group: Mapping[str, Any] | None = None,
    **changes: Any,
) -> World:
    """Of a minute in which each partition got and gave so many records a second. `lag` is what waited at its begin, on
    each partition. Partition n belongs to member n modulo `members`."""
    out = list(in_rates) if out_rates is None else list(out_rates)
    moments = [_at(t, in_rates, out, members, lag, group or {}) for t in range(0, PAST_S + 1, STEP_S)]
    plain = World(
        now_ms=NOW_MS,
        snapshot=moments[-1],
        past=moments[:-1],
        clients={client.instance: client for client in clients},
    )
    return World(**{**{name: getattr(plain, name) for name in World.__dataclass_fields__}, **changes})


def _at(
    second: int,
    ins: Sequence[float],
    outs: Sequence[float],
    members: int,
    lag: float,
    group: Mapping[str, Any],
) -> Snapshot:
    at_ms = NOW_MS - (PAST_S - second) * 1000
    ends = [round(1_000 + lag + rate * second) for rate in ins]
    read = [min(end, round(1_000 + rate * second)) for end, rate in zip(ends, outs, strict=True)]
    owned: dict[int, list[str]] = {n: [] for n in range(members)}
    for n in range(len(ins)):
        if members:
            owned[n % members].append(f"{TOPIC}/{n}")
    positions = [
        a_position(
            TOPIC,
            n,
            end - done,
            committed=done,
            log_end=end,
            time_lag_ms=0 if end == done else 5_000,
            owner=f"m-{n % members}" if members else None,
        )
        for n, (end, done) in enumerate(zip(ends, read, strict=True))
    ]
    reading = a_group(
        GROUP,
        partitions=positions,
        members=[
            a_member(f"m-{n}", tuple(parts), client_id=f"reader-{n}", topics=[TOPIC])
            for n, parts in owned.items()
        ],
    )
    logs = [a_partition(n, log_end=end) for n, end in enumerate(ends)]
    return a_snapshot(
        a_topic(TOPIC, logs=logs, groups=[GROUP]), msgspec.structs.replace(reading, **group), as_of_ms=at_ms
    )


def a_client(name: str = "shop", kind: str = "producer", **changes: Any) -> ClientTelemetry:
    plain = ClientTelemetry(
        client_id=name,
        instance=f"{name}~1",
        kind=kind,
        host="10.0.0.7",
        pid=1,
        started_ms=NOW_MS - 600_000,
        as_of_ms=NOW_MS - 500,
        version=0,
    )
    return msgspec.structs.replace(plain, **changes)


def a_worker(
    number: int = 0, ready: float = 0, p50: float = 10, p95: float = 20, **changes: Any
) -> ClientTelemetry:
    """A member of the group. `ready`: records that wait for a free handler; p50, p95: of its handler, ms."""
    figures: dict[str, float | None] = {
        "records-handled-total": 1_000.0,
        "records-ready": ready,
        "records-in-flight": 1.0,
        "handler-latency-p50-ms": p50,
        "handler-latency-p95-ms": p95,
    }
    return a_client(
        f"reader-{number}", "worker", group=GROUP, member_id=f"m-{number}",
        metrics={"worker-metrics": figures}, **changes,
    )  # fmt: skip


def a_consumer(number: int = 0, idle: float = 0.5, **figures: float) -> ClientTelemetry:
    """A plain consumer of the group with these figures of its fetches and polls."""
    polling = {"poll-idle-ratio-avg": idle, **{n: v for n, v in figures.items() if "poll" in n}}
    fetching = {n: v for n, v in figures.items() if n.startswith(("fetch", "records"))}
    joined = {n: v for n, v in figures.items() if n.startswith("commit")}
    return a_client(
        f"reader-{number}",
        "consumer",
        group=GROUP,
        member_id=f"m-{number}",
        values={
            "max_poll_records": 500,
            "fetch_max_wait_ms": 500,
            "fetch_min_bytes": 1,
            "max_poll_interval_ms": 300_000,
        },
        metrics={
            "consumer-metrics": dict(polling),
            "consumer-fetch-manager-metrics": dict(fetching),
            "consumer-coordinator-metrics": dict(joined),
        },
    )


def sends(batches: float, records: float, size: float = 330.0, **values: Any) -> ClientTelemetry:
    """A producer of so many batches and records a second."""
    figures = {
        "batch-size-avg": size,
        "byte-rate": size * batches,
        "record-send-rate": records,
        "record-size-avg": 300.0,
    }
    return a_client(
        metrics={"producer-metrics": figures}, values={"linger_ms": 0, "batch_size": 16_384} | values
    )


def rules_of(world: World, before: Sequence[Finding] = ()) -> list[str]:
    """The names of what is found, sorted."""
    return sorted(finding.rule for finding in judge(world, before).findings)

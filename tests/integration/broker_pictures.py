"""A Redis that looks as if a sampler had measured: a snapshot, and history that leads up to it."""

from __future__ import annotations

import time

import msgspec

from streamlab import keys
from streamlab.connection import Connection
from streamlab.metrics.history import Recorder
from streamlab.metrics.snapshot import Snapshot, encode
from tests.snapshots import a_group, a_snapshot, a_topic


def busy_snapshot() -> Snapshot:
    """Two topics and a hidden one, a group that keeps up and one that is stopped."""
    return a_snapshot(
        a_topic("orders", 6, groups=["revenue", "inventory"]),
        a_topic("clicks", 3),
        a_topic("__streamlab.events", 1),
        a_group("revenue"),
        a_group("inventory", lag=400, members=[], state="Empty"),
    )


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def publish(
    url: str, snapshot: Snapshot, *, as_of_ms: int | None = None, seconds_of_history: int = 0
) -> Snapshot:
    """Do what the sampler does for one tick, after as many ticks of the same as are asked for."""
    client = Connection(url).client
    at = as_of_ms or now_ms()
    recorder = Recorder(client)
    for ago in range(seconds_of_history, 0, -1):
        recorder.record(msgspec.structs.replace(snapshot, as_of_ms=at - ago * 1_000))
    latest = msgspec.structs.replace(snapshot, as_of_ms=at, seq=snapshot.seq + 1)
    recorder.record(latest)
    client.set(keys.SNAPSHOT, encode(latest), px=60_000)
    client.publish(keys.SNAPSHOT_TICK, str(latest.seq))
    client.close()
    return latest

"""How long does one snapshot of everything take? 1,000 and 10,000 partitions, each read by 5 groups.

The keys are fabricated, as producers and consumers would have left them: of the five groups two have caught
up, two are one batch behind, one is far behind and in the middle of a batch. Three situations:

first    the sampler has just started: nothing is known, every append time has to be looked up
moving   since the last snapshot every partition grew and every group committed on every partition
idle     nothing happened since the last snapshot

    python -m benchmarks snapshot
"""

from __future__ import annotations

import time
from collections.abc import Mapping

import msgspec
import redis

from streamlab import keys
from streamlab.connection import Connection
from streamlab.metrics import snapshot as shape
from streamlab.metrics.collect import Collector

from .findings import Figure, Outcome, not_above
from .rounds import spread
from .scale import Scale
from .server import Server

PART = "snapshot"
LIMITS_MS = {1_000: 50.0, 10_000: 1_000.0}
"""By number of partitions, for the whole of reading and deriving."""
BEHIND = {"group-0": 0, "group-1": 0, "group-2": 100, "group-3": 100, "group-4": 250}
"""Records that each group is behind; a batch has 100, so 250 is in the middle of one."""
PARTITIONS_A_TOPIC = 10
MEMBERS = 4
BATCH_RECORDS, BATCH_BYTES, BATCHES = 100, 1_000, 5
REPEATS = 7


class Fabric:
    """The keys of so many partitions, and their next second."""

    def __init__(self, client: redis.Redis, partitions: int, groups: Mapping[str, int] = BEHIND):
        self._client = client
        self._groups = groups
        self._places = [
            (f"topic-{i // PARTITIONS_A_TOPIC:04d}", i % PARTITIONS_A_TOPIC) for i in range(partitions)
        ]
        self._append_ms: list[int] = []  # of each batch; all partitions get theirs at once

    def weave(self) -> None:
        spec = msgspec.json.encode({"partitions": PARTITIONS_A_TOPIC, "configs": {}, "created_ms": 1})
        self._client.hset(keys.TOPICS, mapping={topic: spec for topic, _ in self._places})
        self._client.sadd(keys.GROUPS, *self._groups)
        for group in self._groups:
            self._make_group(group)
        for _ in range(BATCHES):
            self._append()
        self._commit()

    def move(self) -> None:
        """Every partition gets a batch, every group commits as much."""
        self._append()
        self._commit()

    def _append(self) -> None:
        self._append_ms.append(time.time_ns() // 1_000_000)
        end, size = len(self._append_ms) * BATCH_RECORDS, len(self._append_ms) * BATCH_BYTES
        entry, ms = f"{self._append_ms[-1]}-{end - 1}", self._append_ms[-1]
        pipe = self._client.pipeline(transaction=False)
        for place in self._places:
            pipe.xadd(keys.log(*place), {"n": BATCH_RECORDS, "c": size, "b": b"x" * BATCH_BYTES}, id=entry)
            pipe.hset(
                keys.meta(*place), mapping={"end": end, "start": 0, "ms": ms, "bytes": size, "trimmed": 0}
            )
        pipe.execute()

    def _commit(self) -> None:
        now_ms = time.time_ns() // 1_000_000
        pipe = self._client.pipeline(transaction=False)
        for index, place in enumerate(self._places):
            owner = index % MEMBERS
            commits = {
                group: f"{self._position(by)} {now_ms} 7 {_member(group, owner)} "
                for group, by in self._groups.items()
            }
            pipe.hset(keys.commits(*place), mapping=commits)
        pipe.execute()

    def _position(self, behind: int) -> str:
        """Offset and id of the entry that holds the record before it."""
        offset = len(self._append_ms) * BATCH_RECORDS - behind
        batch = (offset - 1) // BATCH_RECORDS
        return f"{offset} {self._append_ms[batch]}-{(batch + 1) * BATCH_RECORDS - 1}"

    def _make_group(self, group: str) -> None:
        members = [_member(group, n) for n in range(MEMBERS)]
        topics = sorted({topic for topic, _ in self._places})
        shares: dict[str, list[str]] = {member: [] for member in members}
        for index, (topic, number) in enumerate(self._places):
            shares[members[index % MEMBERS]].append(f"{topic}/{number}")
        about = {
            m: msgspec.json.encode({"member_id": m, "client_id": "bench", "host": "h", "topics": topics})
            for m in members
        }
        pipe = self._client.pipeline(transaction=False)
        pipe.hset(
            keys.group_meta(group), mapping={"epoch": 4, "assigned": 4, "assignor": "cooperative-sticky"}
        )
        pipe.hset(keys.group_members(group), mapping=about)
        pipe.zadd(keys.group_leases(group), {m: time.time_ns() // 1_000_000 + 3_600_000 for m in members})
        pipe.hset(keys.group_target(group), mapping={m: msgspec.json.encode(p) for m, p in shares.items()})
        pipe.hset(
            keys.group_owners(group), mapping={p: f"{m} 7" for m, theirs in shares.items() for p in theirs}
        )
        pipe.execute()


def _member(group: str, number: int) -> str:
    return f"{group}-{number}-0f8fad5b-d9cb-469f-a165-70867728950e"


def run(server: Server, scale: Scale) -> Outcome:
    figures, findings = [], []
    for partitions in scale.snapshot_partitions:
        for situation, took_ms in measure(server, partitions).items():
            who = f"{partitions:,} partitions × {len(BEHIND)} groups, {situation}"
            figures.append(Figure(PART, who, spread(took_ms), "ms"))
            findings.append(not_above(PART, who, spread(took_ms), LIMITS_MS[partitions]))
    return Outcome(findings, figures, [])


def measure(server: Server, partitions: int) -> dict[str, list[float]]:
    """Times in ms by situation."""
    server.empty()
    connection = Connection(server.url)
    fabric = Fabric(connection.private_client(timeout_s=120), partitions)
    fabric.weave()
    took_ms = {
        "first": [_first(connection) for _ in range(3)],
        "moving": _moving(connection, fabric),
        "idle": _idle(connection),
    }
    connection.close()
    return took_ms


def _first(connection: Connection) -> float:
    collector = Collector(connection)
    try:
        return collector.collect(0).took_ms
    finally:
        collector.close()


def _moving(connection: Connection, fabric: Fabric) -> list[float]:
    collector = Collector(connection)
    collector.collect(0)
    took = []
    for seq in range(1, REPEATS + 1):
        fabric.move()
        snapshot = collector.collect(seq)
        _check(snapshot)
        took.append(snapshot.took_ms)
    collector.close()
    return took


def _idle(connection: Connection) -> list[float]:
    collector = Collector(connection)
    collector.collect(0)
    took = [collector.collect(seq).took_ms for seq in range(1, REPEATS + 1)]
    collector.close()
    return took


def _check(snapshot: shape.Snapshot) -> None:
    """A fast wrong answer is no answer."""
    for name, group in snapshot.groups.items():
        assert group.state == "Stable"
        assert group.lag == BEHIND[name] * len(group.partitions)
        assert (group.time_lag_ms == 0) == (BEHIND[name] == 0)

"""One window: what a value did, by differences of counters, by what clients tell, and by looking at the lag."""

from __future__ import annotations

import itertools
import math
import statistics
import threading
import time
from collections.abc import Iterable
from typing import Any, NamedTuple

from ... import keys
from ...connection import Connection
from ...groups.offsets import NOT_COMMITTED, parse_commit
from ...metrics import telemetry
from ...metrics.distribution import Sketch, added, between, percentile
from ...metrics.telemetry import ClientTelemetry
from ...topics import Topics
from .plan import Plan

LOOK_EVERY_S = 1.0
WORKS_OFF_S = 20.0
"""So long a value is given, after its warm-up, to work off what the value before it has left."""
BACKLOG_S, FALLING = 0.5, 0.1
"""A lag of what comes in in half a second is a backlog; it is worked off while it falls by a tenth of what comes in."""


class Measure(NamedTuple):
    """One figure of a window."""

    name: str
    label: str
    unit: str
    more_is_better: bool


MEASURES = {
    measure.name: measure
    for measure in (
        Measure("rate_in", "Throughput in", "records/s", True),
        Measure("rate_out", "Throughput out", "records/s", True),
        Measure("lag", "Lag", "records", False),
        Measure("lag_ms", "Time behind", "ms", False),  # the lag, as the time in which so much comes in
        Measure("e2e_p50", "End-to-end latency, p50", "ms", False),
        Measure("e2e_p95", "End-to-end latency, p95", "ms", False),
        Measure("e2e_p99", "End-to-end latency, p99", "ms", False),
        Measure("queue_p99", "Wait in the producer, p99", "ms", False),
        Measure("request_p50", "Request latency, p50", "ms", False),
        Measure("request_p95", "Request latency, p95", "ms", False),
        Measure("request_p99", "Request latency, p99", "ms", False),
        Measure("fetch_p99", "Fetch latency, p99", "ms", False),
        Measure("batch_records", "Records in a batch", "records", True),
        Measure("record_bytes", "Bytes stored for a record", "bytes", False),
        Measure("server_cpu", "CPU of the server", "share of a core", False),
    )
}

OF_A_BACKLOG = ("lag", "lag_ms", "e2e_p50", "e2e_p95", "e2e_p99")
"""What says more of the value before, while the group works off what that has left."""

CARED_FOR = ("rate_in", "rate_out", "e2e_", "queue_", "request_", "lag_ms")
"""How measures begin that users feel, in the order in which they are told; the others only help to explain them.

A lag in records is none of them: whoever gets five times as much through has more on its way, and nothing is later.
"""


def cared_for(name: str) -> bool:
    return name.startswith(CARED_FOR)


Figures = dict[str, float | None]
"""Name of a measure -> its value in one window; None: not known."""


_Clients = dict[str, ClientTelemetry]


_Positions = dict[int, int]
"""Partition -> the group's committed offset; what it never committed is not in it."""


class _Counters(NamedTuple):
    at: float  # monotonic seconds
    ends: list[int]  # records ever appended to each partition
    bytes: int
    entries: int  # batches ever appended
    committed: _Positions
    cpu_s: float | None

    @property
    def lag(self) -> int | None:
        """Of the partitions that the group has committed, as the pages count it; None: none of them."""
        behind = [max(0, self.ends[n] - offset) for n, offset in self.committed.items()]
        return sum(behind) if behind else None


class Window:
    """Measures one window of a plan. Raises StreamlabErrors.

    Clients push once a second, so what they tell of a window began and ended up to a second before it.
    """

    def __init__(self, connection: Connection, plan: Plan):
        self._connection, self._plan = connection, plan
        self._partitions = range(Topics(connection, 0).require(plan.topic).partitions)

    def warm_up(self, stop: threading.Event) -> bool:
        """Takes `warm_up_s`, and longer while the group works off what the value before has left.

        Else that would count as how late this value is. Returns whether it took longer.
        """
        stop.wait(max(0.0, self._plan.warm_up_s - LOOK_EVERY_S))
        until, before, longer = time.monotonic() + WORKS_OFF_S, self._counters(), False
        while not stop.wait(min(LOOK_EVERY_S, self._plan.warm_up_s)) and time.monotonic() < until:
            after = self._counters()
            if not _works_off(before, after):
                break
            before, longer = after, True
        return longer

    def measure(self, stop: threading.Event) -> Figures:
        """Takes `window_s`, less when `stop` is set, after which nothing of it counts.

        How late the group is is not known while it works off a backlog of another value.
        """
        before, clients_before, lags = self._counters(), self._clients(), []
        began, until = before.committed, time.monotonic() + self._plan.window_s
        while not stop.wait(min(LOOK_EVERY_S, max(0.0, until - time.monotonic()))):
            now = self._counters()
            began = now.committed | began  # where a first commit was seen is where counting begins
            if now.lag is not None:
                lags.append(now.lag)
            if time.monotonic() >= until:
                break
        after = self._counters()
        lag, found = statistics.fmean(lags) if lags else None, _differences(before, after)
        figures = found | {
            "rate_out": _consumed(began, after.committed, after.at - before.at),
            "lag": lag,
            "lag_ms": 1000 * lag / rate if lag is not None and (rate := found["rate_in"]) else None,
            **(self._latencies(clients_before, self._clients()) if self._plan.tells_latencies else {}),
        }
        return figures | dict.fromkeys(OF_A_BACKLOG) if _works_off(before, after) else figures

    def _counters(self) -> _Counters:
        """Commits are read before log ends, so that the lag is never negative."""
        topic, group, partitions = self._plan.topic, self._plan.group, self._partitions
        one_server = self._connection.topology is None  # a cluster has a CPU for each node
        asked: dict[str, list[tuple[Any, ...]]] = {
            "cpu": [("INFO", "cpu")] if one_server else [],
            "commits": [("HGET", keys.commits(topic, n), group) for n in partitions] if group else [],
            "metas": [("HMGET", keys.meta(topic, n), "end", "bytes") for n in partitions],
        }
        at = time.monotonic()
        replies = iter(self._connection.execute_many([c for commands in asked.values() for c in commands]))
        found = {name: list(itertools.islice(replies, len(commands))) for name, commands in asked.items()}
        written = [n for n, (end, _) in zip(partitions, found["metas"], strict=True) if int(end or 0)]
        streams = self._connection.execute_many([("XINFO", "STREAM", keys.log(topic, n)) for n in written])
        return _Counters(
            at,
            [int(end or 0) for end, _ in found["metas"]],
            _total(size for _, size in found["metas"]),
            sum(_entries(info) for info in streams),
            _positions(found["commits"]),
            _cpu_s(found["cpu"][0]) if one_server else None,
        )

    def _clients(self) -> _Clients:
        """By instance: sketches of everything since each client's start."""
        return telemetry.read_all(self._connection) if self._plan.tells_latencies else {}

    def _latencies(self, before: _Clients, after: _Clients) -> Figures:
        group, producers = self._plan.group, self._plan.producers
        sending = [i for i, c in after.items() if c.kind == "producer" and c.client_id.startswith(producers)]
        reading = [i for i, c in after.items() if group and c.group == group and c.kind != "producer"]

        def sketch(instances: list[str], name: str) -> Sketch:
            known = {i: before[i].sketches.get(name, {}) if i in before else {} for i in instances}
            return added(between(known[i], after[i].sketches.get(name, {})) for i in instances)

        requests, ages = sketch(sending, "request-latency"), sketch(reading, "end-to-end-latency")
        return {
            **{f"e2e_p{p}": _known(percentile(ages, p)) for p in (50, 95, 99)},
            "queue_p99": _known(percentile(sketch(sending, "record-queue-time"), 99)),
            **{f"request_p{p}": _known(percentile(requests, p)) for p in (50, 95, 99)},
            "fetch_p99": _known(percentile(sketch(reading, "fetch-latency"), 99)),
        }


def _works_off(before: _Counters, after: _Counters) -> bool:
    """Whether there was a backlog, and more was got through than came in; where nothing comes in, that is the load."""
    came_in = sum(after.ends) - sum(before.ends)
    if before.lag is None or after.lag is None or not came_in:
        return False
    backlog = before.lag > BACKLOG_S * came_in / (after.at - before.at)
    return backlog and before.lag - after.lag > FALLING * came_in


def _differences(before: _Counters, after: _Counters) -> Figures:
    seconds = after.at - before.at
    records, batches = sum(after.ends) - sum(before.ends), after.entries - before.entries
    cpu_known = before.cpu_s is not None and after.cpu_s is not None
    return {
        "rate_in": records / seconds,
        "batch_records": records / batches if batches > 0 else None,
        "record_bytes": (after.bytes - before.bytes) / records if records > 0 else None,
        "server_cpu": (after.cpu_s - before.cpu_s) / seconds if cpu_known else None,  # type: ignore[operator]
    }


def _consumed(began: _Positions, ended: _Positions, seconds: float) -> float | None:
    """Records/s by commits; None: the group committed nothing, or somebody set it back.

    A partition's first commit may be anywhere: it says where the group is, not how much it has read.

    >>> _consumed({0: 100, 1: 5}, {0: 160, 1: 5, 2: 1_000}, 2.0), _consumed({}, {}, 2.0), _consumed({0: 9}, {0: 4}, 2.0)
    (30.0, None, None)
    """
    read = [ended.get(n, 0) - offset for n, offset in began.items()]
    return sum(read) / seconds if read and min(read) >= 0 else None


def _positions(commits: Iterable[bytes | None]) -> _Positions:
    """Of each partition in turn."""
    known = {n: parse_commit(commit).offset for n, commit in enumerate(commits) if commit}
    return {n: offset for n, offset in known.items() if offset != NOT_COMMITTED}


def _total(counts: Iterable[Any]) -> int:
    """Of what may not be there yet."""
    return sum(int(count) for count in counts if count)


def _entries(info: Any) -> int:
    """Of XINFO STREAM, as a dict or as the server sent it."""
    found = info if isinstance(info, dict) else dict(zip(info[::2], info[1::2], strict=True))
    return int(found.get("entries-added") or found.get(b"entries-added") or 0)


def _cpu_s(info: Any) -> float:
    if not isinstance(info, dict):
        lines = info.decode().splitlines()
        info = dict(line.split(":", 1) for line in lines if ":" in line)
    return float(info["used_cpu_sys"]) + float(info["used_cpu_user"])


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None

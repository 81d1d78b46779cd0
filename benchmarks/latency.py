"""How long from send() until poll() returns the record, at 1,000 records a second?

One process sends, another receives. Sending is an open loop: the n-th record is due n milliseconds after the start,
however long the ones before it took, and its age counts from when it was due. So a pause is seen by every record that
it delayed, not by one. Both processes read the same clock (CLOCK_MONOTONIC). The peer does the same with a plain
XADD for each record and XREADGROUP BLOCK + XACK.
"""

from __future__ import annotations

import math
import multiprocessing
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection as Pipe
from typing import NamedTuple

import redis

import streamlab

from .findings import Figure, Outcome, not_above
from .records import KEY_BYTES, VALUE_BYTES
from .rounds import Spread, alternate, spread
from .scale import Scale
from .server import Server

PART = "latency"
RATE = 1_000
LIMIT_MS = 5.0
"""p99 with linger 0."""
QUANTILES = {"p50": 0.50, "p95": 0.95, "p99": 0.99, "max": 1.0}
_START_TIMEOUT_S = 30.0
_END_TIMEOUT_S = 60.0
_KEYS = [b"%07d" % n for n in range(100)]

Send = Callable[[bytes, bytes], object]


class Way(NamedTuple):
    """How records travel: ours with a linger, or plainly."""

    name: str
    linger_ms: int | None  # None: the peer


WAYS = [Way("ours, linger 0", 0), Way("ours, linger 5", 5), Way("redis-py, XADD → XREADGROUP BLOCK", None)]


def run(server: Server, scale: Scale) -> Outcome:
    ages: dict[str, list[list[float]]] = {way.name: [] for way in WAYS}

    def turn(way: Way) -> Callable[[], float]:
        def measure_once() -> float:
            ages[way.name].append(measure(server, way, scale.warm_up_s, scale.latency_s))
            return 0.0

        return measure_once

    alternate({way.name: turn(way) for way in WAYS}, scale.latency_rounds)
    figures, findings = [], []
    for way in WAYS:
        for label, share in QUANTILES.items():
            found = spread([quantile(sorted(one), share) for one in ages[way.name]])
            figures.append(Figure(PART, f"{way.name}, {label}", found, "ms"))
            if label == "p99" and way.linger_ms is not None:
                limit = LIMIT_MS if way.linger_ms == 0 else None
                findings.append(not_above(PART, f"p99 {way.name}", Spread(*found), limit))
    return Outcome(findings, figures, [])


def quantile(ordered: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of all does not exceed.

    >>> quantile([1.0, 2.0, 3.0, 4.0], 0.5), quantile([1.0, 2.0, 3.0, 4.0], 1.0)
    (2.0, 4.0)
    """
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def measure(server: Server, way: Way, warm_up_s: float, length_s: float) -> list[float]:
    """The age in ms of every record after the warm-up."""
    server.empty()
    skipped, count = round(warm_up_s * RATE), round((warm_up_s + length_s) * RATE)
    with streamlab.connect(server.url) as broker:
        broker.admin().create_topics({"bench": {"num_partitions": 6}})
    server.client.xgroup_create("plain", "bench", id="0", mkstream=True)
    spawn = multiprocessing.get_context("spawn")
    here, there = spawn.Pipe()
    receiver = spawn.Process(target=receive, args=(server.url, way, count, there), daemon=True)
    sender = spawn.Process(target=send_on_time, args=(server.url, way, count), daemon=True)
    try:
        receiver.start()
        _expect(here, _START_TIMEOUT_S)  # it reads
        sender.start()
        ages: list[float] = _expect(here, _START_TIMEOUT_S + warm_up_s + length_s + _END_TIMEOUT_S)
        sender.join(_END_TIMEOUT_S)
        receiver.join(_END_TIMEOUT_S)
        assert sender.exitcode == 0
    finally:
        for process in (sender, receiver):
            if process.is_alive():
                process.kill()
    assert len(ages) == count
    return ages[skipped:]


def _expect(pipe: Pipe, timeout_s: float) -> list[float]:
    if not pipe.poll(timeout_s):
        raise TimeoutError(f"The receiving process said nothing for {timeout_s:g} s.")
    said: list[float] = pipe.recv()
    return said


# -- the sending process ----------------------------------------------------------------------------------------------


def send_on_time(url: str, way: Way, count: int) -> None:
    if way.linger_ms is None:
        client = redis.Redis.from_url(url, protocol=2)
        client.ping()
        _pace(lambda key, value: client.xadd("plain", {b"k": key, b"v": value}), count)
        return
    with streamlab.connect(url) as broker, broker.producer(linger_ms=way.linger_ms) as producer:
        producer.partitions_for("bench")
        _pace(lambda key, value: producer.send("bench", value, key), count)


def _pace(send: Send, count: int) -> None:
    """Call `send` when each record is due; at once, when that is past."""
    filler = bytes(VALUE_BYTES - 8)
    start_ns = time.monotonic_ns() + 50_000_000
    for n in range(count):
        due_ns = start_ns + n * 1_000_000_000 // RATE
        wait_ns = due_ns - time.monotonic_ns()
        if wait_ns > 0:
            time.sleep(wait_ns / 1e9)
        send(_KEYS[n % len(_KEYS)], due_ns.to_bytes(8, "big") + filler)


# -- the receiving process --------------------------------------------------------------------------------------------


def receive(url: str, way: Way, count: int, pipe: Pipe) -> None:
    """Says [] when it reads, and in the end each record's age in ms, in order of sending."""
    arrived: list[tuple[int, int]] = []  # due, here
    deadline = time.monotonic() + _START_TIMEOUT_S + count / RATE + _END_TIMEOUT_S
    if way.linger_ms is None:
        _receive_plainly(url, count, pipe, arrived, deadline)
    else:
        _receive_by_poll(url, count, pipe, arrived, deadline)
    pipe.send([(here - due) / 1e6 for due, here in sorted(arrived)])


def _receive_by_poll(
    url: str, count: int, pipe: Pipe, arrived: list[tuple[int, int]], deadline: float
) -> None:
    with (
        streamlab.connect(url) as broker,
        broker.consumer("bench", group_id="bench", auto_offset_reset="earliest") as consumer,
    ):
        while not consumer.assignment():
            consumer.poll(100)
        pipe.send([])
        while len(arrived) < count and time.monotonic() < deadline:
            polled = consumer.poll(1_000)
            now = time.monotonic_ns()
            for batch in polled.values():
                assert len(batch[0].key) == KEY_BYTES
                arrived += [(int.from_bytes(record.value[:8], "big"), now) for record in batch]


def _receive_plainly(
    url: str, count: int, pipe: Pipe, arrived: list[tuple[int, int]], deadline: float
) -> None:
    client = redis.Redis.from_url(url, protocol=2, socket_timeout=10)
    pipe.send([])
    while len(arrived) < count and time.monotonic() < deadline:
        for stream, entries in client.xreadgroup("bench", "me", {"plain": ">"}, count=500, block=1_000):
            now = time.monotonic_ns()
            arrived += [(int.from_bytes(fields[b"v"][:8], "big"), now) for _, fields in entries]
            client.xack(stream, "bench", *[entry_id for entry_id, _ in entries])

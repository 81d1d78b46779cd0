"""How long do partitions of a group stand still when a member comes, and when one is killed?

12 partitions, 4 members, each polled by a thread of its own, records all the time.

join            from making the fourth member until all 12 are owned again, three by each
standstill      of each partition that moved, from its release until it was taken, as the group recorded it; and of
                those that did not move: whether any was released or taken again, by their owner epochs
takeover        a member that is a process of its own is killed with SIGKILL: until the others own everything, less
                the session timeout, which has to pass first
"""

from __future__ import annotations

import multiprocessing
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import streamlab
from streamlab import keys
from streamlab.broker import Broker
from streamlab.groups import describe, rebalances

from .findings import Figure, Finding, Outcome, not_above
from .rounds import alternate, spread
from .scale import Scale
from .server import Server

PART = "groups"
PARTITIONS, MEMBERS = 12, 4
SESSION_MS = 2_000
JOIN_LIMIT_MS, TAKEOVER_LIMIT_MS = 300.0, 500.0
JOINS_A_ROUND = 4
_TOPIC = _GROUP = "bench"
_TIMEOUT_S = 60.0
_CONFIG: dict[str, Any] = {
    "group_id": _GROUP,
    "auto_offset_reset": "earliest",
    "session_timeout_ms": SESSION_MS,
    "heartbeat_interval_ms": 500,
}

JOIN, TAKEOVER = "join to all owned again", "takeover after SIGKILL, less the session timeout"
MOVED, UNMOVED = "standstill of a partition that moves", "standstill of a partition that does not move"


def run(server: Server, scale: Scale) -> Outcome:
    stood: list[float] = []
    touched: list[float] = []
    joins: list[float] = []
    turns = {JOIN: partial(_joins, server, joins, stood, touched), TAKEOVER: partial(_takeover, server)}
    measured = alternate(turns, scale.rounds)
    figures = [
        Figure(PART, JOIN, spread(joins), "ms"),
        Figure(PART, MOVED, spread(stood), "ms"),
        Figure(PART, UNMOVED, spread(touched), "ms"),
        Figure(PART, TAKEOVER, spread(measured[TAKEOVER]), "ms"),
    ]
    findings: list[Finding] = [
        not_above(PART, JOIN, spread(joins), JOIN_LIMIT_MS),
        not_above(PART, MOVED, spread(stood), None),
        not_above(PART, UNMOVED, spread(touched), 0.0),
        not_above(PART, TAKEOVER, spread(measured[TAKEOVER]), TAKEOVER_LIMIT_MS),
    ]
    return Outcome(findings, figures, [])


def _joins(server: Server, joins: list[float], stood: list[float], touched: list[float]) -> float:
    """Some joins in a row, on one group: the fourth member comes, and leaves again."""
    with _group_of(server, MEMBERS - 1) as broker:
        for _ in range(JOINS_A_ROUND):
            _until(lambda: _shares(broker) == [PARTITIONS // (MEMBERS - 1)] * (MEMBERS - 1))
            before = _owners(broker)
            started = time.perf_counter()
            with _polled(broker):
                _until(lambda: _shares(broker) == [PARTITIONS // MEMBERS] * MEMBERS)
                joins.append((time.perf_counter() - started) * 1000)
                after = _owners(broker)
                newest = rebalances.recent(broker.connection, _GROUP, 1)[0]
            moves = {f"{move.topic}/{move.partition}": move for move in newest.moved}
            stood += [float(move.standstill_ms or 0) for move in moves.values()]
            stayed = [
                after[partition] == owner for partition, owner in before.items() if partition not in moves
            ]
            if not all(stayed):
                raise AssertionError("A partition that did not move was taken again.")
            touched += [0.0] * len(stayed)  # the same owner epoch: it was never let go
    return 0.0


def _takeover(server: Server) -> float:
    with _group_of(server, MEMBERS - 1) as broker:
        spawn = multiprocessing.get_context("spawn")
        process = spawn.Process(target=_poll_for_ever, args=(server.url,), daemon=True)
        process.start()
        try:
            _until(lambda: _shares(broker) == [PARTITIONS // MEMBERS] * MEMBERS)
            time.sleep(random.uniform(1, 2))  # at any moment between two heartbeats
            process.kill()
            killed = time.perf_counter()
            _until(lambda: _shares(broker) == [PARTITIONS // (MEMBERS - 1)] * (MEMBERS - 1))
            return (time.perf_counter() - killed) * 1000 - SESSION_MS
        finally:
            process.kill()
            process.join()


@contextmanager
def _group_of(server: Server, members: int) -> Iterator[Broker]:
    """A group with that many members that own everything, and records coming in."""
    server.empty()
    with streamlab.connect(server.url) as broker:
        broker.admin().create_topics({_TOPIC: {"num_partitions": PARTITIONS}})
        with _sending(broker), ExitStack() as stack:
            for _ in range(members):
                stack.enter_context(_polled(broker))
            _until(lambda: sum(_shares(broker)) == PARTITIONS)
            yield broker


@contextmanager
def _polled(broker: Broker) -> Iterator[None]:
    """A member that a thread polls until the end, when it leaves."""
    over = threading.Event()

    def poll() -> None:
        with broker.consumer(_TOPIC, **_CONFIG) as consumer:
            while not over.is_set():
                consumer.poll(50)

    with _thread(poll, over):
        yield


@contextmanager
def _sending(broker: Broker) -> Iterator[None]:
    over = threading.Event()

    def send() -> None:
        with broker.producer() as producer:
            n = 0
            while not over.wait(0.005):
                producer.send(_TOPIC, b"v" * 100, b"%d" % n)
                n += 1

    with _thread(send, over):
        yield


@contextmanager
def _thread(work: Callable[[], None], over: threading.Event) -> Iterator[None]:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(_TIMEOUT_S)


def _poll_for_ever(url: str) -> None:
    with streamlab.connect(url) as broker, broker.consumer(_TOPIC, **_CONFIG) as consumer:
        while True:
            consumer.poll(50)


def _owners(broker: Broker) -> dict[str, bytes]:
    """Partition → its owner and owner epoch, as stored."""
    (held,) = broker.connection.execute_many([("HGETALL", keys.group_owners(_GROUP))])
    return {partition.decode(): owner for partition, owner in held.items()}


def _shares(broker: Broker) -> list[int]:
    """How many partitions each member owns."""
    owners = list(describe.owners(broker.connection, _GROUP).values())
    return sorted(owners.count(member) for member in set(owners))


def _until(true: Callable[[], bool]) -> None:
    deadline = time.perf_counter() + _TIMEOUT_S
    while not true():
        if time.perf_counter() > deadline:
            raise TimeoutError(f"The group did not settle within {_TIMEOUT_S:g} s.")
        time.sleep(0.002)

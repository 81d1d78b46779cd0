"""A worker with a handler that does nothing: how many records a second, beside a bare loop over poll()?

loop      poll(), the handler called for each record, positions committed in the background
worker    the same handler: every record through a handler's thread, with its timeout, in the order asked for; from
          making the worker until everything is committed
poison    the same worker, and one record among them whose handling always fails: four attempts, then a dead letter
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import streamlab
from streamlab import RetryPolicy
from streamlab.broker import Broker

from . import records
from .findings import Figure, Outcome, times_as_fast
from .produce import fill
from .rounds import alternate, spread
from .scale import Scale
from .server import Server

PART = "worker"
GROUP = "bench"
WITH_POISON = 0.9
_TIMEOUT_S = 120.0

LOOP = "loop over poll()"
WORKER = "worker"
BY_KEY = 'worker, ordering="key"'
POISON = "worker, one poison record"


def run(server: Server, scale: Scale) -> Outcome:
    many = records.of_customers(scale.handled)
    measured = alternate(
        {
            LOOP: partial(loop, server, many),
            WORKER: partial(worker, server, many),
            BY_KEY: partial(worker, server, many, ordering="key"),
            POISON: partial(worker, server, many, poisoned=True),
        },
        scale.rounds,
    )
    findings = [
        times_as_fast(PART, f"{WORKER} / {LOOP}", measured[WORKER], measured[LOOP]),
        times_as_fast(PART, f"{BY_KEY} / {WORKER}", measured[BY_KEY], measured[WORKER]),
        times_as_fast(PART, f"{POISON} / {WORKER}", measured[POISON], measured[WORKER], WITH_POISON),
    ]
    return Outcome(findings, [Figure(PART, who, spread(r), "rec/s") for who, r in measured.items()], [])


def loop(server: Server, sent: list[records.Record]) -> float:
    server.empty()
    with streamlab.connect(server.url) as broker:
        fill(broker, "bench", sent, partitions=6)
        started = time.perf_counter()
        with broker.consumer("bench", group_id=GROUP, auto_offset_reset="earliest") as consumer:
            read = 0
            while read < len(sent):
                for batch in consumer.poll(timeout_ms=1_000).values():
                    for record in batch:
                        nothing(record)
                    read += len(batch)
            consumer.commit()
        took = time.perf_counter() - started
    return read / took


def worker(
    server: Server, sent: list[records.Record], ordering: str = "none", poisoned: bool = False
) -> float:
    server.empty()
    with streamlab.connect(server.url) as broker:
        fill(broker, "bench", sent, partitions=6)
        started = time.perf_counter()
        policy = RetryPolicy(base_ms=100, max_attempts=4)
        handler: Callable[..., Any] = fail_at(sent[len(sent) // 2][1]) if poisoned else nothing
        with broker.worker(
            "bench",
            group_id=GROUP,
            handler=handler,
            retry=policy,
            ordering=ordering,
            auto_commit_interval_ms=100,
        ):
            wait_for_commit(broker, len(sent))
            took = time.perf_counter() - started
    return len(sent) / took


def nothing(record: Any) -> None:
    """Handles a record."""


def fail_at(value: bytes) -> Callable[[Any], None]:
    """A handler of which the first record with this value is the poison."""
    place: list[tuple[int, int]] = []

    def handle(record: Any) -> None:
        if record.value is not value and record.value != value:
            return
        if not place:
            place.append((record.partition, record.offset))
        if (record.partition, record.offset) == place[0]:
            raise RuntimeError("poison")

    return handle


def wait_for_commit(broker: Broker, count: int) -> None:
    """Until so many records are committed. Raises TimeoutError."""
    deadline = time.monotonic() + _TIMEOUT_S
    while sum(p.offset for p in broker.admin().list_group_offsets(GROUP).get(GROUP, {}).values()) < count:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{count} records were not committed in {_TIMEOUT_S:g} s.")
        threading.Event().wait(0.02)

"""Records of 107 bytes out of the log, in one process: how many a second?

ours            a consumer in a group, poll() as it is by default (500 records a call, positions committed in the
                background), from its making to the last commit; and the same with commit() after every poll(), which
                is what an XACK after every read amounts to
XREADGROUP      redis-py, 500 entries a read, then one XACK with all their ids
"""

from __future__ import annotations

import time
from functools import partial

import streamlab

from . import records
from .findings import Figure, Outcome, times_as_fast
from .produce import add_one_by_one, fill
from .rounds import alternate, spread
from .scale import Scale
from .server import Server

PART = "consume"
AT_A_TIME = 500
OVER_XREADGROUP = 8.0
_TIMEOUT_S = 120.0

OURS = "ours, poll()"
COMMITTING = "ours, poll() and commit() each time"
XREADGROUP = f"redis-py, XREADGROUP + XACK, {AT_A_TIME} a read"


def run(server: Server, scale: Scale) -> Outcome:
    many = records.of_customers(scale.consumed)
    measured = alternate(
        {
            OURS: partial(ours, server, many, False),
            COMMITTING: partial(ours, server, many, True),
            XREADGROUP: partial(xreadgroup, server, many[: scale.read_one_by_one]),
        },
        scale.rounds,
    )
    findings = [
        times_as_fast(PART, f"{OURS} / {XREADGROUP}", measured[OURS], measured[XREADGROUP], OVER_XREADGROUP),
        times_as_fast(PART, f"{COMMITTING} / {XREADGROUP}", measured[COMMITTING], measured[XREADGROUP]),
    ]
    return Outcome(findings, [Figure(PART, who, spread(r), "rec/s") for who, r in measured.items()], [])


def ours(server: Server, sent: list[records.Record], commit_each: bool) -> float:
    server.empty()
    with streamlab.connect(server.url) as broker:
        fill(broker, "bench", sent, partitions=6)
        started = time.perf_counter()
        with broker.consumer("bench", group_id="bench", auto_offset_reset="earliest") as consumer:
            read = 0
            while read < len(sent):
                for batch in consumer.poll(timeout_ms=1_000).values():
                    read += len(batch)
                if commit_each:
                    consumer.commit()
                if time.perf_counter() - started > _TIMEOUT_S:
                    raise TimeoutError(f"Only {read} of {len(sent)} records came.")
            consumer.commit()
            took = time.perf_counter() - started
        committed = broker.admin().list_group_offsets("bench")["bench"].values()
    assert read == len(sent) == sum(position.offset for position in committed)
    return read / took


def xreadgroup(server: Server, sent: list[records.Record]) -> float:
    server.empty()
    client = server.client
    add_one_by_one(server, "bench", sent)
    client.xgroup_create("bench", "bench", id="0")
    started = time.perf_counter()
    read = 0
    while read < len(sent):
        for stream, entries in client.xreadgroup("bench", "me", {"bench": ">"}, count=AT_A_TIME):
            client.xack(stream, "bench", *[entry_id for entry_id, _ in entries])
            read += len(entries)
    took = time.perf_counter() - started
    assert client.xpending("bench", "bench")["pending"] == 0
    return read / took

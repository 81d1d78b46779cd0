"""Records of 107 bytes into the log, from one process: how many a second?

ours             send() for each record, then flush(): default settings (batch_size 16384, linger_ms 5, acks 1,
                 idempotent), into 6 partitions by the key's hash, or into 1
redis-py         XADD, one record an entry, 500 commands a pipeline, into one stream
redis-benchmark  the C program of Redis itself: XADD of the same fields, -P 100, its 50 clients, over the same socket
"""

from __future__ import annotations

import csv
import shutil
import subprocess
import time
from functools import partial

import streamlab

from . import records
from .findings import Figure, Finding, Outcome, times_as_fast
from .rounds import alternate, spread
from .scale import Scale
from .server import Server

PART = "produce"
PIPELINE = 500
BATCH_SIZE = 16_384
OVER_REDIS_PY, OVER_REDIS_BENCHMARK = 5.0, 1.0
_TIMEOUT_S = 120.0

SIX = "ours, 6 partitions"
ONE = "ours, 1 partition"
NEW_KEYS = "ours, 6 partitions, every key new"
REDIS_PY = f"redis-py, XADD, {PIPELINE} a pipeline"
REDIS_BENCHMARK = "redis-benchmark -P 100 XADD"


def run(server: Server, scale: Scale) -> Outcome:
    known, new = records.of_customers(scale.produced), records.of_strangers(scale.produced)
    contestants = {
        SIX: partial(ours, server, known, 6),
        ONE: partial(ours, server, known, 1),
        NEW_KEYS: partial(ours, server, new, 6),
        REDIS_PY: partial(redis_py, server, known[: scale.added]),
    }
    remarks = []
    if shutil.which("redis-benchmark"):
        contestants[REDIS_BENCHMARK] = partial(redis_benchmark, server, scale.added)
    else:
        remarks.append("redis-benchmark is missing here (Debian: apt-get install redis-tools).")
    measured = alternate(contestants, scale.rounds)
    figures = [Figure(PART, who, spread(rates), "rec/s") for who, rates in measured.items()]
    return Outcome(_compare(measured), figures, remarks)


def _compare(measured: dict[str, list[float]]) -> list[Finding]:
    found = []
    for mine in (SIX, ONE, NEW_KEYS):
        for peer, target in ((REDIS_PY, OVER_REDIS_PY), (REDIS_BENCHMARK, OVER_REDIS_BENCHMARK)):
            at_least = None if mine == NEW_KEYS else target
            if peer in measured:
                found.append(
                    times_as_fast(PART, f"{mine} / {peer}", measured[mine], measured[peer], at_least)
                )
            elif at_least is not None:
                found.append(Finding(PART, f"{mine} / {peer}", "not measured", f"≥ {target:g} ×", None))
    return found


def ours(server: Server, sent: list[records.Record], partitions: int) -> float:
    server.empty()
    with streamlab.connect(server.url) as broker:
        fill(broker, "bench", sent[:1_000], partitions)  # connected, script loaded
        with broker.producer(batch_size=BATCH_SIZE) as producer:
            producer.partitions_for("bench")
            started = time.perf_counter()
            send = producer.send
            for key, value in sent:
                send("bench", value, key)
            producer.flush(_TIMEOUT_S)
            took = time.perf_counter() - started
            failed = producer.stats.errors
        ends = broker.admin().list_partition_offsets("bench").values()
    assert failed == 0
    assert sum(end.log_end for end in ends) == len(sent) + len(sent[:1_000])
    return len(sent) / took


def fill(broker: streamlab.Broker, topic: str, sent: list[records.Record], partitions: int) -> None:
    """A topic of its own with these records in it."""
    broker.admin().create_topics({topic: {"num_partitions": partitions}})
    with broker.producer(batch_size=BATCH_SIZE) as producer:
        for key, value in sent:
            producer.send(topic, value, key)
        producer.flush(_TIMEOUT_S)


def redis_py(server: Server, sent: list[records.Record]) -> float:
    server.empty()
    started = time.perf_counter()
    add_one_by_one(server, "bench", sent)
    took = time.perf_counter() - started
    assert server.client.xlen("bench") == len(sent)
    return len(sent) / took


def add_one_by_one(server: Server, stream: str, sent: list[records.Record]) -> None:
    for at in range(0, len(sent), PIPELINE):
        pipe = server.client.pipeline(transaction=False)
        for key, value in sent[at : at + PIPELINE]:
            pipe.xadd(stream, {b"k": key, b"v": value})
        pipe.execute()


def redis_benchmark(server: Server, count: int) -> float:
    server.empty()
    fields = ["k", "k" * records.KEY_BYTES, "v", "v" * records.VALUE_BYTES]
    command = ["redis-benchmark", "-s", server.socket, "-P", "100", "-n", str(count), "--csv"]
    answer = subprocess.run(
        [*command, "XADD", "bench", "*", *fields],
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=True,
    )
    return requests_per_second(answer.stdout)


def requests_per_second(printed: str) -> float:
    """
    >>> requests_per_second('"test","rps","avg_latency_ms"\\n"XADD bench *","512345.60","0.1"\\n')
    512345.6
    """
    rows = list(csv.DictReader(printed.splitlines()))
    return float(rows[-1]["rps"])

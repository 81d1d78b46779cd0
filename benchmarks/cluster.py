"""A cluster on this machine: what does it take of it, and how much of that is the masters'?

Records of 107 bytes by `PRODUCERS` processes into 12 partitions, default settings, into a cluster of one master and of
three; three again with a replica each and acks=all. Masters, replicas and producers share this machine's cores, so the
rates say what this machine does. What carries over to machines of their own is the processor time: of a master for a
record and for a batch, and of a producer for a record.

latency         from send() of a single record to poll() returning it, acks=1, one record every 20 ms
"""

from __future__ import annotations

import multiprocessing
import resource
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from multiprocessing.synchronize import Barrier
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import streamlab
from tests.cluster import Cluster

from . import records
from .findings import Figure, Finding, Outcome, not_above
from .rounds import Spread, alternate, spread
from .scale import Scale
from .server import Server

PART = "cluster"
PRODUCERS = 2
PARTITIONS = 12
LATENCY_LIMIT_MS = 20.0
_TIMEOUT_S = 180.0
_SETTINGS = {"auto-aof-rewrite-percentage": "0"}  # never in a measurement

ONE = f"{PRODUCERS} producers, 1 master"
THREE = f"{PRODUCERS} producers, 3 masters"
COPIED = f"{PRODUCERS} producers, 3 masters, 3 replicas, acks=all"
LATENCY = "send() to poll(), 3 masters, median"


class Turn(NamedTuple):
    """One measurement."""

    rate: float  # records a second, all producers together
    master_us: float  # processor time of all masters, a record
    batch_us: float  # the same, a batch
    producer_us: float  # processor time of a producer, a record
    largest_share: float  # of the records, on the master that got most


def run(server: Server, scale: Scale) -> Outcome:
    """`server` stays idle: clusters are started here."""
    turns: dict[str, list[Turn]] = {ONE: [], THREE: [], COPIED: []}
    one, three = {"replicas": False, "masters": 1}, {"replicas": False}
    measured = alternate(
        {
            who: partial(_turn, kind, scale.produced // PRODUCERS, acks, turns[who])
            for who, kind, acks in ((ONE, one, 1), (THREE, three, 1), (COPIED, {}, "all"))
        },
        scale.rounds,
    )
    with _cluster(three) as cluster:
        waited = _latencies(cluster.url, max(50, int(scale.latency_s * 50)))
    figures = [Figure(PART, who, spread(rates), "rec/s") for who, rates in measured.items()]
    for who, found in turns.items():
        figures += [
            Figure(PART, f"{who}: masters, a record", _of(found, "master_us"), "µs"),
            Figure(PART, f"{who}: masters, a batch", _of(found, "batch_us"), "µs"),
            Figure(PART, f"{who}: a producer, a record", _of(found, "producer_us"), "µs"),
        ]
    figures.append(Figure(PART, LATENCY, waited, "ms"))
    findings: list[Finding] = [not_above(PART, LATENCY, waited, LATENCY_LIMIT_MS)]
    share = median(turn.largest_share for turn in turns[THREE])
    return Outcome(
        findings,
        figures,
        [f"{PARTITIONS} partitions on three masters: the fullest master had {share:.0%} of the records."],
    )


def _of(turns: list[Turn], field: str) -> Spread:
    return spread([getattr(turn, field) for turn in turns])


@contextmanager
def _cluster(kind: dict[str, Any]) -> Iterator[Cluster]:
    with (
        tempfile.TemporaryDirectory(prefix="streamlab-bench-") as folder,
        Cluster(Path(folder), settings=_SETTINGS, **kind) as cluster,
    ):
        yield cluster


def _turn(kind: dict[str, Any], each: int, acks: Any, kept: list[Turn]) -> float:
    with _cluster(kind) as cluster:
        masters = cluster.masters()
        with streamlab.connect(cluster.url) as broker:
            broker.admin().create_topics({"bench": {"num_partitions": PARTITIONS}})
        before = [_cpu_s(client) for client in masters]
        rates, producer_s, batches = _produce(cluster.url, each, acks)
        master_s = sum(_cpu_s(client) for client in masters) - sum(before)
        with streamlab.connect(cluster.url) as broker:
            ends = broker.admin().list_partition_offsets("bench")
            homes = {p: broker.connection.node_of(f"sl:{{{p}}}:log") for p in ends}
        stored = sum(end.log_end for end in ends.values())
        assert stored >= each * PRODUCERS
        largest = max(
            sum(ends[p].log_end for p, home in homes.items() if home == node) for node in set(homes.values())
        )
    kept.append(
        Turn(
            rates,
            master_s / stored * 1e6,
            master_s / batches * 1e6,
            producer_s / stored * 1e6,
            largest / stored,
        )
    )
    return rates


def _cpu_s(client: Any) -> float:
    used = client.info("cpu")
    return float(used["used_cpu_user"]) + float(used["used_cpu_sys"])


def _produce(url: str, each: int, acks: Any) -> tuple[float, float, int]:
    """Records a second, processor seconds of the producers, batches."""
    context = multiprocessing.get_context("spawn")
    together, results = context.Barrier(PRODUCERS + 1), context.Queue()
    processes = [
        context.Process(target=_producer, args=(url, each, acks, n, together, results))
        for n in range(PRODUCERS)
    ]
    for process in processes:
        process.start()
    together.wait(_TIMEOUT_S)
    started = time.perf_counter()
    found = [results.get(timeout=_TIMEOUT_S) for _ in processes]
    took = time.perf_counter() - started
    for process in processes:
        process.join(_TIMEOUT_S)
    return each * PRODUCERS / took, sum(cpu for cpu, _ in found), sum(batches for _, batches in found)


def _producer(url: str, each: int, acks: Any, number: int, together: Barrier, results: Any) -> None:
    sent = records.of_customers(each, seed=number)
    with streamlab.connect(url) as broker, broker.producer(acks=acks) as producer:
        producer.send("bench", b"connected", b"k").get(60)
        batches = producer.stats.batches
        together.wait(_TIMEOUT_S)
        before = _own_cpu_s()
        for key, value in sent:
            producer.send("bench", value, key)
        producer.flush(_TIMEOUT_S)
        assert producer.stats.errors == 0
        results.put((_own_cpu_s() - before, producer.stats.batches - batches))


def _own_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _latencies(url: str, count: int) -> Spread:
    """Milliseconds; every record goes to the next partition."""
    waited: list[float] = []
    with (
        streamlab.connect(url) as broker,
        broker.producer(linger_ms=0) as producer,
        broker.consumer(group_id=None) as consumer,
    ):
        broker.admin().create_topics({"bench": {"num_partitions": PARTITIONS}})
        partitions = [streamlab.TopicPartition("bench", n) for n in range(PARTITIONS)]
        consumer.assign(partitions)
        consumer.seek_to_beginning()
        consumer.poll(500)
        for number in range(count):
            time.sleep(0.02)
            started = time.perf_counter()
            producer.send("bench", b"v", partition=number % PARTITIONS)
            while not consumer.poll(1_000):
                if time.perf_counter() - started > _TIMEOUT_S:
                    raise TimeoutError("The record did not come.")
            waited.append((time.perf_counter() - started) * 1000)
    return spread(waited)

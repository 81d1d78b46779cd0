"""A producer's figures under Kafka's names. The sender counts; whoever reads works out the last half minute."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

from .distribution import Distribution, Sketch
from .windows import Window

GROUP = "producer-metrics"
TOPIC_GROUP = "producer-topic-metrics"
"""Followed by a dot and the topic, as in kafka-python."""
MOST_TOPICS = 100
"""With figures of their own, those that got most; `metrics()` of a producer of thousands stays small."""


@dataclass
class SenderStats:
    """Totals since the start, counted a batch or a request at a time by one thread for each server."""

    records: int = 0  # acknowledged
    bytes: int = 0  # as appended, after compression
    raw_bytes: int = 0  # as handed over
    batched: int = 0  # records in batches that were encoded
    batches: int = 0
    requests: int = 0
    retries: int = 0
    errors: int = 0  # records whose future failed
    buffer_waits: int = 0
    in_flight: int = 0  # requests whose reply is waited for
    by_topic: dict[str, int] = field(default_factory=dict)  # records acknowledged
    batch_bytes: Distribution = field(default_factory=Distribution)
    queue_ms: Distribution = field(
        default_factory=Distribution
    )  # from a batch's first record to its first attempt
    request_ms: Distribution = field(default_factory=Distribution)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def count_batch(self, size_bytes: int, raw_bytes: int, records: int, waited_ms: float) -> None:
        with self._lock:
            self.batches += 1
            self.bytes += size_bytes
            self.raw_bytes += raw_bytes
            self.batched += records
            self.batch_bytes.add(size_bytes)
            self.queue_ms.add(waited_ms)

    def count_request(self, took_ms: float) -> None:
        with self._lock:
            self.requests += 1
            self.request_ms.add(took_ms)

    def count_acknowledged(self, topic: str, records: int) -> None:
        with self._lock:
            self.records += records
            self.by_topic[topic] = self.by_topic.get(topic, 0) + records

    def count(self, retries: int = 0, errors: int = 0, in_flight: int = 0) -> None:
        with self._lock:
            self.retries += retries
            self.errors += errors
            self.in_flight += in_flight

    def topic_totals(self) -> dict[str, float]:
        """Records acknowledged so far by topic."""
        with self._lock:
            return {topic: float(records) for topic, records in self.by_topic.items()}

    def totals(self) -> dict[str, float]:
        return {
            "records": self.records,
            "bytes": self.bytes,
            "raw_bytes": self.raw_bytes,
            "batched": self.batched,
            "batches": self.batches,
            "requests": self.requests,
            "retries": self.retries,
            "errors": self.errors,
        }


class ProducerFigures:
    """What `Producer.metrics()` says. Rates, means and largest are those of the last half minute."""

    def __init__(self, stats: SenderStats):
        self._stats = stats
        self._window = Window(tuple(stats.totals()))
        self._topics = Window(())

    def named(
        self, buffer_bytes: float, free_bytes: float, waiting_threads: int
    ) -> dict[str, dict[str, float]]:
        stats = self._stats
        totals = stats.totals()
        lately = self._window.look(totals)
        sizes, queued, requests = stats.batch_bytes.read(), stats.queue_ms.read(), stats.request_ms.read()
        return {
            GROUP: {
                "record-send-total": float(stats.records),
                "record-send-rate": lately.rate("records"),
                "record-error-total": float(stats.errors),
                "record-error-rate": lately.rate("errors"),
                "record-retry-total": float(stats.retries),
                "record-retry-rate": lately.rate("retries"),
                "byte-total": float(stats.bytes),
                "byte-rate": lately.rate("bytes"),
                "batch-size-avg": sizes.mean,
                "batch-size-max": sizes.largest,
                "record-size-avg": lately.each("raw_bytes", "batched"),
                "records-per-request-avg": lately.each("batched", "requests"),
                "compression-rate-avg": lately.each("bytes", "raw_bytes"),
                **queued.named("record-queue-time", 99),
                **requests.named("request-latency", 50, 95, 99),
                "request-total": float(stats.requests),
                "request-rate": lately.rate("requests"),
                "requests-in-flight": float(stats.in_flight),
                "buffer-total-bytes": buffer_bytes,
                "buffer-available-bytes": free_bytes,
                "bufferpool-wait-total": float(stats.buffer_waits),
                "waiting-threads": float(waiting_threads),
            },
            **self._by_topic(),
        }

    def _by_topic(self) -> dict[str, dict[str, float]]:
        totals = self._stats.topic_totals()
        lately = self._topics.look(totals)
        most = sorted(totals, key=lambda topic: -totals[topic])[:MOST_TOPICS]
        return {
            f"{TOPIC_GROUP}.{topic}": {
                "record-send-total": totals[topic],
                "record-send-rate": lately.rate(topic),
            }
            for topic in most
        }

    def sketches(self) -> Mapping[str, Sketch]:
        return {
            "request-latency": self._stats.request_ms.ever(),
            "record-queue-time": self._stats.queue_ms.ever(),
        }

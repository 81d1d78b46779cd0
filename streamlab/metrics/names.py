"""Every figure that `metrics()` of a producer or consumer has, with its unit and what it says: docs/metrics.md.

Names and groups are Kafka's where Kafka has such a figure. Rates, means, largest and percentiles are of the last half
minute; totals count since the client was made.
"""

from __future__ import annotations

from typing import NamedTuple

from .of_consumer import FETCHING, MEMBERSHIP, POLLING
from .of_producer import GROUP as SENDING
from .of_producer import TOPIC_GROUP

WORKING = "worker-metrics"


class Metric(NamedTuple):
    unit: str
    meaning: str
    kafkas: bool = True  # Kafka has a figure of this name in this group


NAMES: dict[str, dict[str, Metric]] = {
    SENDING: {
        "record-send-total": Metric("records", "acknowledged"),
        "record-send-rate": Metric("records/s", "acknowledged"),
        "record-error-total": Metric("records", "whose future failed"),
        "record-error-rate": Metric("records/s", "whose future failed"),
        "record-retry-total": Metric("records", "sent again, once for each repeat"),
        "record-retry-rate": Metric("records/s", "sent again"),
        "byte-total": Metric("bytes", "of batches after compression"),
        "byte-rate": Metric("bytes/s", "of batches after compression"),
        "batch-size-avg": Metric("bytes", "of a batch after compression"),
        "batch-size-max": Metric("bytes", "of a batch after compression"),
        "record-size-avg": Metric("bytes", "of a record before compression"),
        "records-per-request-avg": Metric("records", "in one round trip"),
        "compression-rate-avg": Metric("", "bytes after compression for each byte before"),
        "record-queue-time-avg": Metric("ms", "from a batch's first record to its first attempt"),
        "record-queue-time-max": Metric("ms", "likewise"),
        "record-queue-time-p99": Metric("ms", "likewise, not exceeded by 99 % of batches", kafkas=False),
        "request-latency-avg": Metric("ms", "of one round trip, waiting for copies included"),
        "request-latency-max": Metric("ms", "likewise"),
        "request-latency-p50": Metric("ms", "likewise, the median", kafkas=False),
        "request-latency-p95": Metric("ms", "likewise", kafkas=False),
        "request-latency-p99": Metric("ms", "likewise", kafkas=False),
        "request-total": Metric("requests", "answered"),
        "request-rate": Metric("requests/s", "answered"),
        "requests-in-flight": Metric("requests", "whose answer is waited for now"),
        "buffer-total-bytes": Metric("bytes", "that `buffer_memory` allows"),
        "buffer-available-bytes": Metric("bytes", "of it that no batch has taken"),
        "bufferpool-wait-total": Metric("waits", "of a thread in send() for room", kafkas=False),
        "waiting-threads": Metric("threads", "that wait for room now"),
    },
    TOPIC_GROUP: {
        "record-send-total": Metric("records", "acknowledged, on one topic"),
        "record-send-rate": Metric("records/s", "acknowledged, on one topic"),
    },
    FETCHING: {
        "fetch-total": Metric("fetches", "that brought something"),
        "fetch-rate": Metric("fetches/s", "that brought something"),
        "fetch-size-avg": Metric("bytes", "of a fetch"),
        "fetch-size-max": Metric("bytes", "of a fetch"),
        "fetch-latency-avg": Metric("ms", "of a fetch, its wait for `fetch_min_bytes` included"),
        "fetch-latency-max": Metric("ms", "likewise"),
        "fetch-latency-p50": Metric("ms", "likewise, the median", kafkas=False),
        "fetch-latency-p95": Metric("ms", "likewise", kafkas=False),
        "fetch-latency-p99": Metric("ms", "likewise", kafkas=False),
        "bytes-consumed-total": Metric("bytes", "read, compressed as they are stored"),
        "bytes-consumed-rate": Metric("bytes/s", "likewise"),
        "records-consumed-total": Metric("records", "read ahead of poll()"),
        "records-consumed-rate": Metric("records/s", "read ahead of poll()"),
        "records-per-request-avg": Metric("records", "in one fetch"),
        "records-lag-max": Metric(
            "records", "behind the log end on the partition that is furthest behind, now"
        ),
        "records-lost-total": Metric(
            "records", "removed before they were read, on the partitions of now", kafkas=False
        ),
        "end-to-end-latency-avg": Metric(
            "ms", "from a record's timestamp to poll() returning it, by the server's clock", kafkas=False
        ),
        "end-to-end-latency-max": Metric("ms", "likewise", kafkas=False),
        "end-to-end-latency-p50": Metric("ms", "likewise, the median", kafkas=False),
        "end-to-end-latency-p95": Metric("ms", "likewise", kafkas=False),
        "end-to-end-latency-p99": Metric("ms", "likewise", kafkas=False),
    },
    POLLING: {
        "poll-idle-ratio-avg": Metric(
            "", "share of the time spent in poll(); the rest is the program's work"
        ),
        "time-between-poll-avg": Metric("ms", "from one call of poll() to the next"),
        "time-between-poll-max": Metric("ms", "likewise"),
        "last-poll-seconds-ago": Metric("s", "since poll() was called"),
    },
    MEMBERSHIP: {
        "assigned-partitions": Metric("partitions", "that are this consumer's now"),
        "commit-total": Metric("commits", "made"),
        "commit-rate": Metric("commits/s", "made"),
        "commit-latency-avg": Metric("ms", "of a commit"),
        "commit-latency-max": Metric("ms", "of a commit"),
        "commit-latency-p99": Metric("ms", "of a commit", kafkas=False),
        "rebalance-total": Metric(
            "rebalances", "in which this member gained or lost partitions, joining included"
        ),
        "rebalance-latency-avg": Metric("ms", "from the news to owning exactly what is assigned"),
        "rebalance-latency-max": Metric("ms", "likewise"),
        "last-rebalance-seconds-ago": Metric("s", "since the last of them was done"),
        "last-heartbeat-seconds-ago": Metric("s", "since the group answered a heartbeat"),
    },
    WORKING: {
        "records-handled-total": Metric("records", "whose handler succeeded", kafkas=False),
        "records-failed-total": Metric("attempts", "that failed", kafkas=False),
        "records-retried-total": Metric("attempts", "that failed and will be made again", kafkas=False),
        "records-released-total": Metric("records", "given back by the handler for later", kafkas=False),
        "records-recovered-total": Metric("records", "handled after they had failed", kafkas=False),
        "records-parked-total": Metric("records", "put behind another one of their key", kafkas=False),
        "records-skipped-total": Metric("records", "settled before they were read again", kafkas=False),
        "records-dead-total": Metric("records", "given up", kafkas=False),
        "handler-timeouts-total": Metric("attempts", "that took too long", kafkas=False),
        "partitions-unreadable-total": Metric(
            "partitions", "with a damaged batch, or gone, each time", kafkas=False
        ),
        "handler-latency-p50-ms": Metric("ms", "of a handler, the median since the start", kafkas=False),
        "handler-latency-p95-ms": Metric("ms", "likewise", kafkas=False),
        "handler-latency-p99-ms": Metric("ms", "likewise", kafkas=False),
        "records-in-flight": Metric("records", "in the hands of handlers now", kafkas=False),
        "records-ready": Metric("records", "that wait for a free handler", kafkas=False),
        "records-outstanding": Metric("records", "read and not settled", kafkas=False),
        "records-queued": Metric("records", "that wait for their next attempt", kafkas=False),
        "partitions-assigned": Metric("partitions", "that are this worker's now", kafkas=False),
        "partitions-held": Metric("partitions", "that are not read on for now", kafkas=False),
        "lost-threads": Metric("threads", "of handlers past their time that still run", kafkas=False),
        "outbox-backlog": Metric(
            "entries", "of dead letters and events that are not confirmed yet", kafkas=False
        ),
    },
}

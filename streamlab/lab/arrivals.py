"""Which rows of a file stand in the log already, whoever has not heard of it."""

from __future__ import annotations

from typing import Any

from ..model import TopicPartition


def log_ends(broker: Any, topic: str) -> dict[int, int]:
    """The log end offset of every partition. Empty when there is no such topic."""
    consumer = broker.consumer(group_id=None)
    try:
        partitions = [TopicPartition(topic, n) for n in consumer.partitions_for_topic(topic) or ()]
        return {tp.partition: end for tp, end in consumer.end_offsets(partitions).items()}
    finally:
        consumer.close()


def arrived_ids(broker: Any, topic: str, starts: dict[int, int], uri: str) -> set[bytes]:
    """Ids of the events of source `uri` from offset `starts[partition]` (0 when unnamed) up to now."""
    behind = {
        TopicPartition(topic, n): end for n, end in log_ends(broker, topic).items() if end > starts.get(n, 0)
    }
    if not behind:
        return set()
    consumer = broker.consumer(group_id=None, auto_offset_reset="earliest", enable_auto_commit=False)
    try:
        consumer.assign(list(behind))
        for tp in behind:
            consumer.seek(tp, starts.get(tp.partition, 0))
        return _ids(consumer, behind, uri.encode())
    finally:
        consumer.close()


def _ids(consumer: Any, ends: dict[TopicPartition, int], uri: bytes) -> set[bytes]:
    ids: set[bytes] = set()
    while any(consumer.position(tp) < end for tp, end in ends.items()):
        for records in consumer.poll(timeout_ms=500, max_records=10_000).values():
            ids.update(
                record.header("ce_id") or b"" for record in records if record.header("ce_source") == uri
            )
    return ids

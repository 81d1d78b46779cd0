"""The housekeeper: every so often it removes what the topics' retention allows to remove."""

from __future__ import annotations

from .connection import Connection
from .log import PartitionLog
from .model import TopicPartition
from .topics import Topics


def sweep(connection: Connection) -> int:
    """Apply every topic's retention once. Returns how many partitions were looked at.

    Whole batches only, in bounded steps, so that no append waits long behind it.
    """
    topics = Topics(connection, max_age_ms=0)
    log = PartitionLog(connection, topics)
    now_ms = connection.server_time_ms()
    looked_at = 0
    for topic, spec in topics.all().items():
        for partition in range(spec.partitions):
            log.apply_retention(TopicPartition(topic, partition), now_ms)
            looked_at += 1
    return looked_at

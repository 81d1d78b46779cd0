"""What a running load does, in figures: from a snapshot, and the queues of its retries."""

from __future__ import annotations

import msgspec

from ...connection import Connection
from ...delivery.dead_letter_topics import dlq_topic
from ...delivery.retry_queue import RetryQueue
from ...metrics.snapshot import Snapshot
from ...model import TopicPartition
from .load import Load


class LoadFigures(msgspec.Struct, frozen=True, kw_only=True):
    """None: not known (yet)."""

    rate: float | None = None  # records/s into the topic
    consumed_rate: float | None = None  # records/s, by commits
    lag: int | None = None
    time_lag_ms: int | None = None
    members: int | None = None
    partitions: int | None = None
    max_over_mean: float | None = None  # skew of the topic
    retrying: int | None = None  # records that wait to be tried again
    parked: int | None = None  # records behind one of their key
    dead: int | None = None  # dead letters kept
    lost: int | None = None  # records that retention removed before they were read


def figures_of(connection: Connection, load: Load, snapshot: Snapshot) -> LoadFigures:
    """Raises StreamlabError."""
    topic = snapshot.topics.get(load.topic_name)
    group = snapshot.groups.get(load.group_id)
    if topic is None:
        return LoadFigures()
    letters = snapshot.topics.get(dlq_topic(load.topic_name, load.group_id))
    partitions = [TopicPartition(load.topic_name, p.partition) for p in topic.partitions]
    queues = RetryQueue(connection).counts(load.group_id, partitions).values()
    return LoadFigures(
        rate=topic.rate,
        consumed_rate=group.consumed_rate if group else None,
        lag=group.lag if group else None,
        time_lag_ms=group.time_lag_ms if group else None,
        members=len(group.members) if group else None,
        partitions=len(topic.partitions),
        max_over_mean=topic.skew.max_over_mean if topic.skew else None,
        retrying=sum(counts.retrying for counts in queues),
        parked=sum(counts.parked for counts in queues),
        dead=letters.records if letters else 0,
        lost=group.partitions.on_topic(load.topic_name).lost if group else None,
    )

"""Out of pictures a snapshot: everything that can be derived, and nothing that needs the server."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..topics import is_internal
from . import rates
from .first_unread import FirstUnread
from .picture import PartitionPicture, Picture, TopicPicture
from .progress import Progress
from .skew import skew
from .snapshot import PartitionSnapshot, ServerSnapshot, Snapshot, TopicSnapshot


class Before(NamedTuple):
    """The pictures that rates are measured from."""

    last: Picture | None  # the one before: for what is appended; None: this is the first
    window: Sequence[Picture]  # those kept of the last rates.WINDOW_MS, oldest first: for what is consumed


def build(now: Picture, before: Before, first_unread: FirstUnread, seq: int, took_ms: float) -> Snapshot:
    """The snapshot of `now`."""
    progress = Progress(now, before.window)
    for name, topic in now.topics.items():
        for number in range(len(topic.partitions)):
            append_times = first_unread.of_partition(name, topic.created_ms, number)
            progress.follow(name, topic, number, append_times)
    topics = {
        name: _topic(name, topic, now.as_of_ms, before.last, progress.groups_of(name, topic))
        for name, topic in now.topics.items()
    }
    return Snapshot(seq, now.as_of_ms, took_ms, topics, progress.groups(), _server(now, before.last))


def _topic(
    name: str, topic: TopicPicture, now_ms: int, last: Picture | None, groups: list[str]
) -> TopicSnapshot:
    before = last.topics.get(name) if last is not None else None
    old = before.partitions if before is not None and before.created_ms == topic.created_ms else []
    elapsed_ms = now_ms - last.as_of_ms if last is not None else 0
    partitions = [
        _partition(number, partition, old[number] if number < len(old) else None, elapsed_ms)
        for number, partition in enumerate(topic.partitions)
    ]
    return TopicSnapshot(
        topic=name,
        partitions=partitions,
        records=sum(p.records for p in topic.partitions),
        size_bytes=sum(p.size_bytes for p in partitions),
        rate=rates.total(p.rate for p in partitions),
        byte_rate=rates.total(p.byte_rate for p in partitions),
        skew=skew([p.records for p in topic.partitions]),
        groups=groups,
        internal=is_internal(name),
    )


def _partition(
    number: int, partition: PartitionPicture, before: PartitionPicture | None, elapsed_ms: int
) -> PartitionSnapshot:
    rate = byte_rate = None
    if before is not None:
        rate = rates.per_second(before.log_end, partition.log_end, elapsed_ms)
        byte_rate = rates.per_second(before.appended_bytes, partition.appended_bytes, elapsed_ms)
    return PartitionSnapshot(
        number,
        partition.log_start,
        partition.log_end,
        partition.size_bytes,
        partition.last_append_ms or None,
        rate,
        byte_rate,
    )


def _server(now: Picture, last: Picture | None) -> ServerSnapshot:
    its = now.server
    cpu_share = None
    if last is not None and last.server.run_id == its.run_id:
        # seconds of processor per second, which is what a rate of it is
        cpu_share = rates.per_second(last.server.cpu_s, its.cpu_s, now.as_of_ms - last.as_of_ms)
    return ServerSnapshot(
        version=its.version,
        engine=its.engine,
        uptime_s=its.uptime_s,
        used_memory_bytes=its.used_memory_bytes,
        max_memory_bytes=its.max_memory_bytes,
        clients=its.clients,
        ops_rate=its.ops_rate,
        aof=its.aof,
        cpu_share=cpu_share,
    )

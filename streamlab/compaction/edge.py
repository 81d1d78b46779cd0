"""How far a partition may be compacted, how far it is, and whether a pass is worth its cost now."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from .. import keys
from ..connection import Call, Connection
from ..errors import translated
from ..log import script_error
from ..model import EntryId, TopicPartition
from ..topics import TopicSpec


class Edge(NamedTuple):
    """How far a partition may be compacted, and how far it is."""

    last: EntryId | None  # entry up to which it may be; None: nothing may
    last_bytes: int  # bytes ever appended up to there
    clean: EntryId | None  # entry up to which the last pass went; None: there was none
    clean_bytes: int
    removed_bytes: int  # ever, by retention and compaction
    tombstone_ms: int | None  # when a pass first went over the newest tombstone kept; None: none is kept
    oldest_ms: int | None  # append time of the first entry that no pass went over
    log_start: int

    @property
    def dirty_bytes(self) -> int:
        return max(0, self.last_bytes - max(self.clean_bytes, self.removed_bytes)) if self.last else 0

    @property
    def dirty_ratio(self) -> float:
        """New bytes in the part that may be compacted.

        >>> Edge(EntryId(9, 9), 100, EntryId(5, 5), 60, 20, None, 6, 0).dirty_ratio
        0.5
        """
        return self.dirty_bytes / max(1, self.last_bytes - self.removed_bytes)

    @property
    def until(self) -> EntryId | None:
        """The last entry that a pass looks at."""
        return max(filter(None, (self.last, self.clean)), default=None)


def due(edge: Edge, spec: TopicSpec, now_ms: int) -> str | None:
    """Why a pass is worth its cost now; None when it is not.

    1. enough is new           dirty bytes / all bytes that may be compacted >= min.cleanable.dirty.ratio
    2. something waited long   a record was appended more than max.compaction.lag.ms ago and no pass saw it
    3. tombstones are over     the newest of those kept was first gone over more than delete.retention.ms ago
    """
    if edge.dirty_bytes and edge.dirty_ratio >= spec.config("min.cleanable.dirty.ratio"):
        return f"{edge.dirty_ratio:.0%} of it is new"
    waited_ms = 0 if edge.oldest_ms is None else now_ms - edge.oldest_ms
    if edge.dirty_bytes and waited_ms > spec.config("max.compaction.lag.ms"):
        return "its oldest new record waited for max.compaction.lag.ms"
    if edge.tombstone_ms is not None and now_ms - edge.tombstone_ms >= spec.config("delete.retention.ms"):
        return "its tombstones are older than delete.retention.ms"
    return None


def edges(
    connection: Connection, wanted: Sequence[tuple[TopicPartition, TopicSpec]], now_ms: int
) -> dict[TopicPartition, Edge]:
    """Of those partitions that exist and were written to, asked for in one round trip."""
    calls = [
        Call(
            "compact/edge",
            [keys.log(*p), keys.meta(*p)],
            [max(0, now_ms - s.config("min.compaction.lag.ms"))],
        )
        for p, s in wanted
    ]
    with translated():
        replies = connection.run_many(calls)
    found = {}
    for (partition, _), reply in zip(wanted, replies, strict=True):
        if isinstance(reply, Exception):
            raise script_error(reply, partition) from reply
        edge = _edge(reply)
        if edge.until is not None:
            found[partition] = edge
    return found


def _edge(reply: Sequence[bytes]) -> Edge:
    last, last_bytes, clean, clean_bytes, removed, tombstone_ms, oldest_ms, start = reply
    return Edge(
        EntryId.parse(last) if last else None,
        int(last_bytes),
        EntryId.parse(clean) if clean != b"-" else None,
        int(clean_bytes),
        int(removed),
        int(tombstone_ms) if tombstone_ms else None,
        int(oldest_ms) if oldest_ms else None,
        int(start),
    )

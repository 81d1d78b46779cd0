"""What resetting a group's offsets would mean: for each partition where it stands, where it shall stand, and what lies
between. Reads only.

The rules of kafka-consumer-groups.sh hold: an offset outside the log is clamped, a time without a later record is
the log end, a shift needs a committed offset.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import Enum
from typing import NamedTuple

import msgspec

from ..connection import Connection
from ..errors import IllegalArgumentError
from ..log import PartitionLog, Place
from ..model import (
    Commit,
    EntryId,
    OffsetAndTimestamp,
    OffsetSpec,
    OffsetTimestamp,
    PartitionOffsets,
    TopicPartition,
)
from . import offsets


class ShiftBy(int):
    """So many records after the committed offset; negative: before it."""


class Stay(Enum):
    """The committed offset itself; the log end where there is none."""

    CURRENT = "current"


Target = OffsetSpec | OffsetTimestamp | ShiftBy | Stay | int
"""Where a partition shall go. A plain int is an offset."""


class Facts(NamedTuple):
    """What a target is resolved against."""

    log_start: int
    log_end: int
    committed: int | None = None
    later: OffsetAndTimestamp | None = None  # the first record at or after the target's time


class Resolved(NamedTuple):
    """An offset inside the log, or why there is none."""

    offset: int | None
    warning: str | None = None
    error: str | None = None


class PartitionPlan(msgspec.Struct, frozen=True):
    """What a reset would do to one partition."""

    partition: TopicPartition
    log_start: int
    log_end: int
    current: Commit | None  # as read; None: the group never committed here
    new: int | None  # None: impossible, `error` says why
    entry: EntryId | None  # that holds record new - 1, for an exact time lag; None: not in the log
    again: int | None  # records that will be processed once more; None: not known without a commit
    skipped: int | None  # records that will never be processed; likewise
    current_append_ms: int | None  # of the record at the current offset; None: no such record
    new_append_ms: int | None  # of the record at the new offset; likewise
    span_ms: int | None  # from the first to the last record that is repeated or skipped; None: none is
    warning: str | None = None
    error: str | None = None


class Plan(msgspec.Struct, frozen=True):
    """A reset of one group, as it would be done now."""

    group_id: str
    partitions: list[PartitionPlan]  # by topic and number

    @property
    def new(self) -> dict[TopicPartition, int]:
        return {p.partition: p.new for p in self.partitions if p.new is not None}

    @property
    def before(self) -> dict[TopicPartition, int]:
        """What is committed now: resetting to it undoes the reset. Partitions without a commit are missing."""
        return {p.partition: p.current.offset for p in self.partitions if p.current is not None}


def resolve(target: Target, facts: Facts) -> Resolved:
    """The offset that a target means. Source: `kafka-consumer-groups.sh --reset-offsets`.

    >>> resolve(70, Facts(log_start=10, log_end=50))
    Resolved(offset=50, warning='offset 70 lies past the log end, so the log end 50 is taken', error=None)
    >>> resolve(ShiftBy(-5), Facts(log_start=10, log_end=50, committed=20)).offset
    15
    """
    if isinstance(target, OffsetSpec):
        edges = {OffsetSpec.LATEST: facts.log_end, OffsetSpec.EARLIEST: facts.log_start}
        edges[OffsetSpec.EARLIEST_LOCAL] = facts.log_start
        return Resolved(
            edges.get(target), error=None if target in edges else f"{target.name} is not supported"
        )
    if isinstance(target, OffsetTimestamp):
        if facts.later is None:
            asked = _utc(target)
            why = f"no record was appended at or after {asked}, so the log end {facts.log_end} is taken"
            return Resolved(facts.log_end, why)
        # deleting records may have hidden the first ones of the batch that was found
        return Resolved(min(max(facts.later.offset, facts.log_start), facts.log_end))
    if isinstance(target, ShiftBy):
        if facts.committed is None:
            return Resolved(None, error="nothing is committed here that could be shifted")
        return _clamped(facts.committed + target, facts)
    if isinstance(target, Stay):
        if facts.committed is None:
            return Resolved(facts.log_end, f"nothing is committed, so the log end {facts.log_end} is taken")
        return _clamped(facts.committed, facts)
    return _clamped(target, facts)


def _clamped(offset: int, facts: Facts) -> Resolved:
    if offset < facts.log_start:
        edge = f"the log start {facts.log_start}"
        return Resolved(facts.log_start, f"offset {offset} lies before the log start, so {edge} is taken")
    if offset > facts.log_end:
        edge = f"the log end {facts.log_end}"
        return Resolved(facts.log_end, f"offset {offset} lies past the log end, so {edge} is taken")
    return Resolved(offset)


def plan(
    connection: Connection, log: PartitionLog, group_id: str, targets: Mapping[TopicPartition, Target]
) -> Plan:
    """What resetting to these targets would do. Changes nothing, and may be asked of a running group.

    Raises UnknownTopicOrPartitionError; IllegalArgumentError when there is no target.
    """
    if not targets:
        raise IllegalArgumentError("There is no partition to reset.")
    wanted = sorted(targets)
    commits = offsets.fetch(connection, group_id, wanted)  # before the log ends, which only rise
    edges = log.offsets(wanted)
    later = log.at_time({p: int(t) for p, t in targets.items() if isinstance(t, OffsetTimestamp)})
    resolved = {}
    for p in wanted:
        committed = commits[p].offset if p in commits else None
        facts = Facts(edges[p].log_start, edges[p].log_end, committed, later.get(p))
        resolved[p] = resolve(targets[p], facts)
    new = {p: r.offset for p, r in resolved.items() if r.offset is not None}
    current = {p: _inside(c.offset, edges[p]) for p, c in commits.items()}
    at = _Located(log, new, current)
    return Plan(group_id, [_row(p, edges[p], commits.get(p), resolved[p], at) for p in wanted])


class _Located:
    """The entries around the positions of a plan, asked for in four round trips."""

    def __init__(self, log: PartitionLog, *positions: dict[TopicPartition, int]):
        self._places: dict[tuple[TopicPartition, int], Place] = {}
        for asked in positions:
            for offsets_ in (asked, {p: offset - 1 for p, offset in asked.items()}):
                found = log.locate(offsets_) if offsets_ else {}
                for partition, place in found.items():
                    if not isinstance(place, Place):
                        raise place
                    self._places[partition, offsets_[partition]] = place

    def entry(self, partition: TopicPartition, offset: int) -> EntryId | None:
        """The entry that holds the offset; None when it is outside the log."""
        return self._places[partition, offset].entry

    def append_ms(self, partition: TopicPartition, offset: int) -> int | None:
        entry = self.entry(partition, offset)
        return entry.append_ms if entry else None


def _row(
    p: TopicPartition, edges: PartitionOffsets, current: Commit | None, goal: Resolved, at: _Located
) -> PartitionPlan:
    start, end, new = edges.log_start, edges.log_end, goal.offset
    known = current is not None and new is not None
    # records that are gone, or not there yet, are neither repeated nor skipped
    here = _inside(current.offset, edges) if current is not None else 0
    low, high = (min(here, new), max(here, new)) if known and new is not None else (0, 0)
    return PartitionPlan(
        partition=p,
        log_start=start,
        log_end=end,
        current=current,
        new=new,
        entry=at.entry(p, new - 1) if new is not None else None,
        again=(high - low if high == here else 0) if known else None,
        skipped=(high - low if high == new else 0) if known else None,
        current_append_ms=at.append_ms(p, here) if current is not None and current.offset == here else None,
        new_append_ms=at.append_ms(p, new) if new is not None else None,
        span_ms=_between(at.append_ms(p, low), at.append_ms(p, high - 1)) if low < high else None,
        warning=goal.warning,
        error=goal.error,
    )


def _inside(offset: int, edges: PartitionOffsets) -> int:
    return min(max(offset, edges.log_start), edges.log_end)


def _between(first_ms: int | None, last_ms: int | None) -> int | None:
    return last_ms - first_ms if first_ms is not None and last_ms is not None else None


def _utc(ms: int) -> str:
    try:
        return (
            datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        )
    except (ValueError, OverflowError, OSError):
        return f"{ms} ms"

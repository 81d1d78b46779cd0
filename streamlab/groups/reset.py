"""Moves what a stopped group has committed: first a plan that can be read, then its execution.

    plan      reads only: for each partition where it stands, where it shall stand, and what lies between
    execute   fence     no member may be running; gives an owner epoch above all others
              claim     from here on only that epoch can commit; answers what is committed at this moment
              compare   every commit and every log must be as the plan read them, else nothing is changed
              commit    all partitions in one round trip

The rules of kafka-consumer-groups.sh hold: an offset outside the log is clamped, a time without a later record is
the log end, a shift needs a committed offset, and a group with running members is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from enum import Enum
from typing import NamedTuple

import msgspec

from .. import keys
from ..connection import Connection
from ..errors import (
    IllegalArgumentError,
    NonEmptyGroupError,
    NoOffsetForPartitionError,
    StalePlanError,
    StreamlabError,
    reply_code,
)
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
from . import describe, offsets
from .offsets import NewCommit
from .words import group_keys

_OWNER = "admin"


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


def require_stopped(connection: Connection, group_id: str) -> describe.GroupDescription:
    """Raises NonEmptyGroupError while the group has running members."""
    group = describe.describe(connection, group_id)
    if group.members:
        raise _running(group_id)
    return group


def committed_partitions(
    connection: Connection, group_id: str, partitions: Iterable[TopicPartition]
) -> list[TopicPartition]:
    """Those of them on which the group has a committed offset."""
    return list(offsets.fetch(connection, group_id, partitions))


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


def execute(
    connection: Connection,
    log: PartitionLog,
    plan: Plan,
    *,
    keep_metadata: bool = False,
    by: str = "an operator",
    strategy: str | None = None,
) -> dict[TopicPartition, StreamlabError | None]:
    """Commit what the plan says: for each partition None, or why it is not known to be committed. What the commits
    before said in their metadata is dropped unless it is to be kept: it spoke of another position.

    An error that is raised means that no offset was changed. Raises NonEmptyGroupError; StalePlanError when a commit
    or a log moved since the plan was made, or somebody is about to read; NoOffsetForPartitionError when the plan
    itself has errors.
    """
    epoch = take_over(connection, log, plan)
    connection.execute_many([("SADD", keys.GROUPS, plan.group_id)])
    told = operation(plan, "", by, epoch, strategy, keep_metadata)
    outcome = commit_all(connection, plan.group_id, told.commits)
    connection.run("groups/tell_reset", group_keys(plan.group_id), [msgspec.json.encode(told)])
    return outcome


class Noted(msgspec.Struct, frozen=True):
    """One commit that a reset makes."""

    topic: str
    partition: int
    before: int | None
    after: int
    entry: str | None
    metadata: str = ""


class Operation(msgspec.Struct, frozen=True):
    """A reset as the group's outbox tells it, and as a member finishes it when its operator dies."""

    token: str  # of its pause; "": the group was not running
    by: str
    owner_epoch: int
    positions: list[Noted]
    strategy: str | None = None  # in words
    repeated: int | None = None  # records; None: not counted
    skipped: int | None = None

    @property
    def commits(self) -> dict[TopicPartition, NewCommit]:
        return {
            TopicPartition(n.topic, n.partition): NewCommit(
                n.after, EntryId.parse(n.entry) if n.entry else None, self.owner_epoch, _OWNER, n.metadata
            )
            for n in self.positions
        }


def operation(
    plan: Plan, token: str, by: str, epoch: int, strategy: str | None = None, keep_metadata: bool = False
) -> Operation:
    """The commits that the plan comes to, under that owner epoch."""
    rows, noted = plan.partitions, []
    for row in rows:
        before = row.current.offset if row.current else None
        metadata = row.current.metadata if row.current and keep_metadata else ""
        entry = str(row.entry) if row.entry else None
        noted.append(Noted(*row.partition, before, row.new or 0, entry, metadata))
    repeated, skipped = sum(row.again or 0 for row in rows), sum(row.skipped or 0 for row in rows)
    return Operation(token, by, epoch, noted, strategy, repeated, skipped)


def take_over(connection: Connection, log: PartitionLog, plan: Plan, token: str = "") -> int:
    """From here on only the owner epoch that is returned can commit, and everything is as the plan read it.

    `token` is that of a pause, for a group with members. Raises NonEmptyGroupError, StalePlanError;
    NoOffsetForPartitionError when the plan itself has errors.
    """
    impossible = [f"{p.partition}: {p.error}" for p in plan.partitions if p.new is None]
    if impossible:
        raise NoOffsetForPartitionError(f"Nothing was reset. {'; '.join(impossible)}.")
    group_id, wanted = plan.group_id, [p.partition for p in plan.partitions]
    # looked at twice: a claim takes the partition from whoever commits by hand, so it is not made without need
    before = offsets.fetch(connection, group_id, wanted)
    _compare(plan, before, log.offsets(wanted))
    given = max((c.owner_epoch for c in before.values()), default=0)
    epoch = fence(connection, group_id, token, given)
    claimed = offsets.claim(connection, group_id, _OWNER, dict.fromkeys(wanted, epoch))
    _compare(plan, claimed, log.offsets(wanted))
    return epoch


def fence(connection: Connection, group_id: str, token: str = "", given: int = 0) -> int:
    """An owner epoch above all given so far, and above `given`. Raises NonEmptyGroupError while the group has running
    members, unless it is paused with that token and drained; StalePlanError when that pause is over."""
    try:
        arguments = ["an operator", token, given]
        epoch: int = connection.run("groups/fence", group_keys(group_id), arguments)
        return epoch
    except StreamlabError as error:
        code = reply_code(error)
        if code == "NON_EMPTY_GROUP":
            raise _running(group_id) from error
        if code == "NOT_PAUSED":
            raise StalePlanError("Nothing was reset: the pause ran out, and the group reads on.") from error
        raise


def _compare(
    plan: Plan,
    now: Mapping[TopicPartition, Commit | offsets.Refused],
    edges: Mapping[TopicPartition, PartitionOffsets],
) -> None:
    """Raises StalePlanError unless everything is as the plan read it."""
    moved = []
    for planned in plan.partitions:
        p, commit = planned.partition, now.get(planned.partition)
        if isinstance(commit, Exception):
            moved.append(f"{p} was taken by a member")
        elif _position(commit) != _position(planned.current):
            moved.append(f"the group committed on {p}")
        elif planned.new is not None and not edges[p].log_start <= planned.new <= edges[p].log_end:
            moved.append(f"offset {planned.new} of {p} is not in the log any more")
    if moved:
        raise StalePlanError(
            f"Nothing was reset, because since the plan was made {', '.join(moved)}. Make the plan again."
        )


def _position(commit: Commit | None) -> tuple[int, int] | None:
    """What a commit changes and a claim does not."""
    if commit is None or commit.offset == offsets.NOT_COMMITTED:
        return None
    return commit.offset, commit.commit_ms


def commit_all(
    connection: Connection, group_id: str, commits: dict[TopicPartition, NewCommit]
) -> dict[TopicPartition, StreamlabError | None]:
    """Repeated once when an answer is lost: under the same owner epoch the second commit is the first."""
    for _ in range(2):
        try:
            results = offsets.commit(connection, group_id, commits)
            return {p: r if isinstance(r, StreamlabError) else None for p, r in results.items()}
        except StreamlabError as error:
            failure = error
    try:  # some may be there all the same
        stored = offsets.fetch(connection, group_id, commits)
    except StreamlabError:
        return dict.fromkeys(commits, failure)
    landed = {
        p
        for p, c in stored.items()
        if (c.offset, c.owner_epoch) == (commits[p].offset, commits[p].owner_epoch)
    }
    return {p: None if p in landed else failure for p in commits}


def _running(group_id: str) -> NonEmptyGroupError:
    return NonEmptyGroupError(f"Group {group_id!r} has running members. Stop them first.")


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

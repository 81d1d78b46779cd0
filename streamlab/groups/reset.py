"""Moves what a stopped group has committed: first a plan that can be read (`reset_plan.py`), then its execution.

    plan      reads only
    execute   fence     no member may be running; gives an owner epoch above all others
              claim     from here on only that epoch can commit; answers what is committed at this moment
              compare   every commit and every log must be as the plan read them, else nothing is changed
              commit    all partitions in one round trip

A group with running members is refused; `live_reset.py` pauses it for that.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping

import msgspec

from .. import keys
from ..connection import Connection
from ..errors import (
    NonEmptyGroupError,
    NoOffsetForPartitionError,
    StalePlanError,
    StreamlabError,
    reply_code,
)
from ..log import PartitionLog
from ..model import Commit, EntryId, PartitionOffsets, TopicPartition
from . import describe, offsets
from .offsets import NewCommit
from .reset_plan import Facts, PartitionPlan, Plan, Resolved, ShiftBy, Stay, Target, plan, resolve
from .words import group_keys

logger = logging.getLogger(__name__)

_OWNER = "admin"


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
    try:
        connection.run("groups/tell_reset", group_keys(plan.group_id), [msgspec.json.encode(told)])
    except StreamlabError as error:  # offsets are changed by now, and the caller is to hear of that
        logger.warning("Group %r is reset, and its history does not say so: %s", plan.group_id, error)
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


__all__ = [
    "Facts",
    "Operation",
    "PartitionPlan",
    "Plan",
    "Resolved",
    "ShiftBy",
    "Stay",
    "Target",
    "commit_all",
    "committed_partitions",
    "execute",
    "fence",
    "operation",
    "plan",
    "require_stopped",
    "resolve",
    "take_over",
]

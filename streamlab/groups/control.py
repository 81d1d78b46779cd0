"""What an operator can do to a group: pause and resume it, have it rebalance, choose its assignor, forget it.

A rebalance is first shown, then done as it was shown, or not at all.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from .. import keys
from ..connection import Connection
from ..errors import (
    GroupIdNotFoundError,
    IllegalArgumentError,
    NonEmptyGroupError,
    StalePlanError,
    StreamlabError,
    UnknownMemberIdError,
    reply_code,
    translated,
)
from ..model import TopicPartition
from ..topics import Topics
from . import assignors, describe, target
from .live_reset import live_reset
from .pausing import pause as pause_group
from .pausing import resume as resume_group
from .target import Target
from .words import GroupState, group_keys


class Move(NamedTuple):
    """A partition that would change hands."""

    partition: TopicPartition
    before: str | None  # member id; None: nobody owns it
    after: str | None  # None: nobody wants it


class Preview(NamedTuple):
    """The rebalance that would come."""

    group_id: str
    epoch: int  # of the group as it was looked at
    assignor_before: str
    target: Target
    moves: list[Move]  # by partition; those that stay where they are are not in it
    chosen: bool  # the assignor is to be kept from now on

    @property
    def assignment(self) -> dict[str, list[TopicPartition]]:
        """Partitions of each member."""
        return self.target.assignment


def preview_rebalance(connection: Connection, group_id: str, assignor: str | None = None) -> Preview:
    """What a rebalance now would do, with another assignor if one is named. Changes nothing.

    Raises IllegalArgumentError for an assignor that there is not, GroupIdNotFoundError, and NonEmptyGroupError's
    opposite as IllegalArgumentError: a group without members has nothing to share out.
    """
    group = describe.describe(connection, group_id)
    if group.state is GroupState.DEAD:
        raise GroupIdNotFoundError(f"There is no group {group_id!r}.")
    if not group.members:
        raise IllegalArgumentError(f"Group {group_id!r} has no members that partitions could move between.")
    name = check_assignor(assignor or group.assignor or assignors.DEFAULT)
    topics = Topics(connection, max_age_ms=0)
    made = target.compute(connection, topics, group_id, name, group.members.values(), group.owners)
    wanted = {p: member for member, theirs in made.assignment.items() for p in theirs}
    moves = [
        Move(p, group.owners.get(p), wanted.get(p))
        for p in sorted(wanted.keys() | group.owners.keys())
        if group.owners.get(p) != wanted.get(p)
    ]
    return Preview(group_id, group.epoch, group.assignor, made, moves, assignor is not None)


def rebalance(connection: Connection, preview: Preview) -> int:
    """Do what the preview shows. Returns the new epoch. Raises StalePlanError when the group moved since."""
    made = preview.target
    how = "choose" if preview.chosen else "once"
    arguments = [preview.epoch, "an operator wanted it", msgspec.json.encode(made.counts), made.assignor, how]
    try:
        epoch: int = connection.run(
            "groups/rebalance", group_keys(preview.group_id), [*arguments, *made.arguments]
        )
        return epoch
    except StreamlabError as error:
        if reply_code(error) == "STALE_EPOCH":
            raise StalePlanError(
                f"Nothing was done: since the plan was made the group moved: {str(error.__cause__).partition(' ')[2]}. "
                "Make the plan again."
            ) from error
        raise


def choose_assignor(connection: Connection, group_id: str, assignor: str, by: str = "operator") -> bool:
    """Have the group's partitions shared out by this assignor from now on, whatever its members ask for.

    Returns whether that is another one than before. Raises IllegalArgumentError.
    """
    _, changed = connection.run("groups/choose", group_keys(group_id), [check_assignor(assignor), by])
    return bool(changed)


def remove_member(
    connection: Connection, group_id: str, member: str, why: str = "was removed by an operator"
) -> str:
    """Take a member out, by its id or, a static one, its instance id. What it owned is free at once.

    If it lives it joins again at its next poll(): this is for a static one that will not come back.

    Returns its member id. Raises UnknownMemberIdError.
    """
    known = describe.describe(connection, group_id).members
    found = [m.member_id for m in known.values() if member in (m.member_id, m.instance_id)]
    arguments = [why, "removed"]
    if not found or not connection.run("groups/leave", group_keys(group_id), [found[0], *arguments]):
        raise UnknownMemberIdError(f"Group {group_id!r} has no member {member!r}.")
    return found[0]


def check_assignor(name: str) -> str:
    """Raises IllegalArgumentError."""
    if name not in assignors.ASSIGNORS:
        known = ", ".join(assignors.ASSIGNORS)
        raise IllegalArgumentError(f"There is no assignor {name!r}. There are {known}.")
    return name


def require_deletable(connection: Connection, group_id: str) -> None:
    """Raises NonEmptyGroupError, GroupIdNotFoundError."""
    group = describe.describe(connection, group_id)
    if group.state is GroupState.DEAD:
        raise GroupIdNotFoundError(f"There is no group {group_id!r}.")
    if group.members:
        raise NonEmptyGroupError(f"Group {group_id!r} has running members. Stop them first.")


def delete_group(connection: Connection, topics: Topics, group_id: str, by: str = "an operator") -> None:
    """Forget the group, all its commits, and what waits to be handled again. Its history is told all the same, and an
    assignor that was chosen for it stays: a setting belongs to the name.

    Raises NonEmptyGroupError, GroupIdNotFoundError. After any other error a second call does what is left.
    """
    require_deletable(connection, group_id)
    try:
        connection.execute_many([("SADD", keys.GROUPS_DELETED, group_id)])
        connection.run("groups/delete", group_keys(group_id), [by])
    except StreamlabError as error:
        if reply_code(error) == "NON_EMPTY_GROUP":
            raise NonEmptyGroupError(f"Group {group_id!r} has running members. Stop them first.") from error
        raise
    specs = topics.all(fresh=True)
    every = [(t, n) for t, spec in specs.items() for n in range(spec.partitions)]
    with translated():
        connection.execute_many([("UNLINK", *keys.retries(*partition, group_id)) for partition in every])
        connection.execute_many([("HDEL", keys.commits(*partition), group_id) for partition in every])
        if specs:
            connection.execute_many(
                [("SREM", keys.RETRY_QUEUES, *(f"{topic}/{group_id}" for topic in specs))]
            )
        connection.execute_many([("SREM", keys.GROUPS, group_id)])
        [again] = connection.execute_many([("HEXISTS", keys.group_meta(group_id), "epoch")])
        if again:  # somebody joined meanwhile
            connection.execute_many([("SADD", keys.GROUPS, group_id)])


__all__ = [
    "Move",
    "Preview",
    "check_assignor",
    "choose_assignor",
    "delete_group",
    "live_reset",
    "pause_group",
    "preview_rebalance",
    "rebalance",
    "remove_member",
    "resume_group",
]

"""The words of a group: its states, what sets off a rebalance, a member, the keys."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from .. import keys
from ..model import TopicPartition


class GroupState(StrEnum):
    """How far a group is on its way to its target assignment."""

    EMPTY = "Empty"  # no members; commits may remain
    ASSIGNING = "Assigning"  # an epoch without a target yet
    RECONCILING = "Reconciling"  # the target stands, partitions are still being handed over
    STABLE = "Stable"  # every member owns exactly its target; nothing at all while the group is paused
    DEAD = "Dead"  # nothing is known of such a group


class Cause(StrEnum):
    """What set off a rebalance."""

    JOINED = "joined"  # a member came
    LEFT = "left"  # a member took leave, or did not poll
    EXPIRED = "expired"  # a member was silent for its session timeout
    SUBSCRIPTION = "subscription"  # a member wants other topics
    PARTITIONS = "partitions"  # a topic grew, came or went
    ASSIGNOR = "assignor"  # another assignor was chosen
    FORCED = "forced"  # an operator wanted it
    LOAD = "load"  # the work had shifted between the members
    STATIC_RETURN = "static-return"  # a static member came back and wants other topics


class Member(msgspec.Struct, frozen=True):
    """What a group knows of one member."""

    member_id: str
    client_id: str
    host: str
    instance_id: str | None  # of a static member
    topics: list[str]  # sorted; what a pattern matches now
    assignor: str
    session_timeout_ms: int


class Pause(msgspec.Struct, frozen=True):
    """An operator's wish that nobody reads."""

    token: str  # of who paused it
    by: str
    reason: str
    since_ms: int
    until_ms: int  # 0: until somebody resumes the group


def state_of(has_members: bool, epoch: int, assigned: int, settled: bool, known: bool = True) -> GroupState:
    """The one rule for a group's state, in the words of KIP-848.

    `assigned` is the epoch that the target was made for; `settled`: everybody owns exactly what it should.

    >>> [str(state_of(True, 4, 3, False)), str(state_of(True, 4, 4, False)), str(state_of(True, 4, 4, True))]
    ['Assigning', 'Reconciling', 'Stable']
    """
    if not has_members:
        return GroupState.EMPTY if known else GroupState.DEAD
    if epoch != assigned:
        return GroupState.ASSIGNING
    return GroupState.STABLE if settled else GroupState.RECONCILING


def parse_partition(text: str) -> TopicPartition:
    """
    >>> parse_partition("orders/3")
    TopicPartition(topic='orders', partition=3)
    """
    topic, _, number = text.rpartition("/")
    return TopicPartition(topic, int(number))


def parse_owners(raw: Mapping[bytes, bytes]) -> dict[TopicPartition, str]:
    """Partition → member id.

    >>> parse_owners({b"orders/3": b"app-1 17"})
    {TopicPartition(topic='orders', partition=3): 'app-1'}
    """
    return {parse_partition(p.decode()): owner.decode().split(" ")[0] for p, owner in raw.items()}


def group_keys(group_id: str) -> list[str]:
    """KEYS of every group script."""
    of = (
        *(keys.group_meta, keys.group_members, keys.group_leases, keys.group_target, keys.group_owners),
        *(keys.group_rebalance, keys.group_moves, keys.group_idle, keys.group_instances, keys.group_stamps),
        *(keys.group_events, keys.group_wake),
    )
    return [key(group_id) for key in of]

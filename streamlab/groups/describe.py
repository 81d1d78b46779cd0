"""A group as an operator sees it, read in one round trip from the group's slot."""

from __future__ import annotations

import msgspec

from .. import keys
from ..connection import Connection
from ..errors import translated
from ..model import TopicPartition
from .membership import GroupState, Member, parse_partition


class GroupDescription(msgspec.Struct, frozen=True):
    group_id: str
    state: GroupState
    epoch: int
    assignor: str  # "" before the first assignment
    cause: str  # of the last change of epoch, in words
    members: dict[str, Member]  # by id; those with a running lease
    target: dict[str, list[TopicPartition]]
    owners: dict[TopicPartition, str]  # partition → member id


def names(connection: Connection) -> list[str]:
    with translated():
        names: set[bytes] = connection.client.smembers(keys.GROUPS)  # type: ignore[assignment]
    return sorted(name.decode() for name in names)


def describe(connection: Connection, group_id: str) -> GroupDescription:
    """State Dead when nothing is known of the group."""
    with translated():
        pipe = connection.client.pipeline(transaction=False)
        pipe.hgetall(keys.group_meta(group_id))
        pipe.hgetall(keys.group_members(group_id))
        pipe.zrange(keys.group_leases(group_id), 0, -1, withscores=True)
        pipe.hgetall(keys.group_target(group_id))
        pipe.hgetall(keys.group_owners(group_id))
        pipe.time()
        pipe.sismember(keys.GROUPS, group_id)
        meta, members, leases, target, owners, time, known = pipe.execute()
    now_ms = time[0] * 1000 + time[1] // 1000
    alive = {member for member, expiry in leases if expiry > now_ms}
    described = {
        m.decode(): msgspec.json.decode(text, type=Member) for m, text in members.items() if m in alive
    }
    wanted = {
        m.decode(): [parse_partition(p) for p in msgspec.json.decode(t)]
        for m, t in target.items()
        if m in alive
    }
    held = {parse_partition(p.decode()): owner.decode().split(" ")[0] for p, owner in owners.items()}
    return GroupDescription(
        group_id,
        _state(meta, described, wanted, held, bool(known)),
        int(meta.get(b"epoch", 0)),
        meta.get(b"assignor", b"").decode(),
        meta.get(b"cause", b"").decode(),
        described,
        wanted,
        held,
    )


def _state(
    meta: dict[bytes, bytes],
    members: dict[str, Member],
    target: dict[str, list[TopicPartition]],
    owners: dict[TopicPartition, str],
    known: bool,
) -> GroupState:
    if not members:
        return GroupState.EMPTY if known or meta else GroupState.DEAD
    if meta.get(b"epoch") != meta.get(b"assigned"):
        return GroupState.ASSIGNING
    wanted = {p: member for member, partitions in target.items() for p in partitions}
    return GroupState.STABLE if wanted == owners else GroupState.RECONCILING

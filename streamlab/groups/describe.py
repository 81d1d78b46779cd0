"""A group as an operator sees it, read in one round trip from the group's slot."""

from __future__ import annotations

import msgspec

from .. import keys
from ..connection import Connection
from ..errors import translated
from ..model import TopicPartition
from .words import GroupState, Member, Pause, parse_owners, parse_partition, state_of


class GroupDescription(msgspec.Struct, frozen=True):
    group_id: str
    state: GroupState
    epoch: int
    assignor: str  # "" before the first assignment
    cause: str  # of the last change of epoch, in words
    members: dict[str, Member]  # by id; those with a running lease
    target: dict[str, list[TopicPartition]]
    owners: dict[TopicPartition, str]  # partition → member id
    paused: Pause | None = None
    resetting: bool = False  # a reset has begun to commit and is not finished


def names(connection: Connection) -> list[str]:
    with translated():
        names: set[bytes] = connection.client.smembers(keys.GROUPS)  # type: ignore[assignment]
    return sorted(name.decode() for name in names)


def describe(connection: Connection, group_id: str) -> GroupDescription:
    """State Dead when nothing is known of the group."""
    meta, members, leases, target, held, known = connection.execute_many(
        [
            ("HGETALL", keys.group_meta(group_id)),
            ("HGETALL", keys.group_members(group_id)),
            ("ZRANGE", keys.group_leases(group_id), 0, -1, "WITHSCORES"),
            ("HGETALL", keys.group_target(group_id)),
            ("HGETALL", keys.group_owners(group_id)),
            ("SISMEMBER", keys.GROUPS, group_id),
        ]
    )
    now_ms = connection.server_time_ms()
    alive = {
        member for member, expiry in zip(leases[::2], leases[1::2], strict=True) if float(expiry) > now_ms
    }
    described = {
        m.decode(): msgspec.json.decode(text, type=Member)
        for m, text in sorted(members.items())
        if m in alive
    }
    wanted = {
        m.decode(): [parse_partition(p) for p in msgspec.json.decode(t)]
        for m, t in target.items()
        if m in alive
    }
    owned = parse_owners(held)
    resetting = b"operation" in meta
    paused = msgspec.json.decode(meta[b"paused"], type=Pause) if b"paused" in meta else None
    if paused and 0 < paused.until_ms <= now_ms and not resetting:
        paused = None  # it ran out; the next heartbeat clears it away
    should = {} if paused else {p: member for member, partitions in wanted.items() for p in partitions}
    epoch, assigned = int(meta.get(b"epoch", 0)), int(meta.get(b"assigned", 0))
    return GroupDescription(
        group_id,
        state_of(bool(described), epoch, assigned, owned == should, bool(known or b"epoch" in meta)),
        epoch,
        meta.get(b"assignor", b"").decode(),
        meta.get(b"cause", b"").decode(),
        described,
        wanted,
        owned,
        paused,
        resetting,
    )


def owners(connection: Connection, group_id: str) -> dict[TopicPartition, str]:
    """Partition → id of the member that owns it, whether or not it still lives."""
    (held,) = connection.execute_many([("HGETALL", keys.group_owners(group_id))])
    return parse_owners(held)

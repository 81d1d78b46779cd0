"""Who is in a group and in which state it is, as of one moment: pure, from a picture of the group.

A member whose lease ran out is gone, whether or not another member has come by to bury it. So a group whose
only consumer was killed is Empty after the session timeout, as in Kafka.
"""

from __future__ import annotations

from ..groups.words import GroupState, state_of
from .partition_names import PartitionNames
from .picture import GroupPicture
from .snapshot import Member


def living(group: GroupPicture, now_ms: int) -> set[str]:
    """Ids of the members with a running lease."""
    return {member for member in group.members if group.leases.get(member, 0) > now_ms}


def state(group: GroupPicture, alive: set[str]) -> GroupState:
    """`groups.words.state_of` for a group that exists; a deleted one (Dead) is in no picture."""
    settled = not group.owners if group.paused else group.settled and alive.issuperset(group.owned)
    return state_of(bool(alive), group.epoch, group.assigned, settled)


def members(group: GroupPicture, alive: set[str], now_ms: int) -> list[Member]:
    """The living, by id."""
    found = []
    for member in sorted(alive):
        its = group.members[member]
        found.append(
            Member(
                member_id=member,
                client_id=its.client_id,
                host=its.host,
                instance_id=its.instance_id,
                topics=sorted(its.topics),
                assigned=PartitionNames.of(group.target.get(member, [])),
                owned=PartitionNames.of(group.owned.get(member, [])),
                lease_left_ms=group.leases[member] - now_ms,
            )
        )
    return found

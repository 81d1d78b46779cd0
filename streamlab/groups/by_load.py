"""Has a group share its partitions out anew when the work has shifted, where its assignor goes by work.

An assignor is asked when a new epoch comes, and loads change without one. So one member of the group, the first by its
id, looks at the loads every EVERY_S. When the assignor would move something twice in a row it has the group do that,
under a new epoch: a wave that is over at the second look moves nothing, nor does a group with next to nothing to do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from ..clock import Clock
from ..connection import Connection
from ..errors import StreamlabError, reply_code
from ..model import TopicPartition
from ..topics import Topics
from . import assignors, describe, load, target
from .words import GroupState, group_keys

EVERY_S = 30.0
WORTH_MOVING = 10.0
"""Records a second, of the whole group. What is less differs by chance."""

_Shares = Mapping[str, Sequence[TopicPartition]]


class LoadWatch:
    """Used by one thread, that of a member's heartbeat."""

    def __init__(self, connection: Connection, topics: Topics, group_id: str, clock: Clock):
        self._connection = connection
        self._topics = topics
        self._group_id = group_id
        self._clock = clock
        self._next_look = clock.monotonic() + EVERY_S
        self._uneven_at: int | None = None  # epoch at which the last look would have moved something

    def look(self, member_id: str) -> None:
        """If it is time, and this member's turn. Raises StreamlabErrors."""
        now = self._clock.monotonic()
        if now < self._next_look:
            return
        self._next_look = now + EVERY_S
        group = describe.describe(self._connection, self._group_id)
        by_load = (
            group.state is GroupState.STABLE and not group.paused and group.assignor in assignors.BY_LOAD
        )
        if not by_load or min(group.members) != member_id:
            self._uneven_at = None
            return
        members = group.members.values()
        made = target.compute(
            self._connection, self._topics, self._group_id, group.assignor, members, group.owners
        )
        if _sets(made.assignment) == _sets(group.target) or self._work(made.assignment) < WORTH_MOVING:
            self._uneven_at = None
        elif self._uneven_at != group.epoch:
            self._uneven_at = group.epoch
        else:
            self._uneven_at = None
            self._rebalance(group.epoch, made)

    def _work(self, shares: _Shares) -> float:
        every = [partition for share in shares.values() for partition in share]
        return sum(load.measure(self._connection, self._group_id, every).values())

    def _rebalance(self, epoch: int, made: target.Target) -> None:
        why = [epoch, "the work had shifted", msgspec.json.encode(made.counts), made.assignor, "load"]
        try:
            self._connection.run("groups/rebalance", group_keys(self._group_id), [*why, *made.arguments])
        except StreamlabError as error:
            if reply_code(error) != "STALE_EPOCH":  # the group has moved meanwhile, and was asked anew
                raise


def _sets(shares: _Shares) -> dict[str, frozenset[TopicPartition]]:
    return {member: frozenset(share) for member, share in shares.items()}

"""The rebalances that a group had, from its outbox."""

from __future__ import annotations

from typing import Any

import msgspec

from .. import keys
from ..connection import Connection
from ..errors import translated

KEPT = 1_000
"""About so many entries of all types does the outbox of a group keep."""


class MovedPartition(msgspec.Struct, frozen=True):
    """A partition that changed hands."""

    topic: str
    partition: int
    before: str | None  # member id; None: nobody had it
    after: str | None  # None: nobody wants it any more
    standstill_ms: int | None  # from its release, or its dead owner's last heartbeat, until it was taken;
    # None: nobody had it before, nobody took it, or another rebalance came first


class Rebalance(msgspec.Struct, frozen=True):
    """One epoch of a group, from what set it off until every partition was where it should be.

    A partition that is not in `moved` was not touched: it did not stand still at all.
    """

    epoch: int
    cause: str  # words.Cause
    words: str  # the cause, with names
    at_ms: int  # when it was over, server time
    started_ms: int
    took_ms: int
    outcome: str  # finished, or superseded by the next epoch
    assignor: str | None  # None: superseded before there was a target, or nobody is left who needs one
    members_before: list[str]
    members_after: list[str]
    moved: list[MovedPartition]

    @property
    def longest_standstill_ms(self) -> int | None:
        """Of the partitions that moved; None: no standstill is known."""
        known = [move.standstill_ms for move in self.moved if move.standstill_ms is not None]
        return max(known, default=None)


def recent(connection: Connection, group_id: str, most: int = 20) -> list[Rebalance]:
    """The newest first. The one under way is not in it. Raises StreamlabErrors."""
    found: list[Rebalance] = []
    with translated():
        entries: Any = connection.client.xrevrange(keys.group_events(group_id), count=KEPT)
    for _, fields in entries:
        if fields[b"type"] == b"group.deleted":
            break  # what was before was another group of that name
        if fields[b"type"] == b"group.rebalanced" and len(found) < most:
            found.append(msgspec.json.decode(fields[b"data"], type=Rebalance))
    return found

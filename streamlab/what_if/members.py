"""Another number of members: whether they keep up, and when they have caught up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf
from typing import NamedTuple

from ..groups.lag_aware import balance
from ..groups.load import work
from ..model import TopicPartition

MOST_MEMBERS = 64


class Load(NamedTuple):
    """What one partition is for the group."""

    partition: TopicPartition
    in_rate: float  # records/s
    lag: int  # records


class Outcome(NamedTuple):
    """A group with so many members, after the rebalance."""

    members: int
    idle: int  # of them, those without a partition
    in_rate: float  # records/s
    could_handle: float  # records/s of those that have partitions, together
    catch_up_s: float | None  # None: never
    held_up_by: TopicPartition | None  # a partition that gets more than one member handles

    @property
    def keeps_up(self) -> bool:
        return self.catch_up_s is not None


def with_members(loads: Sequence[Load], each: float, members: int) -> Outcome:
    """`each`: records/s that one member handles. Partitions are shared out by work, as the assignor lag-aware does.

    >>> two = [Load(TopicPartition("t", n), 30.0, 600) for n in range(2)]
    >>> with_members(two, each=40.0, members=1).catch_up_s is None
    True
    >>> with_members(two, each=40.0, members=2).catch_up_s
    60.0
    >>> with_members(two, each=40.0, members=3).idle
    1
    """
    names = [str(n) for n in range(members)]
    shares: dict[str, list[TopicPartition]] = {name: [] for name in names}
    of = {load.partition: load for load in loads}
    topics = frozenset(load.partition.topic for load in loads)
    weights: Mapping[TopicPartition, float] = {p: work(load.lag, load.in_rate) for p, load in of.items()}
    balance(shares, list(of), dict.fromkeys(names, topics), weights)
    took = [_catch_up_s([of[p] for p in share], each) for share in shares.values() if share]
    worst = max(took, default=0.0)
    hot = max(loads, key=lambda load: load.in_rate, default=None)
    working = sum(bool(share) for share in shares.values())
    return Outcome(
        members=members,
        idle=members - working,
        in_rate=sum(load.in_rate for load in loads),
        could_handle=working * each,
        catch_up_s=None if worst == inf else worst,
        held_up_by=hot.partition if hot is not None and hot.in_rate >= each > 0 else None,
    )


def _catch_up_s(share: Sequence[Load], each: float) -> float:
    spare, lag = each - sum(load.in_rate for load in share), sum(load.lag for load in share)
    if spare <= 0:
        return inf if lag or spare < 0 else 0.0
    return lag / spare


def curve(loads: Sequence[Load], each: float, most: int) -> list[Outcome]:
    """With 1 to `most` members."""
    return [with_members(loads, each, n) for n in range(1, min(most, MOST_MEMBERS) + 1)]


def least(outcomes: Sequence[Outcome]) -> Outcome | None:
    """The fewest members that keep up; None: no number does."""
    return next((outcome for outcome in outcomes if outcome.keeps_up), None)

"""The rules: each a module with its NAME, its LIMITS and a pure function of the world."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from ..finding import Finding
from ..limits import Limit
from ..world import Standing, World
from . import (
    batches,
    burst,
    capacity,
    downstream,
    failing,
    fetches,
    hot,
    intervals,
    lag,
    nobody,
    partitions,
    polls,
    rebalances,
    requests,
    retention,
    slow_member,
)

NAMES: tuple[str, ...] = (
    *lag.NAMES,
    partitions.IDLE,
    rebalances.NAME,
    downstream.NAME,
    *(failing.NAME, failing.RETRIES, failing.AFTER),
    retention.NAME,
    requests.NAME,
    batches.NAME,
    fetches.NAME,
    intervals.NAME,
)
"""Of all findings that there can be."""

OF_LAG = frozenset(lag.NAMES)
"""Causes of a lag: a group has one."""

_MODULES = (lag, nobody, burst, hot, slow_member, partitions, polls, capacity, rebalances, downstream, failing,
            retention, requests, batches, fetches, intervals)  # fmt: skip
LIMITS: tuple[Limit, ...] = tuple(chain.from_iterable(module.LIMITS for module in _MODULES))


def find_all(world: World, standing: Standing) -> Iterator[Finding]:
    """What is to be found now. What one rule explains is not told by another again."""
    storms = list(rebalances.find(world, standing))
    downstreams = list(downstream.find(world, standing))
    tiny = list(batches.find(world, standing))
    yield from storms
    yield from downstreams
    yield from tiny
    yield from (late := list(lag.find(world, standing, {f.group for f in (*storms, *downstreams)})))
    yield from failing.find(world, standing, {f.group for f in downstreams})
    yield from retention.find(world, standing)
    yield from requests.find(world, standing)
    yield from intervals.find(world, standing)
    told = {f.group for f in (*late, *storms)}
    yield from (f for f in partitions.find(world, standing) if f.group not in told)
    filled = {f.topic for f in tiny}
    yield from (f for f in fetches.find(world, standing) if f.topic not in filled)


def held_back(old_rule: str) -> frozenset[str]:
    """Rules of the same group that have to wait while a finding of this one was found lately."""
    if old_rule in OF_LAG:
        return OF_LAG - {old_rule}
    if old_rule == downstream.NAME:
        return OF_LAG | {failing.RETRIES}
    return OF_LAG if old_rule == rebalances.NAME else frozenset()


def contradicts(old: Finding, new: Finding) -> bool:
    """Whether a finding that is about to go cannot stand beside a new one: a lag has one cause."""
    of_lag = {*OF_LAG, partitions.IDLE}
    causes = {*OF_LAG, rebalances.NAME, downstream.NAME}
    of_failing = {failing.NAME, failing.RETRIES, failing.AFTER}
    same = old.group == new.group and old.key != new.key
    return same and (
        (old.rule in of_lag and new.rule in causes)
        or (old.rule in of_failing and new.rule in {*of_failing, downstream.NAME})
    )

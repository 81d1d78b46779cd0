"""Why a group falls behind: the first cause that fits. One finding a group, so that none contradicts another.

nobody reads → the group rebalances all the time, or what it calls is slow (rules of their own) → a burst
→ one partition is hot → one member is slow → no partition for another member → small polls → too slow
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from ..finding import Finding
from ..world import Standing, World
from . import burst, capacity, downstream, hot, nobody, partitions, polls, slow_member
from .behind import BEHIND, GROWTH, Behind, behind

LIMITS = (BEHIND, GROWTH)
NAMES = (
    *(nobody.NAME, burst.NAME, hot.NAME, hot.PARTITION, slow_member.NAME, partitions.NAME, polls.NAME),
    capacity.NAME,
)


def find(world: World, standing: Standing, explained: Collection[str]) -> Iterator[Finding]:
    """`explained`: groups whose lag has been explained by another rule."""
    for name, group in world.snapshot.groups.items():
        if not group.lag:
            continue
        subject = f"group:{name}"
        stands = any(standing(rule, subject) for rule in NAMES)
        found = behind(group, world.flow(name), stands)
        if found is None:
            continue
        finding = nobody.cause(world, found)
        if finding is None and name not in explained and not downstream.undecided(world, name):
            finding = burst.cause(world, found, standing(burst.NAME, subject))
            if finding is None and (stands or not burst.undecided(world, found)):
                finding = _cause(world, found)
        if finding is not None:
            yield finding


def _cause(world: World, found: Behind) -> Finding | None:
    return (
        hot.cause(world, found)
        or slow_member.cause(world, found)
        or partitions.cause(world, found)
        or polls.cause(world, found)
        or capacity.cause(world, found)
    )

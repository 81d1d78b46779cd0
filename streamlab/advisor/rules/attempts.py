"""How many attempts of a group's workers fail. No rule of its own: others rest on it."""

from __future__ import annotations

from dataclasses import dataclass

from ..world import World

ENOUGH = 30
"""With fewer attempts between two looks no share is told."""


@dataclass(frozen=True)
class Tried:
    """What all workers of one group did lately."""

    failing: float  # share of the attempts
    failed_rate: float  # attempts/s
    dead_rate: float  # records/s
    timeouts_rate: float  # attempts/s
    tried_rate: float  # attempts/s


def of_group(world: World, group: str) -> Tried | None:
    """None: too few attempts, or no worker was seen twice."""
    known = [
        done
        for instance, done in world.attempts.items()
        if instance in world.clients and world.clients[instance].group == group
    ]
    tried = sum(a.succeeded + a.failed for a in known)
    if tried < ENOUGH:
        return None
    over_s = max(a.over_s for a in known)
    failed = sum(a.failed for a in known)
    return Tried(
        failing=failed / tried,
        failed_rate=failed / over_s,
        dead_rate=sum(a.dead for a in known) / over_s,
        timeouts_rate=sum(a.timeouts for a in known) / over_s,
        tried_rate=tried / over_s,
    )

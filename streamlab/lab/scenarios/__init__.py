"""The library of scenarios: one-click loads, each with what to look at, what should be seen and which lever helps."""

from __future__ import annotations

from ...errors import IllegalArgumentError
from . import asking, failing, keeping, reading, serving, writing
from .scenario import FIGURES, RECENT, TOLD_BY_CLIENTS, Expect, Lever, Look, Scenario, Sight, Trial, at_least

SCENARIOS: dict[str, Scenario] = {
    scenario.name: scenario
    for scenario in (
        writing.STEADY,
        writing.BURST,
        writing.HOT_KEY,
        writing.HOT_PARTITION,
        writing.TINY_BATCHES,
        serving.FULL_SPEED,
        serving.MANY_PARTITIONS,
        reading.TOO_FEW_PARTITIONS,
        reading.IDLE_MEMBERS,
        reading.SLOW_CONSUMER,
        reading.SLOW_MEMBER,
        reading.FLAPPING,
        reading.NOBODY_READS,
        asking.SMALL_POLLS,
        asking.LONG_POLLS,
        asking.IDLE_FETCHES,
        failing.SLOW_DOWNSTREAM,
        failing.POISON,
        failing.FAILING_AFTER_CHANGE,
        serving.SLOW_COMMAND,
        keeping.RETENTION,
        keeping.REPLAY,
    )
}
"""By name, in the order in which a tour takes them."""


def scenario(name: str) -> Scenario:
    """Raises IllegalArgumentError."""
    found = SCENARIOS.get(name)
    if found is None:
        raise IllegalArgumentError(f"There is no scenario {name!r}. There are: {', '.join(SCENARIOS)}.")
    return found


__all__ = [
    "FIGURES",
    "RECENT",
    "SCENARIOS",
    "TOLD_BY_CLIENTS",
    "Expect",
    "Lever",
    "Look",
    "Scenario",
    "Sight",
    "Trial",
    "at_least",
    "scenario",
]

"""The library of scenarios: one-click loads, each with what to look at, what should be seen and which lever helps."""

from __future__ import annotations

from ...errors import IllegalArgumentError
from . import failing, keeping, reading, writing
from .scenario import FIGURES, Lever, Look, Scenario, Sight

SCENARIOS: dict[str, Scenario] = {
    scenario.name: scenario
    for scenario in (
        writing.STEADY,
        writing.BURST,
        writing.HOT_KEY,
        writing.TINY_BATCHES,
        reading.TOO_FEW_PARTITIONS,
        reading.SLOW_CONSUMER,
        reading.FLAPPING,
        failing.SLOW_DOWNSTREAM,
        failing.POISON,
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


__all__ = ["FIGURES", "SCENARIOS", "Lever", "Look", "Scenario", "Sight", "scenario"]

"""Whether a server is fit for Streamlab: one pure rule a check, each with what to change.

A rule is given `Facts` and answers with a `Finding`. What was not allowed to be asked is unknown, with the reason, and
never taken for good or bad. `ask.py` asks the server, `keeping.py` and `serving.py` judge.

    >>> examine(Facts(info={"redis_version": "6.2.14"}))[0].says
    'Redis 6.2.14 is older than 7.0.'
"""

from __future__ import annotations

from collections.abc import Callable

from . import keeping, serving
from .facts import Facts, Finding, Level, SlowCommand

RULES: tuple[Callable[[Facts], Finding], ...] = (
    serving.version,
    keeping.eviction,
    keeping.append_only_file,
    keeping.fsync,
    keeping.snapshots,
    keeping.replicas,
    keeping.memory,
    serving.scripts,
    serving.rights,
    serving.clock,
    serving.stream_nodes,
    serving.slow_log,
    serving.round_trip,
)


def examine(facts: Facts) -> list[Finding]:
    """Every rule's finding, in the order of `RULES`."""
    return [rule(facts) for rule in RULES]


__all__ = ["RULES", "Facts", "Finding", "Level", "SlowCommand", "examine"]

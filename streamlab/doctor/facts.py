"""What a server said, and what a rule makes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple


class Level(StrEnum):
    OK = "ok"
    WARNING = "warning"  # it works, and will hurt one day
    PROBLEM = "problem"  # it does not work, or loses records
    UNKNOWN = "unknown"  # the server did not say


class Finding(NamedTuple):
    """One check of one server."""

    check: str  # its name, as docs/cli.md lists it
    level: Level
    says: str  # what was found
    means: str = ""  # what follows from it; "" when all is well
    change: str = ""  # the exact command that changes it; "" when there is nothing to change


class SlowCommand(NamedTuple):
    """An entry of the slow log."""

    age_s: float
    took_ms: float
    command: str  # its name and first argument


@dataclass(frozen=True)
class Facts:
    """What a server said. None is what it did not say; `unknown` then has the reason under the same name."""

    info: Mapping[str, Any] | None = None  # INFO, as redis-py parses it
    config: Mapping[str, str] | None = None  # CONFIG GET of the names in `ask.CONFIGS`
    slow: list[SlowCommand] | None = None
    script_error: str | None = None  # None: EVALSHA works
    refused: tuple[str, ...] | None = None  # commands under sl:* that this user may not use
    write_error: str | None = None  # what the server said to a write, besides rights
    user: str | None = None
    round_trips_ms: list[float] = field(default_factory=list)
    clock_ahead_ms: float | None = None  # the server's clock minus this machine's
    clock_doubt_ms: float = 0.0  # half the round trip of that measurement
    unknown: Mapping[str, str] = field(default_factory=dict)

    def setting(self, name: str) -> str | None:
        return None if self.config is None else self.config.get(name)

    def why_unknown(self, what: str) -> str:
        return self.unknown.get(what, "the server did not say")


def unknown(check: str, facts: Facts, what: str, about: str = "") -> Finding:
    return Finding(
        check, Level.UNKNOWN, f"{f'{about}: ' if about else ''}unknown, because {facts.why_unknown(what)}."
    )


def count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"

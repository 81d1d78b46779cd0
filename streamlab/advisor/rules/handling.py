"""How busy the members of a group are, by what they say themselves. No rule of its own: others rest on it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ...metrics.telemetry import ClientTelemetry
from .. import words
from ..world import World, fetched, joined, largest, mean, polled, worked

BUSY_SHARE = 0.7
"""A consumer whose program takes this much of its time away from poll() is busy."""
_HIDDEN = 5
"""So many records that wait for a free handler show that a worker's handlers are all taken."""


@dataclass(frozen=True)
class Handling:
    """Of the members of one group that tell about themselves."""

    members: int
    busy: int  # of them, those that have no time left
    record_ms: float | None  # that a record takes, in the middle
    slowest_ms: float | None  # the 95th percentile of it, since the workers' start; None for plain consumers
    at_once: int  # handlers at the same time in one member, at most
    commit_ms: float | None  # mean of a commit
    commit_rate: float | None  # commits/s of one member, the busiest
    fetch_ms: float | None

    @property
    def saturated(self) -> bool:
        """Whether handling is what takes the time: most of those that are known have none left."""
        return self.members > 0 and self.busy * 2 > self.members

    @property
    def known(self) -> bool:
        return self.members > 0


def of_group(world: World, group: str, only: Iterable[str] | None = None) -> Handling:
    """`only`: member ids; None for all."""
    found = world.members(group)
    wanted = list(found.values()) if only is None else [found[m] for m in only if m in found]
    return Handling(
        members=len(wanted),
        busy=sum(is_busy(client) for client in wanted),
        record_ms=mean([record_ms(client) for client in wanted]),
        slowest_ms=largest([worked(client, "handler-latency-p95-ms") for client in wanted]),
        at_once=int(largest([worked(client, "records-in-flight") for client in wanted]) or 1),
        commit_ms=mean([joined(client, "commit-latency-avg") for client in wanted]),
        commit_rate=largest([joined(client, "commit-rate") for client in wanted]),
        fetch_ms=mean([fetched(client, "fetch-latency-p50") for client in wanted]),
    )


def is_busy(client: ClientTelemetry) -> bool:
    if client.kind == "worker":
        return (worked(client, "records-ready") or 0) >= _HIDDEN
    idle = polled(client, "poll-idle-ratio-avg")
    return idle is not None and 1 - idle >= BUSY_SHARE


def record_ms(client: ClientTelemetry) -> float | None:
    """What one record costs a member; a consumer's is its time outside poll(), shared out over its records."""
    if client.kind == "worker":
        return worked(client, "handler-latency-p50-ms")
    idle, rate = polled(client, "poll-idle-ratio-avg"), fetched(client, "records-consumed-rate")
    return (1 - idle) * 1000 / rate if idle is not None and rate else None


def describe(handling: Handling) -> str:
    """For a sentence: "a record takes 25 ms"."""
    if handling.record_ms is None:
        return "what a record takes is not known"
    slow = handling.slowest_ms
    tail = f", one in twenty more than {words.time(slow)}" if slow and slow > 3 * handling.record_ms else ""
    return f"a record takes {words.time(handling.record_ms)}{tail}"

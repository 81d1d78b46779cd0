"""The evidence of one look. Rules are functions of it and of nothing else; what could not be read is empty or None."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from ..groups.rebalances import Rebalance
from ..metrics.names import WORKING
from ..metrics.of_consumer import FETCHING, MEMBERSHIP, POLLING
from ..metrics.of_producer import GROUP as SENDING
from ..metrics.snapshot import GroupSnapshot, Snapshot
from ..metrics.telemetry import ClientTelemetry
from . import flows
from .flows import GroupFlow
from .onset import Failed

Standing = Callable[[str, str], bool]
"""Whether a rule's finding about a subject stands since an earlier look: `standing("rebalances", "group:x")`."""


SLOW_WINDOW_MS, MOST_SLOW = 60_000, 128
"""Slow commands of so long are looked at, and so many: a server keeps no more unless it is told to."""


@dataclass(frozen=True)
class Kept:
    """What a topic's retention is. -1: no limit."""

    ms: int = -1
    bytes: int = -1  # of a partition


@dataclass(frozen=True)
class HeavyKey:
    partition: int
    text: str  # as it can be shown
    share: float  # of the partition's newest records, 0..1


@dataclass(frozen=True)
class Letters:
    """A sample of the newest dead letters of one topic and group."""

    looked_at: int
    reasons: Sequence[tuple[str, int]]  # the exception and how many died of it, most first


@dataclass(frozen=True)
class Happened:
    """Something that somebody changed: a setting, or a schema."""

    at_ms: int
    entity: str  # group:revenue; a schema's subject as schema:orders-value
    says: str  # "max_poll_records of group:revenue from 500 to 5"
    by: str = ""


@dataclass(frozen=True)
class Attempts:
    """What a worker did between two looks."""

    over_s: float
    succeeded: float
    failed: float
    dead: float
    timeouts: float


@dataclass(frozen=True)
class SlowCommand:
    at_ms: int
    took_ms: float
    name: str


@dataclass(frozen=True)
class Server:
    """Of all masters the worst."""

    slow: Sequence[SlowCommand] = ()  # of the last minute
    slower_than_ms: float | None = None  # what the slow log takes down
    fsyncs_delayed: int | None = None  # since the look before; None: not known
    rewriting: bool = False  # a fork for the append-only file or a dump is at work
    evicts: bool = False
    write_error: bool = False  # the append-only file or the dump could not be written
    reads_rate: float | None = None  # XREAD calls/s since the look before


@dataclass(frozen=True)
class World:
    now_ms: int  # server time of the snapshot
    snapshot: Snapshot
    past: Sequence[Snapshot] = ()  # of the last minute, oldest first
    clients: Mapping[str, ClientTelemetry] = field(
        default_factory=dict
    )  # by instance; those that are away are not
    rebalances: Mapping[str, Sequence[Rebalance]] = field(default_factory=dict)  # by group, newest first
    changes: Sequence[Happened] = ()  # newest first
    dead_letters: Mapping[str, tuple[str, str]] = field(
        default_factory=dict
    )  # topic of letters -> topic, group
    kept: Mapping[str, Kept] = field(default_factory=dict)  # by topic
    attempts: Mapping[str, Attempts] = field(default_factory=dict)  # by instance of a worker
    server: Server = Server()
    calm_rates: Mapping[str, float] = field(
        default_factory=dict
    )  # by topic: right before a sudden rise of the last 15 min; a topic without one is not in it
    heavy_keys: Mapping[str, Sequence[HeavyKey]] = field(default_factory=dict)  # by topic
    letters: Mapping[tuple[str, str], Letters] = field(default_factory=dict)  # by topic and group
    deaths: Mapping[tuple[str, str], Sequence[Failed]] = field(
        default_factory=dict
    )  # by topic and group, second by second, where letters come in and something was changed
    failures: Mapping[str, Sequence[Failed]] = field(
        default_factory=dict
    )  # of attempts, by group, look by look
    known_flows: dict[str, GroupFlow | None] = field(
        default_factory=dict
    )  # what flow() found in this snapshot and past; by group

    def flow(self, group: str) -> GroupFlow | None:
        """What goes in and out of a group's partitions; None: not known for long enough."""
        if group not in self.known_flows:
            self.known_flows[group] = flows.of_group(self.past, self.snapshot, group)
        return self.known_flows[group]

    def members(self, group: str) -> dict[str, ClientTelemetry]:
        """What the members of a group say of themselves, by member id."""
        return self._of_groups.get(group, {})

    @cached_property
    def _of_groups(self) -> dict[str, dict[str, ClientTelemetry]]:
        found: dict[str, dict[str, ClientTelemetry]] = {}
        for client in self.clients.values():
            if client.group and client.member_id:
                found.setdefault(client.group, {})[client.member_id] = client
        return found

    def partitions_of(self, group: GroupSnapshot) -> int:
        """Of all topics that its members want; what nobody has committed on yet included."""
        wanted = {topic for member in group.members for topic in member.topics}
        return sum(len(self.snapshot.topics[t].partitions) for t in wanted if t in self.snapshot.topics)


def figure(client: ClientTelemetry, group: str, name: str) -> float | None:
    return client.metrics.get(group, {}).get(name)


def sent(client: ClientTelemetry, name: str) -> float | None:
    """A producer's figure."""
    return figure(client, SENDING, name)


def fetched(client: ClientTelemetry, name: str) -> float | None:
    return figure(client, FETCHING, name)


def polled(client: ClientTelemetry, name: str) -> float | None:
    return figure(client, POLLING, name)


def joined(client: ClientTelemetry, name: str) -> float | None:
    return figure(client, MEMBERSHIP, name)


def worked(client: ClientTelemetry, name: str) -> float | None:
    return figure(client, WORKING, name)


def mean(values: Sequence[float | None]) -> float | None:
    """Of what is known; None when nothing is.

    >>> mean([1.0, None, 3.0]), mean([None])
    (2.0, None)
    """
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def largest(values: Sequence[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)

"""A consumer's figures under Kafka's names. Its threads count; whoever reads works out the last half minute."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import nan
from typing import Any

from ..clock import SYSTEM_CLOCK, Clock
from ..model import ConsumerRecord
from .distribution import Distribution, Sketch, Weighted
from .windows import Window

FETCHING = "consumer-fetch-manager-metrics"
POLLING = "consumer-metrics"
MEMBERSHIP = "consumer-coordinator-metrics"


class Pace:
    """How often poll() is called, and how long it waits: two looks at the clock a call."""

    __slots__ = ("_clock", "began", "between_ms", "inside", "inside_s", "polls")

    def __init__(self, clock: Clock = SYSTEM_CLOCK):
        self._clock = clock.monotonic
        self.polls = 0
        self.began = 0.0  # monotonic seconds of the newest call
        self.inside = False  # a call has not returned yet
        self.inside_s = 0.0  # in calls that have returned
        self.between_ms = Distribution(clock)  # from one call to the next

    def enter(self) -> None:
        now = self._clock()
        if self.polls:
            self.between_ms.add((now - self.began) * 1000)
        self.polls += 1
        self.began = now
        self.inside = True

    def leave(self) -> None:
        self.inside = False
        self.inside_s += self._clock() - self.began

    def inside_until(self, now: float) -> float:
        """Seconds in poll() since the start, the call under way included."""
        began = self.began
        return self.inside_s + (max(0.0, now - began) if self.inside else 0.0)


@dataclass
class FetchStats:
    """Totals since the start, counted by the fetcher's thread."""

    fetches: int = 0  # those that brought something
    bytes: int = 0
    records: int = 0
    fetch_bytes: Distribution = field(default_factory=Distribution)
    fetch_ms: Distribution = field(default_factory=Distribution)

    def count_fetch(self, size_bytes: int, took_ms: float) -> None:
        self.fetches += 1
        self.fetch_bytes.add(size_bytes)
        self.fetch_ms.add(took_ms)


@dataclass
class MemberStats:
    """Totals since the start, of commits and rebalances."""

    commits: int = 0
    commit_ms: Distribution = field(default_factory=Distribution)
    rebalances: int = 0  # of this member's own partitions
    rebalance_ms: Distribution = field(default_factory=Distribution)  # from the news to all partitions taken
    last_rebalance: float = nan  # monotonic seconds


SAMPLES = 8
"""Records whose age is looked at, of those that a poll() returns of one partition; up to 15 where there are few."""
ALIKE = 0.01
"""Ages that differ by less are one: so it is when a consumer catches up, which is when it must be quick."""


EVERY_S = 0.002
"""Polls that follow each other more quickly are not looked at: the next one stands for them too."""


class Ages:
    """How old records are when poll() hands them out: from their timestamp, by the server's clock.

    Within a partition ages fall steadily, so a few of them stand for all: the cost is a poll()'s, not a record's. A
    record is at least as old as its batch's append, which the server has dated; so a producer whose clock is
    ahead cannot make it younger.
    """

    __slots__ = ("_add", "_due", "_passed", "ms")

    def __init__(self, clock: Clock = SYSTEM_CLOCK):
        self.ms = Weighted(clock)
        self._add = self.ms.add
        self._due = 0.0  # monotonic seconds of the next poll that is looked at
        self._passed = 0  # records of polls since the last one that was

    def passes(self, polled: Mapping[Any, Sequence[ConsumerRecord]], began: float) -> bool:
        """Whether this poll, begun then (monotonic seconds), is one of those that another one stands for."""
        if began >= self._due:
            self._due = began + EVERY_S
            return False
        self._passed += sum(map(len, polled.values()))
        return True

    def note(self, records: Sequence[ConsumerRecord], now_ms: float, append_ms: int | None) -> None:
        """`now_ms` and `append_ms` (of the newest of them; None: not known) are server time.

        >>> ages = Ages()
        >>> ages.note([ConsumerRecord("t", 0, n, 1_000 + n, None, b"") for n in range(4)], 1_010.0, 1_004)
        >>> ages.ms.read().count, ages.ms.read().mean
        (4, 8.5)
        """
        many = len(records)
        least = 0.0 if append_ms is None or append_ms > now_ms else now_ms - append_ms
        oldest, newest = now_ms - records[0].timestamp, now_ms - records[-1].timestamp
        passed, self._passed = self._passed, 0
        if 0 <= oldest - newest <= ALIKE * newest:
            self._add((max(least, newest), many + passed))
            return
        if passed:
            self._add((max(least, now_ms - records[many // 2].timestamp), passed))
        step = many // SAMPLES or 1
        for first in range(0, many, step):
            age = now_ms - records[first].timestamp
            self._add((age if age > least else least, min(step, many - first)))


class ConsumerFigures:
    """What `Consumer.metrics()` says. Rates, means and largest are those of the last half minute."""

    def __init__(
        self,
        pace: Pace,
        fetching: FetchStats,
        member: MemberStats,
        ages: Ages,
        clock: Clock = SYSTEM_CLOCK,
    ):
        self._pace = pace
        self._fetching = fetching
        self._member = member
        self._ages = ages
        self._clock = clock
        self._window = Window(tuple(self._totals(0.0)), clock)

    def _totals(self, now: float) -> dict[str, float]:
        return {
            "fetches": self._fetching.fetches,
            "bytes": self._fetching.bytes,
            "records": self._fetching.records,
            "commits": self._member.commits,
            "polls": self._pace.polls,
            "inside_s": self._pace.inside_until(now),
        }

    def named(
        self, lag_max: float, lost: int, assigned: int, last_heartbeat: float
    ) -> dict[str, dict[str, float]]:
        now = self._clock.monotonic()
        lately = self._window.look(self._totals(now))
        pace, fetching, member = self._pace, self._fetching, self._member
        return {
            FETCHING: {
                "fetch-total": float(fetching.fetches),
                "fetch-rate": lately.rate("fetches"),
                **fetching.fetch_bytes.read().named("fetch-size"),
                **fetching.fetch_ms.read().named("fetch-latency", 50, 95, 99),
                "bytes-consumed-total": float(fetching.bytes),
                "bytes-consumed-rate": lately.rate("bytes"),
                "records-consumed-total": float(fetching.records),
                "records-consumed-rate": lately.rate("records"),
                "records-per-request-avg": lately.each("records", "fetches"),
                "records-lag-max": lag_max,
                "records-lost-total": float(lost),
                **self._ages.ms.read().named("end-to-end-latency", 50, 95, 99),
            },
            POLLING: {
                "poll-idle-ratio-avg": min(1.0, lately.rate("inside_s")) if pace.polls else nan,
                **pace.between_ms.read().named("time-between-poll"),
                "last-poll-seconds-ago": now - pace.began if pace.polls else nan,
            },
            MEMBERSHIP: {
                "assigned-partitions": float(assigned),
                "commit-total": float(member.commits),
                "commit-rate": lately.rate("commits"),
                **member.commit_ms.read().named("commit-latency", 99),
                "rebalance-total": float(member.rebalances),
                **member.rebalance_ms.read().named("rebalance-latency"),
                "last-rebalance-seconds-ago": now - member.last_rebalance,
                "last-heartbeat-seconds-ago": now - last_heartbeat,
            },
        }

    def sketches(self) -> Mapping[str, Sketch]:
        return {
            "fetch-latency": self._fetching.fetch_ms.ever(),
            "commit-latency": self._member.commit_ms.ever(),
            "end-to-end-latency": self._ages.ms.ever(),
        }

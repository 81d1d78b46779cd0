"""What went in and out of each partition over the last half minute: from whole snapshots, ten seconds apart.

Counters are compared, so these are exact whatever happened in between. Pure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from ..metrics.positions import GroupPartition
from ..metrics.snapshot import GroupSnapshot, Snapshot

WINDOW_MS = 45_000
"""How far back the slope of a lag looks."""
LEAST_MS = 25_000
"""With less than this behind it, nothing is said of a slope."""
RECENT_MS = 22_000
"""What holds right now is judged over this: it sees a remedy sooner."""


@dataclass(frozen=True)
class PartitionFlow:
    """One partition as one group reads it."""

    topic: str
    partition: int
    owner: str | None  # member id
    lag: int
    in_rate: float  # records/s
    out_rate: float
    recent_in_rate: float  # over RECENT_MS
    recent_out_rate: float  # likewise
    lags: Sequence[tuple[int, int]]  # (server time in ms, lag), oldest first, now last

    @cached_property
    def slope(self) -> float:
        """Of the lag, records/s, over WINDOW_MS."""
        return slope_per_s(self.lags)

    @cached_property
    def recent_slope(self) -> float:
        """Of the lag, records/s, over RECENT_MS."""
        now_ms = self.lags[-1][0]
        return slope_per_s([point for point in self.lags if now_ms - point[0] <= RECENT_MS])


@dataclass(frozen=True)
class GroupFlow:
    """One group over all its partitions."""

    group: str
    partitions: list[PartitionFlow]  # those that are known for the whole window
    span_ms: int  # how long the window is

    @property
    def lag(self) -> int:
        return sum(p.lag for p in self.partitions)

    @property
    def in_rate(self) -> float:
        return sum(p.in_rate for p in self.partitions)

    @property
    def out_rate(self) -> float:
        return sum(p.out_rate for p in self.partitions)

    @property
    def slope(self) -> float:
        return sum(p.slope for p in self.partitions)

    @property
    def recent_slope(self) -> float:
        return sum(p.recent_slope for p in self.partitions)

    @cached_property
    def topics(self) -> list[str]:
        return sorted({p.topic for p in self.partitions})

    @property
    def busiest_topic(self) -> str:
        """The one that most of the lag is on; "" when there is none."""
        lags: Counter[str] = Counter()
        for partition in self.partitions:
            lags[partition.topic] += partition.lag
        return max(self.topics, key=lambda topic: lags[topic], default="")

    @property
    def behind_s(self) -> float | None:
        """The lag in seconds of what comes in; None when nothing comes in."""
        return self.lag / self.in_rate if self.in_rate > 0 else None

    def by_owner(self) -> dict[str, list[PartitionFlow]]:
        found: dict[str, list[PartitionFlow]] = {}
        for partition in self.partitions:
            if partition.owner is not None:
                found.setdefault(partition.owner, []).append(partition)
        return found


def slope_per_s(points: Sequence[tuple[int, float]]) -> float:
    """Least squares through (ms, value); 0 with fewer than two moments.

    >>> slope_per_s([(0, 0.0), (10_000, 200.0), (20_000, 400.0)])
    20.0
    """
    n = len(points)
    mean_t = sum(t for t, _ in points) / n if n else 0.0
    mean_v = sum(v for _, v in points) / n if n else 0.0
    spread = sum((t - mean_t) ** 2 for t, _ in points)
    return sum((t - mean_t) * (v - mean_v) for t, v in points) / spread * 1000 if spread else 0.0


def of_group(past: Sequence[Snapshot], now: Snapshot, group: str) -> GroupFlow | None:
    """`past` is oldest first. None: the group was not there for LEAST_MS, or no lag of it is known."""
    window = [s for s in past if now.as_of_ms - WINDOW_MS <= s.as_of_ms < now.as_of_ms and group in s.groups]
    if group not in now.groups or not window or now.as_of_ms - window[0].as_of_ms < LEAST_MS:
        return None
    before = [(s.as_of_ms, _positions(s.groups[group])) for s in window]
    of_each = (_flow(position, before, now.as_of_ms) for position in now.groups[group].partitions)
    partitions = [flow for flow in of_each if flow is not None]
    return GroupFlow(group, partitions, now.as_of_ms - before[0][0]) if partitions else None


_Positions = dict[tuple[str, int], GroupPartition]


def _positions(group: GroupSnapshot) -> _Positions:
    return {(p.topic, p.partition): p for p in group.partitions}


def _flow(now: GroupPartition, before: Sequence[tuple[int, _Positions]], now_ms: int) -> PartitionFlow | None:
    """None: without a lag now or for long enough."""
    if now.lag is None:
        return None
    place = now.topic, now.partition
    earlier = [
        (ms, p, p.lag)
        for ms, positions in before
        if (p := positions.get(place)) is not None and p.lag is not None
    ]
    if not earlier or now_ms - earlier[0][0] < LEAST_MS:
        return None
    first_ms, first, _ = earlier[0]
    recent_ms, recent, _ = next((e for e in earlier if now_ms - e[0] <= RECENT_MS), earlier[-1])
    return PartitionFlow(
        topic=now.topic,
        partition=now.partition,
        owner=now.owner,
        lag=now.lag,
        in_rate=_per_s(now.log_end - first.log_end, now_ms - first_ms),
        out_rate=_per_s((now.committed or 0) - (first.committed or 0), now_ms - first_ms),
        recent_in_rate=_per_s(now.log_end - recent.log_end, now_ms - recent_ms),
        recent_out_rate=_per_s((now.committed or 0) - (recent.committed or 0), now_ms - recent_ms),
        lags=[*((ms, lag) for ms, _, lag in earlier), (now_ms, now.lag)],
    )


def _per_s(records: int, took_ms: int) -> float:
    """A log that lost its end, or a position that was set back, did not go backwards: nothing came."""
    return max(0, records) * 1000 / took_ms


def appended(past: Iterable[Snapshot], now: Snapshot, topic: str) -> tuple[int, float] | None:
    """Records appended to a topic since the oldest of these snapshots, and over how many seconds; None: unknown.

    A topic that was not there yet had none.
    """
    oldest = min(past, key=lambda s: s.as_of_ms, default=None)
    if oldest is None or topic not in now.topics or now.as_of_ms <= oldest.as_of_ms:
        return None
    ends = [
        sum(p.log_end for p in s.topics[topic].partitions) if topic in s.topics else 0 for s in (oldest, now)
    ]
    return max(0, ends[1] - ends[0]), (now.as_of_ms - oldest.as_of_ms) / 1000

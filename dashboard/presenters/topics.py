"""A topic's snapshot in words and figures, with the groups that read it."""

from __future__ import annotations

from dataclasses import dataclass

from streamlab.metrics.positions import OnTopic
from streamlab.metrics.snapshot import GroupSnapshot, PartitionSnapshot, Snapshot, TopicSnapshot

from . import groups, skew
from .figures import Figure, byte_rate, count, duration, moment, percent, rate, ratio, size
from .paths import path_to
from .words import SEVERITY, Status, Tone


@dataclass(frozen=True)
class Reader:
    """A group that reads a topic. Its figures are made where they are drawn: a list draws those of a few."""

    group: str
    status: Status
    of: GroupSnapshot
    on: OnTopic  # how far it is there

    @property
    def href(self) -> str:
        return path_to("group", self.group)

    @property
    def members(self) -> Figure:
        return count(len(self.of.members), "members")

    @property
    def lag(self) -> Figure:
        return count(self.on.lag, reason=groups.NEVER_COMMITTED)

    @property
    def time_lag(self) -> Figure:
        return duration(self.on.time_lag_ms, groups.NEVER_COMMITTED)

    @property
    def consumed(self) -> Figure:
        return rate(self.on.consumed_rate)


@dataclass(frozen=True)
class TopicRow:
    """One topic in a list."""

    name: str
    internal: bool
    partitions: Figure
    rate: Figure
    byte_rate: Figure
    records: Figure
    size: Figure
    skew: Status
    skew_value: float | None  # max / mean, for sorting
    lag: Figure  # the worst group's
    time_lag: Figure  # the worst group's
    status: Status  # the worst group's
    dead: Figure
    retrying: Figure
    readers: list[Reader]

    @property
    def href(self) -> str:
        return path_to("topic", self.name)

    @property
    def more_readers(self) -> int:
        """Groups that a list leaves out after the four furthest behind."""
        return max(0, len(self.readers) - 4)


def readers(snapshot: Snapshot, topic: str, statuses: groups.Statuses) -> list[Reader]:
    """The groups of a topic, the furthest behind first."""
    found = [
        Reader(g.group, statuses.of(g), g, g.partitions.on_topic(topic))
        for g in groups.reading(snapshot, topic)
    ]
    return sorted(found, key=lambda r: (-(r.on.lag or 0), r.group))


def health(reading: list[Reader]) -> Status:
    """The word of the group that is worst off."""
    if not reading:
        return Status("unread", Tone.IDLE, "No group reads it")
    worst = min(reading, key=lambda r: SEVERITY[r.status.tone])
    return Status(worst.status.word, worst.status.tone, f"{worst.group}: {worst.status.why}".rstrip(": "))


def row(
    snapshot: Snapshot,
    topic: TopicSnapshot,
    statuses: groups.Statuses,
    dead: int | None = None,
    retrying: int | None = None,
) -> TopicRow:
    """`dead` and `retrying`: None where they are not known."""
    reading = readers(snapshot, topic.topic, statuses)
    known = [r.on.lag for r in reading if r.on.lag is not None]
    ages = [r.on.time_lag_ms for r in reading if r.on.time_lag_ms is not None]
    return TopicRow(
        name=topic.topic,
        internal=topic.internal,
        partitions=count(len(topic.partitions), "partitions"),
        rate=rate(topic.rate),
        byte_rate=byte_rate(topic.byte_rate),
        records=count(topic.records, "records kept now"),
        size=size(topic.size_bytes),
        skew=skew.in_a_word(topic),
        skew_value=topic.skew.max_over_mean if topic.skew else None,
        lag=count(max(known) if known else None, reason="No group reads this topic with a commit"),
        time_lag=duration(max(ages) if ages else None, "No group reads this topic with a commit"),
        status=health(reading),
        dead=count(dead, "dead letters", "It is not kept of earlier moments"),
        retrying=count(retrying, "records wait to be tried again", "No worker reads it"),
        readers=reading,
    )


@dataclass(frozen=True)
class PartitionRow:
    partition: int
    log_start: Figure
    log_end: Figure
    records: Figure
    size: Figure
    rate: Figure
    share: Figure  # of the topic's records
    traffic: Figure  # of the topic's rate now
    share_value: float  # 0..1 for the bar
    last_append: Figure
    hot: bool


def partition_rows(topic: TopicSnapshot, now_ms: int) -> list[PartitionRow]:
    hot = set(topic.skew.hot) if topic.skew else set()
    return [_partition_row(p, topic, p.partition in hot, now_ms) for p in topic.partitions]


def _partition_row(p: PartitionSnapshot, topic: TopicSnapshot, hot: bool, now_ms: int) -> PartitionRow:
    share = groups.log_share(p, topic)
    return PartitionRow(
        partition=p.partition,
        log_start=count(p.log_start, "is the first offset kept"),
        log_end=count(p.log_end, "is the offset that the next record gets"),
        records=count(p.log_end - p.log_start, "records kept now"),
        size=size(p.size_bytes),
        rate=rate(p.rate),
        share=percent(share if topic.records else None, "Nothing is stored"),
        traffic=percent(_traffic(p, topic), "Nothing arrived in the last second"),
        share_value=share,
        last_append=moment(p.last_append_ms, now_ms, "Nothing was ever appended"),
        hot=hot,
    )


def _traffic(p: PartitionSnapshot, topic: TopicSnapshot) -> float | None:
    if not topic.rate or p.rate is None:
        return None
    return p.rate / topic.rate


@dataclass(frozen=True)
class SkewFigures:
    status: Status
    max_over_mean: Figure
    variation: Figure
    gini: Figure
    hot: list[int]


def skew_figures(topic: TopicSnapshot) -> SkewFigures:
    """The numbers behind the word, each unknown where there is nothing to compare."""
    status, s = skew.in_a_word(topic), topic.skew
    return SkewFigures(
        status=status,
        max_over_mean=ratio(s.max_over_mean if s else None, status.why),
        variation=percent(s.variation if s else None, status.why),
        gini=_plain(s.gini if s else None, status.why),
        hot=s.hot if s else [],
    )


def _plain(value: float | None, reason: str) -> Figure:
    return Figure("—", exact=reason) if value is None else Figure(f"{value:.2f}", "", f"{value:.4f}", value)

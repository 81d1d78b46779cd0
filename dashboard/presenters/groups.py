"""A group's snapshot in words and figures: how far, how old, which way, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from streamlab.metrics.positions import GroupPartition
from streamlab.metrics.snapshot import (
    GroupSnapshot,
    Member,
    PartitionSnapshot,
    Snapshot,
    TopicSnapshot,
)

from .figures import Figure, count, duration, moment, percent, rate
from .trend import UNKNOWN, Direction, Trend
from .words import SEVERITY, Status, Tone, plural

LATE_MS = 30_000
"""A group whose oldest unread record is older than this is late, whatever its lag counts."""
NO_LONGER_LATE_MS = 25_000
WAITING_MS = 5_000
"""A lag that rises is worth a word only when records wait longer than this: between commits it always rises."""
NO_LONGER_WAITING_MS = 3_000
NEVER_COMMITTED = "Never committed, so there is nothing to measure from"
NOTHING_COMMITTED = "The group has not committed on any partition yet"


def lost(group: GroupSnapshot) -> int:
    """Records that retention removed before the group read them."""
    return group.partitions.lost


def waiting(group: GroupSnapshot) -> int:
    """Records that are there to be read: the lag counts those, too, that were removed unread."""
    return (group.lag or 0) - group.partitions.lost - group.partitions.purged


def gone_unread(group: GroupSnapshot) -> str:
    """Of the lag, what nobody can read any more; "" when all is there.

    Kafka counts it in the lag too, until the group commits behind it.
    """
    parts = ((group.partitions.purged, "purged"), (group.partitions.lost, "lost"))
    told = " and ".join(f"{n:,} {word}" for n, word in parts if n)
    return f"{told} unread" if told else ""


def topics(group: GroupSnapshot) -> list[str]:
    """Every topic that the group has committed on or subscribes to, by name."""
    return sorted(set(group.partitions.topics).union(*(m.topics for m in group.members)))


def unread(group: GroupSnapshot) -> list[GroupPartition]:
    """Partitions that hold records nobody of the group is there to read; none while an operator wants it so."""
    if group.paused:
        return []
    return [p for p in group.partitions if p.owner is None and p.lag != 0]


def status(group: GroupSnapshot, heading: Trend) -> Status:
    """One word for a group, worst first. `heading` is the trend of its lag.

    Every part of every page says this word. It changes only with what held for some samples, so that it does not
    come and go around a threshold.

    lost     records were removed unread
    stopped  records wait and no member reads: bad while more come in, a note when nothing came in for a minute,
             as after a reader or a load that was ended
    paused   an operator wants that its members read nothing: what waits is no fault of theirs
    late     the oldest unread record is older than LATE_MS and the lag is not falling
    behind   records wait longer than LATE_MS, but the lag falls; or the lag rises
    moving   members, but partitions are changing hands
    purged   somebody deleted records that the group had not read, as they wanted: a note until it commits behind them
    nothing  members, but no commit to measure from
    idle     no members, nothing to read
    ok       reads along
    """
    gone = lost(group)
    if gone:
        return Status(
            "lost records", Tone.BAD, f"Retention removed {plural(gone, 'record')} before the group read them"
        )
    if not group.members:
        return _without_members(group, heading)
    if group.paused:
        return Status("paused", Tone.NOTE, f"{_waiting(group)}; resume it when that is over")
    late = heading.older_than(LATE_MS, NO_LONGER_LATE_MS, group.time_lag_ms)
    if late and heading.held is not Direction.FALLING:
        return Status(
            "late", Tone.BAD, f"The oldest unread record has waited {duration(group.time_lag_ms).plain}"
        )
    if late:
        return Status("catching up", Tone.WARN, f"Late, but the lag is {_pace(heading)}")
    waiting = heading.older_than(WAITING_MS, NO_LONGER_WAITING_MS, group.time_lag_ms)
    if waiting and heading.held is Direction.RISING:
        return Status("falling behind", Tone.WARN, f"The lag is {_pace(heading)}")
    if group.state in ("Assigning", "Reconciling"):
        return Status("rebalancing", Tone.NOTE, "Partitions are changing hands")
    if group.partitions.purged:
        return _purged(group)
    if group.lag is None:
        return Status("nothing committed yet", Tone.NOTE, NOTHING_COMMITTED)
    return Status("ok", Tone.OK, "Reads along")


def _without_members(group: GroupSnapshot, heading: Trend) -> Status:
    if not waiting(group):
        if group.partitions.purged:
            return _purged(group)
        return Status("idle", Tone.IDLE, "Nobody reads, and nothing waits")
    wait = f"{_waiting(group)} and the group has no members"
    if heading.at_rest:
        return Status("stopped", Tone.NOTE, f"{wait}; nothing more comes in")
    return Status("stopped", Tone.BAD, wait)


def _waiting(group: GroupSnapshot) -> str:
    n = waiting(group)
    return f"{plural(n, 'record')} {'waits' if n == 1 else 'wait'}" if n else "Nothing waits"


def _purged(group: GroupSnapshot) -> Status:
    n = group.partitions.purged
    return Status(
        "purged unread", Tone.NOTE, f"Somebody deleted {plural(n, 'record')} before the group read them"
    )


def _pace(heading: Trend) -> str:
    """What the lag does now, or what it did until a moment ago."""
    return heading.words if heading.direction is heading.held else heading.held.value


class Statuses:
    """The status of each group of a snapshot, judged when it is first asked for. `trends` holds theirs by name."""

    def __init__(self, trends: Mapping[str, Trend]):
        self._trends = trends
        self._known: dict[str, Status] = {}

    def of(self, group: GroupSnapshot) -> Status:
        if group.group not in self._known:
            self._known[group.group] = status(group, self._trends.get(group.group, UNKNOWN))
        return self._known[group.group]


@dataclass(frozen=True)
class GroupRow:
    """One group in a list."""

    name: str
    state: str
    status: Status
    members: Figure
    topics: list[str]
    partitions: int
    lag: Figure
    time_lag: Figure
    consumed: Figure
    trend: Trend

    @property
    def severity(self) -> tuple[int, float, float, str]:
        """Sorts what wants attention first; among equals the larger lag, then the busier."""
        return SEVERITY[self.status.tone], -(self.lag.value or 0), -(self.consumed.value or 0), self.name


def row(group: GroupSnapshot, heading: Trend) -> GroupRow:
    return GroupRow(
        name=group.group,
        state=group.state,
        status=status(group, heading),
        members=count(len(group.members), "members"),
        topics=topics(group),
        partitions=len(group.partitions),
        lag=count(group.lag, reason=NOTHING_COMMITTED),
        time_lag=duration(group.time_lag_ms, NOTHING_COMMITTED),
        consumed=rate(group.consumed_rate),
        trend=heading,
    )


@dataclass(frozen=True)
class PartitionRow:
    """One partition as a group sees it."""

    topic: str
    partition: int
    committed: Figure
    log_end: Figure
    lag: Figure
    lag_share: float  # of the group's lag, 0..1, for the bar
    time_lag: Figure
    commit_age: Figure
    consumed: Figure
    owner: str | None  # client id of the owner
    owner_title: str
    lost: int
    purged: int


def partition_rows(group: GroupSnapshot, shown: Iterable[GroupPartition], now_ms: int) -> list[PartitionRow]:
    """Of these partitions of the group."""
    owners = {m.member_id: m for m in group.members}
    return [_partition_row(p, group.lag or 0, owners.get(p.owner or ""), now_ms) for p in shown]


def _partition_row(p: GroupPartition, total_lag: int, owner: Member | None, now_ms: int) -> PartitionRow:
    return PartitionRow(
        topic=p.topic,
        partition=p.partition,
        committed=count(p.committed, "is the next offset to read", NEVER_COMMITTED),
        log_end=count(p.log_end, "is the offset that the next record gets"),
        lag=count(p.lag, reason=NEVER_COMMITTED),
        lag_share=(p.lag or 0) / total_lag if total_lag else 0.0,
        time_lag=duration(p.time_lag_ms, NEVER_COMMITTED),
        commit_age=moment(p.commit_ms, now_ms, "Never committed"),
        consumed=rate(p.consumed_rate),
        owner=owner.client_id if owner else p.owner,
        owner_title=f"Member {p.owner}" if p.owner else "Nobody of the group reads this partition",
        lost=p.lost,
        purged=p.purged,
    )


def compact(partitions: Iterable[str], most_topics: int = 8) -> str:
    """
    >>> compact(["orders/0", "orders/2", "paid/1"])
    'orders 0, 2; paid 1'
    >>> compact(["orders/0", "orders/2", "paid/1", "sent/0"], most_topics=1)
    'orders 0, 2; and 2 of 2 more topics'
    """
    by_topic: dict[str, list[str]] = {}
    for name in partitions:
        topic, _, number = name.rpartition("/")
        by_topic.setdefault(topic, []).append(number)
    named = sorted(by_topic.items())
    words = [f"{topic} {', '.join(sorted(numbers, key=int))}" for topic, numbers in named[:most_topics]]
    if rest := named[most_topics:]:
        words.append(f"and {sum(len(numbers) for _, numbers in rest)} of {plural(len(rest), 'more topic')}")
    return "; ".join(words)


@dataclass(frozen=True)
class MemberRow:
    member_id: str
    client_id: str
    host: str
    instance_id: str | None
    owned: Sequence[str]
    coming: list[str]  # assigned, not owned yet
    leaving: list[str]  # owned, assigned to somebody else
    share: Figure  # of the group's partitions
    lease: Figure

    @property
    def owned_words(self) -> str:
        return compact(self.owned) or "nothing"

    @property
    def coming_words(self) -> str:
        return compact(self.coming)

    @property
    def leaving_words(self) -> str:
        return compact(self.leaving)


def member_rows(group: GroupSnapshot) -> list[MemberRow]:
    partitions = len(group.partitions)
    return [
        _member_row(m, partitions) for m in sorted(group.members, key=lambda m: (m.client_id, m.member_id))
    ]


def _member_row(m: Member, partitions: int) -> MemberRow:
    return MemberRow(
        member_id=m.member_id,
        client_id=m.client_id,
        host=m.host,
        instance_id=m.instance_id,
        owned=m.owned,
        coming=[] if m.assigned == m.owned else sorted(set(m.assigned) - set(m.owned)),
        leaving=[] if m.assigned == m.owned else sorted(set(m.owned) - set(m.assigned)),
        share=percent(len(m.owned) / partitions if partitions else None, "The group reads no partition"),
        lease=duration(m.lease_left_ms),
    )


@dataclass(frozen=True)
class MatrixLine:
    """A member's line in the assignment matrix of one topic: one cell a partition."""

    client_id: str
    member_id: str
    cells: list[str]  # "own", "coming", "leaving" or "" for each partition


@dataclass(frozen=True)
class Matrix:
    topic: str
    partitions: list[int]
    lines: list[MatrixLine]
    orphans: list[int]  # partitions that nobody owns and nobody is about to


MATRIX_LIMIT = 64
"""A matrix wider than this tells less than the table below it."""


def matrices(group: GroupSnapshot, topics: Iterable[str]) -> list[Matrix]:
    """Who reads which partition of these topics, a matrix a topic."""
    members = sorted(group.members, key=lambda m: (m.client_id, m.member_id))
    holdings = [(m, set(m.owned), set(m.assigned)) for m in members]
    found = []
    for topic in topics:
        partitions = [p.partition for p in group.partitions.on(topic)]
        if not partitions or len(partitions) > MATRIX_LIMIT:
            continue
        lines = [
            MatrixLine(m.client_id, m.member_id, [_cell(f"{topic}/{p}", owned, assigned) for p in partitions])
            for m, owned, assigned in holdings
        ]
        orphans = [p for i, p in enumerate(partitions) if not any(line.cells[i] for line in lines)]
        found.append(Matrix(topic, partitions, lines, orphans))
    return found


def _cell(name: str, owned: set[str], assigned: set[str]) -> str:
    if name in owned:
        return "own" if name in assigned else "leaving"
    return "coming" if name in assigned else ""


def log_share(p: PartitionSnapshot, topic: TopicSnapshot) -> float:
    """A partition's share of what the topic keeps, 0..1."""
    return (p.log_end - p.log_start) / topic.records if topic.records else 0.0


def reading(snapshot: Snapshot, topic: str) -> list[GroupSnapshot]:
    """The groups that read a topic, by name."""
    named = snapshot.topics[topic].groups if topic in snapshot.topics else []
    return [snapshot.groups[name] for name in sorted(named) if name in snapshot.groups]


def is_idle(group: GroupSnapshot) -> bool:
    """Whether nobody reads and nothing waits."""
    return not group.members and not group.lag


def lag_on(group: GroupSnapshot, topic: str) -> int | None:
    """A group's lag on one topic; None when it is not known on any of its partitions."""
    return group.partitions.on_topic(topic).lag


def time_lag_on(group: GroupSnapshot, topic: str) -> int | None:
    return group.partitions.on_topic(topic).time_lag_ms


def rate_on(group: GroupSnapshot, topic: str) -> float | None:
    return group.partitions.on_topic(topic).consumed_rate

"""How far each group is on each partition: lag, time lag, what was lost, how fast it goes. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from . import membership
from .picture import NO_GROUP, GroupPicture, PartitionPicture, Picture, Position, TopicPicture
from .positions import GroupPartition, Positions
from .rates import commit_rate
from .snapshot import GroupSnapshot

AppendTimes = Mapping[int, int]
"""Offset of a first unread record -> when it was appended, in ms."""


class Reader(NamedTuple):
    """One group while its partitions are being gathered."""

    picture: GroupPicture
    alive: set[str]
    owners: dict[str, str]  # "orders/3" -> member id, which may be dead
    topics: set[str]  # what the living are subscribed to
    rows: list[GroupPartition]


class Progress:
    """Gathers the rows of all groups, topic by topic: those that are registered, and those with a commit
    anywhere."""

    def __init__(self, now: Picture, window: Sequence[Picture]):
        """`window`: earlier pictures of the last rates.WINDOW_MS, oldest first."""
        self._now_ms = now.as_of_ms
        self._window = window
        self._readers = {name: self._reader(group) for name, group in now.groups.items()}
        self._targets = self._gather_targets()

    def follow(self, topic: str, of: TopicPicture, number: int, append_times: AppendTimes) -> None:
        """Add a row for this partition to every group that committed, took or should read it."""
        partition = of.partitions[number]
        place = f"{topic}/{number}"
        oldest = _positions_in(self._window[0], topic, of, number) if self._window else {}
        readers, now_ms = self._readers, self._now_ms
        for name, position in partition.positions.items():
            reader = readers.get(name)
            if reader is None:
                reader = readers[name] = self._reader(NO_GROUP)
            owner = reader.owners.get(place)
            if owner not in reader.alive:
                owner = None
            if position.offset < 0:
                reader.rows.append(_not_committed(topic, number, partition, owner))
                continue
            then = oldest.get(name)
            if then is None or then.offset > position.offset or not then.commit_ms:
                then = self._later_anchor(topic, of, number, name, position)
            rate = None
            if then is not None:
                rate = commit_rate(then.offset, then.commit_ms, position.offset, position.commit_ms, now_ms)
            reader.rows.append(
                _committed(topic, number, partition, position, append_times, owner, rate, now_ms)
            )
        for name in self._targets.get(place, ()):
            if name not in partition.positions:
                owner = readers[name].owners.get(place)
                owner = owner if owner in readers[name].alive else None
                readers[name].rows.append(_not_committed(topic, number, partition, owner))

    def groups_of(self, topic: str, of: TopicPicture) -> list[str]:
        """Those that committed or subscribed there."""
        groups = {group for partition in of.partitions for group in partition.positions}
        groups.update(name for name, reader in self._readers.items() if topic in reader.topics)
        return sorted(groups)

    def groups(self) -> dict[str, GroupSnapshot]:
        return {name: self._group(name, self._readers[name]) for name in sorted(self._readers)}

    def _reader(self, group: GroupPicture) -> Reader:
        alive = membership.living(group, self._now_ms)
        topics = {topic for member in alive for topic in group.members[member].topics}
        return Reader(group, alive, group.owners, topics, [])

    def _gather_targets(self) -> dict[str, list[str]]:
        """Partition ("orders/3") -> groups in whose target it stands."""
        targets: dict[str, list[str]] = {}
        for name, reader in self._readers.items():
            for member in reader.alive:
                for partition in reader.picture.target.get(member, ()):
                    targets.setdefault(partition, []).append(name)
        return targets

    def _later_anchor(
        self, topic: str, of: TopicPicture, number: int, group: str, position: Position
    ) -> Position | None:
        """What to measure from when the group had not begun, or stood further ahead, as the window began."""
        for picture in self._window[1:]:
            then = _positions_in(picture, topic, of, number).get(group)
            if then is not None and then.commit_ms and then.offset <= position.offset:
                return then
        return None

    def _group(self, name: str, reader: Reader) -> GroupSnapshot:
        positions = Positions.of(reader.rows)
        return GroupSnapshot(
            group=name,
            state=membership.state(reader.picture, reader.alive),
            epoch=reader.picture.epoch,
            assignor=reader.picture.assignor,
            members=membership.members(reader.picture, reader.alive, self._now_ms),
            partitions=positions,
            lag=positions.lag,
            time_lag_ms=positions.time_lag_ms,
            consumed_rate=positions.consumed_rate,
            paused=reader.picture.paused,
        )


def _committed(
    topic: str,
    number: int,
    partition: PartitionPicture,
    position: Position,
    append_times: AppendTimes,
    owner: str | None,
    rate: float | None,
    now_ms: int,
) -> GroupPartition:
    committed, log_start, log_end = position.offset, partition.log_start, partition.log_end
    gone = log_start - committed if log_start > committed else 0
    purged = _purged(partition, committed) if gone and partition.purged else 0
    lag: int | None = log_end - committed
    time_lag_ms: int | None = 0
    ahead = 0
    if committed < log_end:
        append_ms = append_times.get(committed + gone)
        if append_ms is None:
            time_lag_ms = None
        elif (
            append_ms < now_ms
        ):  # an append time never runs back, so it may be ahead of a clock that was set back
            time_lag_ms = now_ms - append_ms
    elif committed > log_end:
        lag, time_lag_ms, ahead = None, None, committed - log_end
    commit_ms = position.commit_ms or None
    return GroupPartition(
        topic,
        number,
        committed,
        log_end,
        lag,
        time_lag_ms,
        commit_ms,
        gone - purged,
        owner,
        rate,
        ahead,
        purged,
    )


def _purged(partition: PartitionPicture, committed: int) -> int:
    """How many of the records that are gone unread somebody deleted; retention removed the others."""
    spans = ((max(start, committed), min(end, partition.log_start)) for start, end in partition.purged)
    return sum(end - start for start, end in spans if end > start)


def _not_committed(topic: str, number: int, partition: PartitionPicture, owner: str | None) -> GroupPartition:
    """A partition that a group reads or should read, and has not committed."""
    return GroupPartition(topic, number, None, partition.log_end, None, None, None, 0, owner, None)


def _positions_in(picture: Picture, topic: str, of: TopicPicture, number: int) -> Mapping[str, Position]:
    """Those of the same partition in another picture; none when it was not there, or was another topic's."""
    then = picture.topics.get(topic)
    if then is None or then.created_ms != of.created_ms or number >= len(then.partitions):
        return {}
    return then.partitions[number].positions

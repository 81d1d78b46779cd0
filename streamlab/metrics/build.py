"""Out of pictures a snapshot: everything that can be derived, and nothing that needs the server."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from ..topics import is_internal
from . import membership, rates
from .first_unread import FirstUnread
from .picture import NO_GROUP, GroupPicture, PartitionPicture, Picture, Position, ServerPicture, TopicPicture
from .skew import skew
from .snapshot import (
    GroupPartition,
    GroupSnapshot,
    PartitionSnapshot,
    ServerSnapshot,
    Snapshot,
    TopicSnapshot,
)


class Before(NamedTuple):
    """The pictures that rates are measured from; None: there is none yet."""

    last: Picture | None  # the one before: for what is appended
    window: Sequence[Picture]  # those kept of the last rates.WINDOW_MS, oldest first: for what is consumed


class _Reader(NamedTuple):
    """One group while its partitions are being gathered."""

    picture: GroupPicture
    alive: set[str]
    rows: list[GroupPartition]


def build(now: Picture, before: Before, first_unread: FirstUnread, seq: int, took_ms: float) -> Snapshot:
    """The snapshot of `now`. Its groups are those that are registered and those that have a commit
    anywhere."""
    readers = {name: _reader(group, now.as_of_ms) for name, group in now.groups.items()}
    waiting = _waiting(readers)
    topics = {}
    for name, topic in now.topics.items():
        for number, partition in enumerate(topic.partitions):
            _follow(
                name, topic, number, partition, now.as_of_ms, before.window, first_unread, readers, waiting
            )
        topics[name] = _topic(name, topic, now.as_of_ms, before.last, readers)
    groups = {name: _group(name, readers[name], now.as_of_ms) for name in sorted(readers)}
    return Snapshot(seq, now.as_of_ms, took_ms, topics, groups, _server(now, before.last))


def _reader(group: GroupPicture, now_ms: int) -> _Reader:
    return _Reader(group, membership.living(group, now_ms), [])


def _waiting(readers: Mapping[str, _Reader]) -> dict[str, list[str]]:
    """Partition ("orders/3") -> groups in whose target it stands."""
    waiting: dict[str, list[str]] = {}
    for name, reader in readers.items():
        for member, partitions in reader.picture.target.items():
            if member in reader.alive:
                for partition in partitions:
                    waiting.setdefault(partition, []).append(name)
    return waiting


def _follow(
    topic: str,
    of: TopicPicture,
    number: int,
    partition: PartitionPicture,
    now_ms: int,
    window: Sequence[Picture],
    first_unread: FirstUnread,
    readers: dict[str, _Reader],
    waiting: Mapping[str, list[str]],
) -> None:
    """Add a row for this partition to every group that committed, took or should read it."""
    place = f"{topic}/{number}"
    oldest = _positions_in(window[0], topic, of, number) if window else {}
    appended_at = first_unread.of_partition(topic, of.created_ms, number)
    positions = partition.positions
    for name, position in positions.items():
        reader = readers.get(name)
        if reader is None:
            reader = readers[name] = _reader(NO_GROUP, now_ms)
        owner = _owner(reader, place)
        if position.offset < 0:
            reader.rows.append(_unknown(topic, number, partition.log_end, owner))
            continue
        then = oldest.get(name)
        if then is None or not _before(then, position):
            then = _later_anchor(window, topic, of, number, name, position)
        reader.rows.append(_row(topic, number, partition, position, then, appended_at, owner, now_ms))
    for name in waiting.get(place, ()):
        if name not in positions:
            reader = readers[name]
            reader.rows.append(_unknown(topic, number, partition.log_end, _owner(reader, place)))


def _owner(reader: _Reader, place: str) -> str | None:
    owner = reader.picture.owners.get(place)
    return owner if owner in reader.alive else None


def _before(then: Position, position: Position) -> bool:
    """Whether the group came from there to here by consuming, as far as one can tell."""
    return then.commit_ms > 0 and then.offset <= position.offset


def _later_anchor(
    window: Sequence[Picture], topic: str, of: TopicPicture, number: int, group: str, position: Position
) -> Position | None:
    """What to measure from when the group had not begun, or was somewhere ahead, at the window's
    beginning."""
    for picture in window[1:]:
        then = _positions_in(picture, topic, of, number).get(group)
        if then is not None and _before(then, position):
            return then
    return None


def _positions_in(picture: Picture, topic: str, of: TopicPicture, number: int) -> Mapping[str, Position]:
    then = picture.topics.get(topic)
    if then is None or then.created_ms != of.created_ms or number >= len(then.partitions):
        return {}
    return then.partitions[number].positions


def _row(
    topic: str,
    number: int,
    partition: PartitionPicture,
    position: Position,
    then: Position | None,
    appended_at: Mapping[int, int],
    owner: str | None,
    now_ms: int,
) -> GroupPartition:
    committed, log_start, log_end = position.offset, partition.log_start, partition.log_end
    lag: int | None = log_end - committed
    time_lag_ms: int | None
    ahead = 0
    if committed < log_end:
        append_ms = appended_at.get(committed if committed > log_start else log_start)
        time_lag_ms = None if append_ms is None else max(0, now_ms - append_ms)
    elif committed == log_end:
        time_lag_ms = 0
    else:
        lag = time_lag_ms = None
        ahead = committed - log_end
    rate = None
    if then is not None:
        rate = rates.commit_rate(then.offset, then.commit_ms, committed, position.commit_ms, now_ms)
    lost = log_start - committed if log_start > committed else 0
    commit_ms = position.commit_ms or None
    return GroupPartition(
        topic, number, committed, log_end, lag, time_lag_ms, commit_ms, lost, owner, rate, ahead
    )


def _unknown(topic: str, number: int, log_end: int, owner: str | None) -> GroupPartition:
    """A partition that a group should read or reads, and has not committed."""
    return GroupPartition(topic, number, None, log_end, None, None, None, 0, owner, None)


def _group(name: str, reader: _Reader, now_ms: int) -> GroupSnapshot:
    return GroupSnapshot(
        group=name,
        state=membership.state(reader.picture, reader.alive),
        epoch=reader.picture.epoch,
        assignor=reader.picture.assignor,
        members=membership.members(reader.picture, reader.alive, now_ms),
        partitions=reader.rows,
        lag=_sum(row.lag for row in reader.rows),
        time_lag_ms=max(
            (row.time_lag_ms for row in reader.rows if row.time_lag_ms is not None), default=None
        ),
        consumed_rate=rates.total(row.consumed_rate for row in reader.rows),
    )


def _sum(amounts: Iterable[int | None]) -> int | None:
    known = [amount for amount in amounts if amount is not None]
    return sum(known) if known else None


def _topic(
    name: str, topic: TopicPicture, now_ms: int, last: Picture | None, readers: Mapping[str, _Reader]
) -> TopicSnapshot:
    before = last.topics.get(name) if last is not None else None
    old = before.partitions if before is not None and before.created_ms == topic.created_ms else []
    elapsed_ms = now_ms - last.as_of_ms if last is not None else 0
    partitions = [
        _partition(number, partition, old[number] if number < len(old) else None, elapsed_ms)
        for number, partition in enumerate(topic.partitions)
    ]
    groups = {group for partition in topic.partitions for group in partition.positions}
    groups.update(group for group, reader in readers.items() if _subscribed(reader, name))
    return TopicSnapshot(
        topic=name,
        partitions=partitions,
        records=sum(p.records for p in topic.partitions),
        size_bytes=sum(p.size_bytes for p in partitions),
        rate=rates.total(p.rate for p in partitions),
        byte_rate=rates.total(p.byte_rate for p in partitions),
        skew=skew([p.records for p in topic.partitions]),
        groups=sorted(groups),
        internal=is_internal(name),
    )


def _subscribed(reader: _Reader, topic: str) -> bool:
    return any(topic in reader.picture.members[member].topics for member in reader.alive)


def _partition(
    number: int, partition: PartitionPicture, before: PartitionPicture | None, elapsed_ms: int
) -> PartitionSnapshot:
    rate = byte_rate = None
    if before is not None:
        rate = rates.per_second(before.log_end, partition.log_end, elapsed_ms)
        byte_rate = rates.per_second(before.appended_bytes, partition.appended_bytes, elapsed_ms)
    return PartitionSnapshot(
        number,
        partition.log_start,
        partition.log_end,
        partition.size_bytes,
        partition.last_append_ms or None,
        rate,
        byte_rate,
    )


def _server(now: Picture, last: Picture | None) -> ServerSnapshot:
    its: ServerPicture = now.server
    cpu_share = None
    if last is not None and last.server.run_id == its.run_id:
        cpu_share = rates.per_second(last.server.cpu_s, its.cpu_s, now.as_of_ms - last.as_of_ms)
    return ServerSnapshot(
        version=its.version,
        engine=its.engine,
        uptime_s=its.uptime_s,
        used_memory_bytes=its.used_memory_bytes,
        max_memory_bytes=its.max_memory_bytes,
        clients=its.clients,
        ops_rate=its.ops_rate,
        aof=its.aof,
        cpu_share=cpu_share,
    )

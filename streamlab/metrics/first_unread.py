"""When was the first record appended that a group has not consumed? Its age is the time lag, exactly.

A commit carries the id of the entry that holds the last record consumed, and the id of an entry is when it
was appended and the offset of its last record. So for a group that has `committed` next to read:

    the entry goes on past `committed`     the group is in the middle of it: its own time
    the entry ends before `committed`      the entry after it
    retention removed `committed`          the first entry that is left
    the commit was made without reading    the entry that holds `committed`, found by bisection

The answer for an offset never changes while the record is there, so it is kept for as long as any group
stands at that offset, and groups at the same place share it. Compaction removes records from the middle: what was
known of the partition is asked again then.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from redis.exceptions import NoScriptError, ResponseError

from .. import keys
from ..connection import script
from ..wire import Line, request
from .picture import PartitionPicture, Picture, Position

LOOKUPS_A_CALL = 100
CALLS_A_ROUND_TRIP = 20
PAYLOAD_A_CALL_BYTES = 4 << 20
"""The server reads the payload of an entry along with its id: 4 MiB cost it about 2 ms."""

_START = b"-"
_NO_ENTRY = b"-"
_NEXT = "next_entries"
_LOCATE = "locate"


class Lookup(NamedTuple):
    """An append time that has to be asked for."""

    topic: str
    partition: int
    offset: int  # of the first record not consumed
    place: bytes | None  # where XRANGE starts; None: bisection by offset
    known: dict[int, int]  # where the answer goes: offset -> append ms


class FirstUnread:
    """The append times that are known, for the partitions of the last picture."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, int, int], tuple[PartitionPicture, dict[int, int]]] = {}

    def of_partition(self, topic: str, created_ms: int, partition: int) -> dict[int, int]:
        """Offset of a first unread record -> its append time in ms; it lacks what went while it was looked
        for."""
        entry = self._known.get((topic, created_ms, partition))
        return entry[1] if entry else {}

    def look_up(self, taken: Picture, line: Line) -> None:
        """Ask for what the picture's time lags need and is not known. Raises redis-py's errors."""
        wanted: list[Lookup] = []
        known = {}
        for topic, taken_topic in taken.topics.items():
            for number, partition in enumerate(taken_topic.partitions):
                key = (topic, taken_topic.created_ms, number)
                last, before = self._known.get(key, (partition, {}))
                if partition.log_end < last.log_end or _compacted(last, partition):
                    before = {}  # rolled back: the offsets from there on are other records now
                now: dict[int, int] = {}
                missing = _missing(partition, before, now)
                if missing:
                    wanted += [Lookup(topic, number, offset, place, now) for offset, place in missing.items()]
                if now or missing:
                    known[key] = (partition, now)
        self._known = known
        mistaken = _ask_next([lookup for lookup in wanted if lookup.place is not None], line)
        _ask_locate([lookup for lookup in wanted if lookup.place is None] + mistaken, line)


def _compacted(last: PartitionPicture, now: PartitionPicture) -> bool:
    """Something was removed, and not from the front."""
    return last.trimmed_bytes != now.trimmed_bytes and last.log_start == now.log_start


def _missing(
    partition: PartitionPicture, before: dict[int, int], now: dict[int, int]
) -> dict[int, bytes | None]:
    """Fill `now` with what is known without asking; return offset -> place of the rest."""
    missing: dict[int, bytes | None] = {}
    log_start, log_end = partition.log_start, partition.log_end
    for position in partition.positions.values():
        committed = position.offset
        if not 0 <= committed < log_end:
            continue
        offset = committed if committed > log_start else log_start
        if offset in now or offset in missing:
            continue
        append_ms = before.get(offset)
        if append_ms is not None:
            now[offset] = append_ms
            continue
        if committed < log_start:
            missing[offset] = _START
            continue
        append_ms, place = _by_entry(position, log_start)
        if append_ms is not None:
            now[offset] = append_ms
        else:
            missing[offset] = place
    return missing


def _by_entry(position: Position, log_start: int) -> tuple[int | None, bytes | None]:
    """The append time of the first unread record if the commit tells it, else the place where it is found."""
    if position.entry == _NO_ENTRY:
        return None, _START if position.offset == log_start else None
    ms, _, last_offset = position.entry.partition(b"-")
    if int(last_offset) >= position.offset:
        return int(ms), None
    return None, b"(" + position.entry


def _portions(wanted: list[Lookup], size: int) -> Iterator[list[Lookup]]:
    for i in range(0, len(wanted), size):
        yield wanted[i : i + size]


def _calls(wanted: list[Lookup], one_slot: bool) -> list[list[Lookup]]:
    """What one script call may ask for: any partitions on one server, one partition on a cluster."""
    if not one_slot:
        return list(_portions(wanted, LOOKUPS_A_CALL))
    by_partition: dict[tuple[str, int], list[Lookup]] = defaultdict(list)
    for lookup in wanted:
        by_partition[lookup.topic, lookup.partition].append(lookup)
    return [call for lookups in by_partition.values() for call in _portions(lookups, LOOKUPS_A_CALL)]


def _ask_next(wanted: list[Lookup], line: Line) -> list[Lookup]:
    """Returns those that found another entry than was meant: the commit's own entry is not in the log any more,
    because the server lost its newest records and others were appended since."""
    mistaken = []
    while wanted:
        left: list[Lookup] = []
        for many in _portions(wanted, LOOKUPS_A_CALL * CALLS_A_ROUND_TRIP):
            calls = _calls(many, line.one_slot)
            for call, ids in zip(
                calls, _run(line, _NEXT, [_next_arguments(call) for call in calls]), strict=True
            ):
                if ids is not None:
                    mistaken += [
                        lookup for lookup, entry in zip(call, ids, strict=False) if not _learn(lookup, entry)
                    ]
                    left += call[len(ids) :]
        wanted = left
    return mistaken


def _next_arguments(call: list[Lookup]) -> list[str | bytes | int]:
    logs = [keys.log(lookup.topic, lookup.partition) for lookup in call]
    return [len(call), *logs, PAYLOAD_A_CALL_BYTES, *[lookup.place or _START for lookup in call]]


def _ask_locate(wanted: list[Lookup], line: Line) -> None:
    for many in _portions(wanted, LOOKUPS_A_CALL):
        arguments: list[list[str | bytes | int]] = [
            [2, keys.log(w.topic, w.partition), keys.meta(w.topic, w.partition), w.offset] for w in many
        ]
        for lookup, reply in zip(many, _run(line, _LOCATE, arguments), strict=True):
            if reply is not None:
                _learn(lookup, reply[2])


def _learn(lookup: Lookup, entry: bytes) -> bool:
    """False when that entry ends before the offset. No entry at all is a record that went meanwhile."""
    if entry:
        append_ms, _, last_offset = entry.partition(b"-")
        if int(last_offset) < lookup.offset:
            return False
        lookup.known[lookup.offset] = int(append_ms)
    return True


def _run(line: Line, name: str, calls: list[list[str | bytes | int]]) -> list[list[bytes] | None]:
    """Run one script several times in one round trip; teaches it to a server that has forgotten it.

    None for a call that the server refused: its topic was deleted a moment ago.
    """
    wanted = script(name)
    asked = request([("EVALSHA", wanted.sha, *call) for call in calls])
    replies = line.ask_each(asked)
    if any(isinstance(reply, NoScriptError) for reply in replies):
        line.ask_everywhere(request([("SCRIPT", "LOAD", wanted.source)]))
        replies = line.ask_each(asked)
    return [None if isinstance(reply, ResponseError) else reply for reply in replies]

"""The last commits of every group on every partition, which is what a lag's status is judged by (`burrow.py`).

The sampler gathers them from its snapshots: a commit is taken in when it is at least a second younger than the one
before. A group's windows are one string in Redis, packed and written again every `WRITE_EVERY_MS` if anything moved;
whoever reads them adds the newest commit from the snapshot itself (`with_newest`), so that nothing is old.

The work of a tick is bounded: no more than `PARTITIONS_A_TICK` are looked at, group after group, in turn.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from operator import sub
from typing import NamedTuple, overload

import msgspec
import zstandard

from .. import keys
from ..connection import Connection
from .positions import GroupPartition
from .snapshot import GroupSnapshot, Snapshot

COMMITS = 10
LEAST_APART_MS = 1_000
WRITE_EVERY_MS = 10_000
KEPT_MS = 7 * 86_400_000
PARTITIONS_A_TICK = 10_000
_FIELDS = 3
_FULL = struct.Struct(f"{COMMITS * _FIELDS}q")

Place = str
"""A partition's name: "orders/3"."""


class SeenCommit(NamedTuple):
    at_ms: int  # server time of the commit
    offset: int  # next to read
    log_end: int  # as it was seen first after the commit, a second later at most

    @property
    def lag(self) -> int:
        return max(0, self.log_end - self.offset)


class Window(Sequence[SeenCommit]):
    """The last commits of one partition, oldest first: as numbers in a row, since a group may have ten thousand."""

    __slots__ = ("_cells",)

    def __init__(self, commits: Iterable[SeenCommit] = ()):
        self._cells = tuple(chain.from_iterable(commits))

    @classmethod
    def packed(cls, cells: bytes) -> Window:
        window = cls.__new__(cls)
        window._cells = (
            _FULL.unpack(cells) if len(cells) == _FULL.size else struct.unpack(f"{len(cells) // 8}q", cells)
        )
        return window

    @property
    def span_ms(self) -> int:
        """From the first commit to the last."""
        return self._cells[-_FIELDS] - self._cells[0] if self._cells else 0

    @property
    def last_ms(self) -> int | None:
        """Server time of the last commit."""
        return self._cells[-_FIELDS] if self._cells else None

    @property
    def offsets(self) -> Sequence[int]:
        return self._cells[1::_FIELDS]

    @property
    def lags(self) -> list[int]:
        """What was left to read at each commit."""
        left = list(map(sub, self._cells[2::_FIELDS], self._cells[1::_FIELDS]))
        return left if not left or min(left) >= 0 else [max(0, lag) for lag in left]

    def with_newest(self, now: GroupPartition) -> Window:
        """And the commit of the newest snapshot, if it is one that belongs there."""
        commit_ms, committed, cells = now.commit_ms, now.committed, self._cells
        if commit_ms is None or committed is None:
            return self
        if cells and commit_ms - cells[-_FIELDS] < LEAST_APART_MS:
            return self
        joined = Window.__new__(Window)
        joined._cells = (*cells[-(COMMITS - 1) * _FIELDS :], commit_ms, committed, now.log_end)
        return joined

    def __len__(self) -> int:
        return len(self._cells) // _FIELDS

    @overload
    def __getitem__(self, index: int) -> SeenCommit: ...
    @overload
    def __getitem__(self, index: slice) -> list[SeenCommit]: ...
    def __getitem__(self, index: int | slice) -> SeenCommit | list[SeenCommit]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        first = range(len(self))[index] * _FIELDS
        return SeenCommit(*self._cells[first : first + _FIELDS])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Window) and self._cells == other._cells

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Window({list(self)!r})"


class CommitWindows:
    """Gathers and writes. Not safe to share between threads."""

    def __init__(self, connection: Connection):
        self._connection = connection
        self._windows: dict[str, dict[Place, array[int]]] = {}
        self._moved: set[str] = set()  # groups with something to write
        self._written_ms: dict[str, int] = {}
        self._turn = 0

    def take_in(self, snapshot: Snapshot) -> None:
        """One tick. Raises StreamlabError; what it was about to write is written at another tick."""
        now_ms = snapshot.as_of_ms
        for group in self._in_turn(snapshot):
            if group.group not in self._windows:
                self._windows[group.group] = self._stored(group.group)
            if _add(self._windows[group.group], group.partitions):
                self._moved.add(group.group)
        self._forget(snapshot)
        due = [g for g in self._moved if now_ms - self._written_ms.get(g, 0) >= WRITE_EVERY_MS]
        if due:
            commands = [
                ("SET", keys.commit_window(g), pack(self._windows[g]), "PX", KEPT_MS)
                for g in due[: max(1, len(due) // 2)]  # not all at one tick
            ]
            self._connection.execute_many(commands)
            for group_name in due[: len(commands)]:
                self._moved.discard(group_name)
                self._written_ms[group_name] = now_ms

    def _in_turn(self, snapshot: Snapshot) -> Iterator[GroupSnapshot]:
        groups, looked_at = list(snapshot.groups.values()), 0
        for step in range(len(groups)):
            group = groups[(self._turn + step) % len(groups)]
            looked_at += len(group.partitions)
            if looked_at > PARTITIONS_A_TICK and step:
                self._turn = (self._turn + step) % len(groups)
                return
            yield group
        self._turn = 0

    def _stored(self, group: str) -> dict[Place, array[int]]:
        [data] = self._connection.execute_many([("GET", keys.commit_window(group))])
        return {place: array("q", cells) for place, cells in unpack_cells(data).items()}

    def _forget(self, snapshot: Snapshot) -> None:
        for group in self._windows.keys() - snapshot.groups.keys():
            del self._windows[group]
            self._moved.discard(group)
            self._written_ms.pop(group, None)


def _add(windows: dict[Place, array[int]], partitions: Sequence[GroupPartition]) -> bool:
    """Whether anything was added."""
    moved = False
    for p in partitions:
        if p.commit_ms is None or p.committed is None:
            continue
        place = f"{p.topic}/{p.partition}"
        cells = windows.get(place)
        if cells is None:
            cells = windows[place] = array("q")
        elif p.commit_ms - cells[-_FIELDS] < LEAST_APART_MS:
            continue
        cells.extend((p.commit_ms, p.committed, p.log_end))
        del cells[: -COMMITS * _FIELDS]
        moved = True
    return moved


def pack(windows: Mapping[Place, array[int]]) -> bytes:
    cells = {place: window.tobytes() for place, window in windows.items()}
    return zstandard.ZstdCompressor(1).compress(msgspec.msgpack.encode(cells))


def unpack_cells(data: bytes | None) -> dict[Place, bytes]:
    """{} for what is not there, or was written by another version."""
    if not data:
        return {}
    try:
        cells = msgspec.msgpack.decode(zstandard.ZstdDecompressor().decompress(data), type=dict[str, bytes])
    except (zstandard.ZstdError, msgspec.DecodeError):
        return {}
    return {place: window for place, window in cells.items() if window and not len(window) % (8 * _FIELDS)}


def read(connection: Connection, group: str) -> dict[Place, Window]:
    """The windows of one group by partition, as they were written last. Raises StreamlabError."""
    [data] = connection.execute_many([("GET", keys.commit_window(group))])
    return {place: Window.packed(cells) for place, cells in unpack_cells(data).items()}

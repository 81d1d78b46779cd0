"""The rings that history is kept in: how many cells, what a cell holds, where a moment's cell lies. Pure.

A ring is a string of cells of equal size; the cell of the second t is number (t // step) % cells. Each
carries its own time, so that one left over from the round before, or never written, is recognised.

    cell = time (unsigned 32 bits, s since the epoch), then a 32 bit float for each field, NaN for unknown

Floats of 32 bits keep 7 digits, which is more than a chart shows, and half the memory of 64.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from math import isnan, nan
from typing import NamedTuple

from .snapshot import Snapshot


class Resolution(NamedTuple):
    name: str
    step_s: int
    cells: int

    @property
    def span_s(self) -> int:
        return self.step_s * self.cells

    def start_of(self, at_s: int) -> int:
        """Second at which the step that holds this second begins."""
        return at_s - at_s % self.step_s

    def slot(self, at_s: int) -> int:
        """
        >>> FINEST.slot(900), FINEST.slot(1801)
        (0, 1)
        """
        return at_s // self.step_s % self.cells


FINEST = Resolution("1s", 1, 900)
COARSER = (Resolution("10s", 10, 2_160), Resolution("60s", 60, 10_080))
RESOLUTIONS = {resolution.name: resolution for resolution in (FINEST, *COARSER)}

FIELDS: dict[str, tuple[str, ...]] = {
    "topic": ("rate", "byte_rate", "size_bytes", "records"),
    "group": ("lag", "time_lag_ms", "consumed_rate"),
    "broker": ("in_rate", "out_rate", "lag", "memory_bytes", "cpu_share"),
}
"""What is kept of each kind of thing. There is one broker, named `BROKER`."""

BROKER = "all"
WORST = frozenset({"lag", "time_lag_ms"})
"""Of these a coarser cell keeps the highest of its ticks, of all others the mean of what is known."""

_CELLS = {kind: struct.Struct(f"<I{len(fields)}f") for kind, fields in FIELDS.items()}

Amount = int | float | None


def cell_bytes(kind: str) -> int:
    """
    >>> cell_bytes("topic"), cell_bytes("group"), cell_bytes("broker")
    (20, 16, 24)
    """
    return _CELLS[kind].size


def pack(kind: str, at_s: int, amounts: Sequence[Amount]) -> bytes:
    return _CELLS[kind].pack(at_s, *[nan if amount is None else amount for amount in amounts])


def unpack(kind: str, cells: bytes) -> Iterator[tuple[float, ...]]:
    """Cell by cell: its time, then its fields with NaN for unknown. The last may be cut short: the ring is
    young."""
    cell = _CELLS[kind]
    return cell.iter_unpack(cells + bytes(-len(cells) % cell.size))


def known(amount: float) -> float | None:
    return None if isnan(amount) else amount


def amounts(snapshot: Snapshot) -> Iterator[tuple[str, str, tuple[Amount, ...]]]:
    """(kind, name, the amounts in the order of FIELDS) of everything in a snapshot."""
    for name, topic in snapshot.topics.items():
        yield "topic", name, (topic.rate, topic.byte_rate, topic.size_bytes, topic.records)
    for name, group in snapshot.groups.items():
        yield "group", name, (group.lag, group.time_lag_ms, group.consumed_rate)
    yield "broker", BROKER, _of_broker(snapshot)


def _of_broker(snapshot: Snapshot) -> tuple[Amount, ...]:
    topics, groups, server = snapshot.topics.values(), snapshot.groups.values(), snapshot.server
    return (
        _sum(topic.rate for topic in topics),
        _sum(group.consumed_rate for group in groups),
        _sum(group.lag for group in groups),
        server.used_memory_bytes,
        server.cpu_share,
    )


def _sum(amounts: Iterator[Amount]) -> Amount:
    given = [amount for amount in amounts if amount is not None]
    return sum(given) if given else None


class Aggregate:
    """The ticks of one thing within one coarser cell.

    >>> lag = Aggregate("group")
    >>> for tick in [(10, 500, 2.0), (30, None, 4.0)]: lag.add(tick)
    >>> lag.amounts()
    [30, 500.0, 3.0]
    """

    __slots__ = ("_fields", "_seen")

    def __init__(self, kind: str):
        self._fields = FIELDS[kind]
        self._seen: list[tuple[float, int]] = [(0.0, 0)] * len(self._fields)  # sum or highest, how many

    def add(self, amounts: Sequence[Amount]) -> None:
        for i, amount in enumerate(amounts):
            if amount is not None:
                so_far, count = self._seen[i]
                worst = self._fields[i] in WORST
                self._seen[i] = (
                    max(so_far, amount) if worst and count else so_far * (not worst) + amount,
                    count + 1,
                )

    def amounts(self) -> list[Amount]:
        pairs = zip(self._fields, self._seen, strict=True)
        return [
            None if not count else so_far if field in WORST else so_far / count
            for field, (so_far, count) in pairs
        ]


Rows = Mapping[tuple[str, str], Sequence[Amount]]
"""(kind, name) -> amounts in the order of FIELDS."""

"""The rebalances of a group on a time axis: when, how long, and how long partitions stood still. Pure geometry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log10

from .rebalances import RebalanceRow

WIDTH, HEIGHT, BASE, TOP = 1180, 92, 62, 8
LABEL_ROOM = 26
"""An epoch's number is written where it has so much room."""
CAUSE_ROOM = 110
"""And its cause where it has this much."""
TALLEST_MS = 60_000.0


@dataclass(frozen=True)
class Epoch:
    """One rebalance, and the time until the next."""

    number: int
    x: str  # where it ended
    band_width: str  # of the time until the next one
    even: bool  # every other band is shaded
    labelled: bool
    cause: str  # in a word or two; "" where there is no room
    label_x: str
    work_x: str  # the rebalance itself
    work_width: str
    stem_y: str  # the higher, the longer partitions stood still
    stood: bool  # whether any did
    title: str


@dataclass(frozen=True)
class Timeline:
    epochs: list[Epoch]
    start: str  # the axis begins and ends at
    end: str

    width = WIDTH
    height = HEIGHT
    base = BASE
    top = TOP
    band_height = BASE - TOP
    label_y = BASE + 13
    axis_y = HEIGHT - 2


def timeline(rows: Sequence[RebalanceRow], now_ms: int) -> Timeline | None:
    """None without rebalances. Rows come newest first."""
    known = [row for row in reversed(rows) if row.at.value is not None]
    if not known:
        return None
    starts = [(row.at.value or 0) - (row.took.value or 0) for row in known]
    first_ms = min(starts)
    span_ms = max(now_ms - first_ms, 1_000)
    first_ms -= span_ms * 0.01

    def x(ms: float) -> float:
        return (ms - first_ms) / (now_ms - first_ms) * WIDTH

    ends = [row.at.value or 0 for row in known[1:]] + [now_ms]
    epochs = [
        _epoch(row, x(start), x(row.at.value or 0), x(end), i % 2 == 0)
        for i, (row, start, end) in enumerate(zip(known, starts, ends, strict=True))
    ]
    return Timeline(epochs, f"{known[0].at.text}", "now")


def _epoch(row: RebalanceRow, start_x: float, x: float, next_x: float, even: bool) -> Epoch:
    width = max(0.0, next_x - x)
    standstill = row.standstill.value
    return Epoch(
        number=row.epoch,
        x=f"{x:.1f}",
        band_width=f"{width:.1f}",
        even=even,
        labelled=width >= LABEL_ROOM,
        cause=row.cause[:16] if width >= CAUSE_ROOM else "",
        label_x=f"{x + 4:.1f}",
        work_x=f"{min(start_x, x - 3):.1f}",
        work_width=f"{max(3.0, x - start_x):.1f}",
        stem_y=f"{_height(standstill):.1f}",
        stood=bool(standstill),
        title=_title(row),
    )


def _height(standstill_ms: float | None) -> float:
    """Logarithmic from 1 ms at the bottom to a minute at the top.

    >>> _height(None), round(_height(60_000.0))
    (58.0, 8)
    """
    if not standstill_ms:
        return BASE - 4.0
    share = min(1.0, log10(1 + standstill_ms) / log10(1 + TALLEST_MS))
    return BASE - 4 - (BASE - 4 - TOP) * share


def _title(row: RebalanceRow) -> str:
    moved = f"{row.moved.plain} moved" if row.moved.value else "nothing moved"
    stood = f", standstill {row.standstill.plain}" if row.standstill.known else ""
    took = f", took {row.took.plain}" if row.took.known else ""
    return f"Epoch {row.epoch}, {row.at.exact}: {row.cause}; {moved}{stood}{took}"

"""Rebalances of a group: why, how long, what moved, and how long a partition stood still."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from dashboard.projections.models import Rebalance

from .figures import Figure, count, duration, moment
from .payload import visible

MOST_MOVES = 12


@dataclass(frozen=True)
class RebalanceRow:
    epoch: int
    at: Figure
    cause: str
    members: str  # "2 → 3"
    moved: Figure
    moves: str  # which, for the tooltip
    standstill: Figure
    took: Figure


def rows(found: Iterable[Rebalance], now_ms: int) -> list[RebalanceRow]:
    return [_row(rebalance, now_ms) for rebalance in found]


def _row(rebalance: Rebalance, now_ms: int) -> RebalanceRow:
    before, after = len(rebalance.members_before), len(rebalance.members_after)
    return RebalanceRow(
        epoch=rebalance.epoch,
        at=moment(rebalance.at_ms, now_ms),
        cause=visible(rebalance.cause),
        members=f"{before} → {after}" if before != after else str(after),
        moved=count(rebalance.moved_count, "partitions changed hands"),
        moves=_moves(rebalance.moved),
        standstill=duration(rebalance.longest_standstill_ms, "Nothing moved, so nothing stood still"),
        took=duration(rebalance.took_ms, "It did not end, or another one overtook it"),
    )


def _moves(moved: list[dict[str, Any]]) -> str:
    names = [f"{m.get('topic')}/{m.get('partition')}" for m in moved]
    left = len(names) - MOST_MOVES
    return visible(", ".join(names[:MOST_MOVES]) + (f" and {left} more" if left > 0 else ""))

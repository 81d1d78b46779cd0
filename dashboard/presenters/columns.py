"""A few columns beside each other, each with its value above and its name below: drawn by the server as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

PITCH, WIDTH, HIGH, TOP, BOTTOM = 56, 40, 120, 20, 20


@dataclass(frozen=True)
class Column:
    label: str  # under it
    value: str  # above it
    title: str  # on hover, and for those who cannot see it
    share: float  # of the tallest, 0..1
    kind: str = ""  # now, asked, or never: how it is drawn

    @property
    def high(self) -> float:
        return max(1.0, self.share * HIGH)


@dataclass(frozen=True)
class Drawn:
    column: Column
    x: int

    @property
    def middle(self) -> int:
        return self.x + WIDTH // 2

    @property
    def y(self) -> str:
        return f"{TOP + HIGH - self.column.high:.1f}"

    @property
    def high(self) -> str:
        return f"{self.column.high:.1f}"

    @property
    def value_y(self) -> str:
        return f"{TOP + HIGH - self.column.high - 5:.1f}"


@dataclass(frozen=True)
class Columns:
    about: str  # a sentence for those who cannot see it
    columns: Sequence[Column]
    limit: float | None = None  # share of the tallest where a line is drawn
    limit_label: str = ""

    @property
    def width(self) -> int:
        return max(1, len(self.columns)) * PITCH

    @property
    def height(self) -> int:
        return TOP + HIGH + BOTTOM

    @property
    def width_of_one(self) -> int:
        return WIDTH

    @property
    def base(self) -> int:
        return TOP + HIGH

    @property
    def label_y(self) -> int:
        return TOP + HIGH + 15

    @property
    def limit_y(self) -> str:
        return "" if self.limit is None else f"{TOP + HIGH - self.limit * HIGH:.1f}"

    @property
    def drawn(self) -> list[Drawn]:
        return [Drawn(column, n * PITCH + (PITCH - WIDTH) // 2) for n, column in enumerate(self.columns)]

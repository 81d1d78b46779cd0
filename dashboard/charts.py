"""What a chart shows: its series, where they come from and how the browser should draw them.

The server sends compact columns, never figures: a page's chart specifications once, then only new points.
Only static/js/charts.js speaks to Plotly.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from dashboard.presenters.figures import Figure

WINDOW_MS = 15 * 60 * 1000


class Columns(NamedTuple):
    """Samples of one figure: `values[i]` was measured at `times_ms[i]`; None where it was not known."""

    times_ms: list[int]
    values: list[float | None]


Read = Callable[[str, str, str, int], Columns]
"""(what, name, field, since_ms) -> samples newer than since_ms, oldest first."""


@dataclass(frozen=True)
class Line:
    """One line: the field of a broker, topic or group ring."""

    label: str
    what: str  # broker, topic or group
    name: str
    field: str
    scale: float = 1.0  # what is shown = what is stored × scale


@dataclass(frozen=True)
class Chart:
    id: str
    title: str
    unit: str  # "records/s", "records", "s": axis title and hover
    lines: tuple[Line, ...]
    about: str = ""  # a sentence for those who cannot see it
    area: bool = False
    floor: float = 1  # the axis reaches at least up to here, so that noise around 0 does not look like a peak
    window_ms: int = WINDOW_MS
    step_ms: int = 0  # between two samples; 0: as fine as the moment has them
    source: Read | None = None  # where samples come from that are in no ring
    bars: bool = False  # counts of a step, not a line

    @property
    def unit_words(self) -> str:
        """The unit as it stands beside the title; "" where the title says it already."""
        return {"s": "seconds", "B": "bytes", "B/s": "bytes/s"}.get(
            self.unit, "" if self.unit == self.title.lower() else self.unit
        )

    @property
    def spec(self) -> dict[str, Any]:
        """What the browser needs to draw the empty chart."""
        return {
            "id": self.id,
            "title": self.title,
            "unit": self.unit,
            "area": self.area,
            "floor": self.floor,
            "lines": [line.label for line in self.lines],
            "window_ms": self.window_ms,
            "bars": self.bars,
        }

    def points(self, read: Read, since_ms: int) -> dict[str, Any]:
        """`{"t": [[ms, …], …], "y": [[value, …], …]}`: values by line, times for all lines or for each."""
        times, values = [], []
        for line in self.lines:
            columns = read(line.what, line.name, line.field, since_ms)
            times.append(columns.times_ms)
            values.append([None if v is None else _compact(v * line.scale) for v in columns.values])
        return {"t": times[:1] if all(t == times[0] for t in times) else times, "y": values}


@dataclass(frozen=True)
class Legend:
    """The text beside a line: drawn by the server, so that it can be read, searched and heard."""

    label: str
    value: Figure
    slot: int  # which of the eight line colours and dashes


def _compact(value: float) -> float:
    """Four significant digits carry more than a screen shows, at a third of the bytes."""
    return float(f"{value:.4g}") if abs(value) < 1e4 else round(value)

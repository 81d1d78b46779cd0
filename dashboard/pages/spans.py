"""How far a chart of the past reaches, and in which steps: from 15 minutes by the second to 7 days by five minutes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dashboard.charts import Columns, Read
from streamlab.metrics.rings import WORST

from .moments import Moment, finest_step_ms
from .page import Address

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
MOST_POINTS = 2_200
"""Of a line: more than a screen has columns to draw them in."""


@dataclass(frozen=True)
class Span:
    name: str  # as it stands in the URL
    words: str
    window_ms: int
    count_step_ms: int  # in which failures are counted


SPANS = (
    Span("15m", "15 min", 15 * MINUTE_MS, 10_000),
    Span("1h", "1 h", HOUR_MS, MINUTE_MS),
    Span("6h", "6 h", 6 * HOUR_MS, 5 * MINUTE_MS),
    Span("24h", "24 h", 24 * HOUR_MS, 15 * MINUTE_MS),
    Span("7d", "7 days", 7 * 24 * HOUR_MS, 2 * HOUR_MS),
)


def asked(address: Address) -> Span:
    """What is not there is read as the first one."""
    return next((span for span in SPANS if span.name == address.query.get("span")), SPANS[0])


def ring_step_ms(span: Span, moment: Moment) -> int:
    """Of the finest ring that holds the whole span in a number of points that can be drawn."""
    return ring_between(moment.as_of_ms - span.window_ms, moment.as_of_ms, moment.now_ms)


def ring_between(start_ms: int, end_ms: int, now_ms: int) -> int:
    """Step of that ring in ms, for any two moments.

    >>> now_ms = 1_700_000_000_000
    >>> [ring_between(now_ms - ago_s * 1000, now_ms - 60_000, now_ms) for ago_s in (120, 3_600, 86_400)]
    [1000, 10000, 60000]
    """
    fine = finest_step_ms(start_ms, now_ms)
    return fine if (end_ms - start_ms) // fine <= MOST_POINTS else max(fine, 60_000)


def step_ms(span: Span, moment: Moment) -> int:
    """Between two points of the chart.

    A ring that has more cells than can be drawn is drawn in steps of several cells.
    """
    return drawn_step_ms(span.window_ms, ring_step_ms(span, moment))


def drawn_step_ms(window_ms: int, ring_ms: int) -> int:
    cells = -(-window_ms // ring_ms // MOST_POINTS)
    return ring_ms * max(1, cells)


def reader(span: Span, moment: Moment) -> Read:
    """Reads a line in the steps of the chart: of a lag the highest of each step, of all else the mean."""
    return reader_in_steps(moment, ring_step_ms(span, moment), step_ms(span, moment))


def reader_in_steps(moment: Moment, ring_ms: int, chart_ms: int) -> Read:
    """`chart_ms`: a multiple of the ring's step."""
    read = moment.reader(ring_ms)
    if ring_ms == chart_ms:
        return read

    def coarser(what: str, name: str, field: str, since_ms: int) -> Columns:
        return in_steps(read(what, name, field, since_ms), chart_ms, worst=field in WORST)

    return coarser


def in_steps(columns: Columns, step_ms: int, worst: bool) -> Columns:
    """
    >>> in_steps(Columns([0, 60, 120, 180], [4.0, 8.0, None, 2.0]), 120, worst=True)
    Columns(times_ms=[0, 120], values=[8.0, 2.0])
    >>> in_steps(Columns([0, 60, 120, 180], [4.0, 8.0, None, None]), 120, worst=False)
    Columns(times_ms=[0, 120], values=[6.0, None])
    """
    steps: dict[int, list[float]] = {}
    for at_ms, value in zip(*columns, strict=True):
        known = steps.setdefault(at_ms - at_ms % step_ms, [])
        if value is not None:
            known.append(value)
    return Columns(list(steps), [_one(known, worst) for known in steps.values()])


def _one(known: Sequence[float], worst: bool) -> float | None:
    if not known:
        return None
    return max(known) if worst else sum(known) / len(known)

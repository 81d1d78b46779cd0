"""What a live update carries: the HTML of a page's parts, and the points of its charts."""

from __future__ import annotations

from typing import Any

from dashboard.charts import Chart

from .moments import Moment
from .page import Address, Page


def draw(page: Page, moment: Moment, address: Address) -> dict[str, str]:
    """The HTML of every part, by element id."""
    return page.draw(moment, address)


def points(chart: Chart, moment: Moment, since_ms: int | None = None) -> dict[str, Any]:
    """What a chart has to draw since then, or in its whole window; and how far its samples lie apart.

    A coarse sample is written when its step is over, so those of the last two steps are told again.
    """
    first_ms = moment.as_of_ms - chart.window_ms
    step_ms = chart.step_ms or moment.step_ms
    if since_ms is not None and since_ms > first_ms:
        first_ms = since_ms if step_ms <= 1_000 else max(first_ms, since_ms - 2 * step_ms)
    read = chart.source or moment.reader(step_ms)
    return {"step_ms": step_ms, **chart.points(read, first_ms)}


def series(page: Page, moment: Moment, address: Address, since_ms: int | None = None) -> dict[str, Any]:
    """The points of every chart newer than `since_ms`, or in its window, by chart id."""
    return {
        chart.id: {"lines": chart.spec["lines"], **points(chart, moment, since_ms)}
        for chart in page.charts(moment, address)
    }

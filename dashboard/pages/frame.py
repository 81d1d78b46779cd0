"""What a live update carries: the HTML of a page's parts, and the points of its charts."""

from __future__ import annotations

from typing import Any

from .moments import Moment
from .page import Address, Page


def draw(page: Page, moment: Moment, address: Address) -> dict[str, str]:
    """The HTML of every part, by element id."""
    return page.draw(moment, address)


def series(page: Page, moment: Moment, address: Address, since_ms: int) -> dict[str, Any]:
    """The points of every chart newer than `since_ms`, by chart id."""
    return {
        chart.id: {"lines": chart.spec["lines"], **chart.points(moment.series, since_ms)}
        for chart in page.charts(moment, address)
    }

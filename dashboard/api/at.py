"""An earlier moment: what was kept of it stands for the broker of now, as on pages that are wound back."""

from __future__ import annotations

from ninja import Field, Schema

from dashboard.pages import moments
from dashboard.pages.moments import Moment
from dashboard.pages.page import moment_ms

from .problems import AskedWrongly

_SHORTEST_MS, _LONGEST_MS = 11, 14
"""Digits of a moment in ms: fewer are a date, 20260131."""


class At(Schema):
    """Of a query."""

    at: str = Field(
        "",
        max_length=40,
        description="An earlier moment, in ms since 1970 or ISO 8601, UTC unless it says so: what was kept of it, "
        "or of shortly before. 404 names in `nearest_ms` a moment that is kept. Empty: now.",
    )


def moment_of(query: At) -> Moment:
    """Raises AskedWrongly, NotKept, NoMeasurements."""
    at_ms = ms_of(query.at, "at")
    return moments.current() if at_ms is None else moments.at(at_ms)


def ms_of(text: str, field: str) -> int | None:
    """What a query says of a moment; None where it says nothing. Raises AskedWrongly.

    >>> ms_of("1700000000000", "at"), ms_of("2023-11-14T22:13:20Z", "at"), ms_of("", "at")
    (1700000000000, 1700000000000, None)
    """
    if not text:
        return None
    in_ms = text.isascii() and text.isdigit() and _SHORTEST_MS <= len(text) <= _LONGEST_MS
    found = int(text) if in_ms else moment_ms(text)
    if found is None:
        raise AskedWrongly(
            {f"query.{field}": [f"“{text}” is no time: write ms since 1970, or 2026-01-31T08:30:00."]}
        )
    return found

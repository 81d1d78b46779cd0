"""Winding the dashboard back: `?at=2026-11-23T08:00:00` draws a page as of that moment, and keeps to it in its links.

A moment without a zone is UTC, as every time on these pages. What was kept is drawn, and only that: see
`streamlab/metrics/past.py` for how often and for how long.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape

from django.urls import Resolver404, resolve

from dashboard.presenters.figures import spell_duration

from .page import Address
from .table import link

STEPS = (
    ("1 h", 3_600_000),
    ("10 min", 600_000),
    ("1 min", 60_000),
    ("10 s", 10_000),
)
NEAR_MS = 15_000
"""What was kept so shortly before the moment asked for counts as that moment."""


def stamp(ms: int) -> str:
    """As it stands in a URL.

    >>> stamp(1_700_000_000_000)
    '2023-11-14T22:13:20'
    """
    return datetime.fromtimestamp(ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def readable(ms: int) -> str:
    """
    >>> readable(1_700_000_000_000)
    '2023-11-14 22:13:20 UTC'
    """
    return datetime.fromtimestamp(ms // 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


@dataclass(frozen=True)
class Step:
    words: str
    href: str


@dataclass(frozen=True)
class Wound:
    """What the banner of a page that was wound back says."""

    asked: str
    ago: str
    shown: str  # the moment that is drawn, where it is not the one asked for; "" else
    ahead: bool  # nothing is there of the moment asked for yet, so that the newest one is drawn
    earlier: list[Step]
    later: list[Step]
    now_href: str
    at: str  # for the form


def wound(address: Address, asked_ms: int, shown_ms: int | None, now_ms: int) -> Wound:
    """`shown_ms` None: nothing could be drawn."""
    ahead = shown_ms is not None and asked_ms > now_ms
    differs = shown_ms is not None and (ahead or abs(asked_ms - shown_ms) > NEAR_MS)
    here_ms = shown_ms if ahead and shown_ms is not None else asked_ms
    return Wound(
        asked=readable(asked_ms),
        ago=spell_duration(max(0, now_ms - here_ms)),
        shown=readable(shown_ms) if differs and shown_ms is not None else "",
        ahead=ahead,
        earlier=[Step(words, link(address, at=stamp(here_ms - ms))) for words, ms in STEPS],
        later=[
            Step(words, link(address, at=stamp(here_ms + ms)))
            for words, ms in reversed(STEPS)
            if here_ms + ms <= now_ms
        ],
        now_href=link(address, at=None),
        at=stamp(here_ms),
    )


_LINK = re.compile(r'(?<=href=")(/[^"#]*)(?=["#])(?!" data-now)')


def keep_in_links(html: str, at_ms: int) -> str:
    """Every link to a page that can be wound back leads to that moment too."""
    winds: dict[str, bool] = {}

    def led_there(match: re.Match[str]) -> str:
        href = match[1]
        path, asks, query = href.partition("?")
        if path not in winds:
            winds[path] = _winds(path)
        if not winds[path] or "at=" in query:
            return href
        return f"{href}{'&amp;' if asks else '?'}at={escape(stamp(at_ms))}"

    return _LINK.sub(led_there, html)


def _winds(path: str) -> bool:
    try:
        page = getattr(resolve(path).func, "page", None)
    except Resolver404:
        return False
    return bool(page is not None and page.winds)

"""The contract of a page. Each page is one small module that fills it in; everything else follows from here.

A page's address, query included, is also its key for the live feed: who looks at `/topics/?sort=rate` is sent
what `/topics/?sort=rate` would show. So a page may depend on the moment, its address and its query, and on
nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from django.http import Http404, QueryDict
from django.template.loader import render_to_string
from django.urls import Resolver404, resolve

from dashboard.charts import Chart

from .moments import Moment


def moment_ms(text: str) -> int | None:
    """ISO 8601, without a zone in UTC, as ms since 1970; None: it is no time.

    >>> moment_ms("2023-11-14T22:13:20"), moment_ms("2023-11-14T23:13:20+01:00"), moment_ms("noon")
    (1700000000000, 1700000000000, None)
    """
    try:
        moment = datetime.fromisoformat(text)
        return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
    except (ValueError, OverflowError):
        return None


@dataclass(frozen=True)
class Address:
    """Where somebody looks: the page's own path and query, and what the path names."""

    path: str
    args: Mapping[str, str] = field(default_factory=dict)  # {"topic": "orders"}
    query: QueryDict = field(default_factory=QueryDict)

    @property
    def key(self) -> str:
        return f"{self.path}?{self.query.urlencode()}" if self.query else self.path

    @property
    def at_ms(self) -> int | None:
        """The earlier moment that is asked for, as in `?at=2026-01-31T08:30:00`; None: now, or it is no time."""
        return moment_ms(self.query.get("at", ""))

    @property
    def no_time(self) -> str:
        """What stands in the place of an earlier moment and is none; "" when that is one, or nothing is asked for."""
        asked = self.query.get("at", "")
        return asked[:40] if asked and self.at_ms is None else ""


@dataclass(frozen=True)
class MenuEntry:
    label: str
    section: str  # heading it stands under: "", "Work", "Lab"
    key: str  # pressed after g
    icon: str  # a symbol of static/icons.svg
    admin: bool = False  # whether only Admins see it


@dataclass(frozen=True)
class Page:
    """One page.

    `parts` are the regions that live updates replace: part "figures" of the topics page is drawn from
    `pages/topics/figures.html` into the element with id "figures", on first paint and on every update.
    """

    name: str  # of the URL, and the folder of its templates
    pattern: str  # "topics/<str:topic>/"
    title: Callable[[Address], str]
    parts: tuple[str, ...]
    context: Callable[[Moment, Address], dict[str, Any]]
    charts: Callable[[Moment, Address], Sequence[Chart]] = lambda moment, address: ()
    measured: bool = True  # False: what it shows does not come from the sampler, so it is there without one
    live: Callable[[Address], bool] = lambda address: True  # whether this view of it moves by itself
    winds: bool = False  # whether it can be drawn as of an earlier moment, `?at=…`
    menu: MenuEntry | None = None
    under: str = ""  # name of the menu page that it belongs to

    def moves(self, address: Address) -> bool:
        """Whether this view is fed live. One that was wound back stands still."""
        return self.live(address) and not (self.winds and address.at_ms is not None)

    @property
    def template(self) -> str:
        return f"pages/{self.name}/page.html"

    def part_template(self, part: str) -> str:
        return f"pages/{self.name}/{part}.html"

    def draw(self, moment: Moment, address: Address) -> dict[str, str]:
        """The HTML of every part, by element id. Raises Gone when what it shows does not exist."""
        context = {"here": address, **self.context(moment, address)}
        return {part: render_to_string(self.part_template(part), context) for part in self.parts}


def find(key: str) -> tuple[Page, Address]:
    """The page behind a live key. Raises Http404 when the key is not the address of a page."""
    path, _, query = key.partition("?")
    try:
        match = resolve(path)
    except Resolver404 as error:
        raise Http404(f"No page at {path}") from error
    page = getattr(match.func, "page", None)
    if page is None:
        raise Http404(f"{path} is not a live page")
    address = Address(path, match.kwargs, QueryDict(query))
    if not page.moves(address):
        raise Http404(f"{key} does not move")
    return page, address

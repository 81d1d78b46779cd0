"""Lists in a URL: search, sort and page, so that every view is a link. Page first, enrich after."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from .page import Address

PAGE_SIZE = 50
T = TypeVar("T")


@dataclass(frozen=True)
class Column:
    """A column that can be sorted by. `key` gives what to sort; None sorts last, either way."""

    name: str
    label: str
    key: Callable[[Any], Any]
    numeric: bool = True
    title: str = ""
    secondary: bool = False  # may disappear on a narrow screen


@dataclass(frozen=True)
class Heading:
    column: Column
    href: str
    sorted: str  # "ascending", "descending" or "none", as aria-sort says it
    arrow: str


@dataclass(frozen=True, kw_only=True)
class Paged:
    """Which page of how many is on the screen, and the links around it."""

    query: str
    total: int  # found, on all pages
    page: int
    pages: int
    previous_href: str
    next_href: str

    @property
    def total_words(self) -> str:
        return f"{self.total:,}"

    @property
    def first(self) -> int:
        return (self.page - 1) * PAGE_SIZE + 1 if self.total else 0

    @property
    def last(self) -> int:
        return min(self.page * PAGE_SIZE, self.total)


@dataclass(frozen=True, kw_only=True)
class Listing(Paged, Generic[T]):
    """Rows that were searched and sorted here."""

    rows: Sequence[T]
    of: int  # before the search
    headings: list[Heading]


def link(address: Address, **changes: str | None) -> str:
    """This view with some of its query changed; None takes a parameter away."""
    query = address.query.copy()
    for name, value in changes.items():
        if value is None:
            query.pop(name, None)
        else:
            query[name] = value
    return f"{address.path}?{query.urlencode()}" if query else address.path


def listing(
    rows: Sequence[T],
    address: Address,
    columns: Sequence[Column],
    *,
    text: Callable[[T], str],
    default_sort: str,
) -> Listing[T]:
    """Search in `text(row)`, sort by `?sort=name` or `?sort=-name`, cut out `?page=n`.

    What the query says wrongly (an unknown column, page 999) is read as the nearest thing that exists.
    """
    wanted = address.query.get("q", "").strip()
    found = [row for row in rows if wanted.lower() in text(row).lower()]
    column, descending = _sorting(address.query.get("sort") or default_sort, columns, default_sort)
    ordered = _ordered(found, column, descending)
    pages = max(1, -(-len(ordered) // PAGE_SIZE))
    page = min(max(1, _number(address.query.get("page", "1"))), pages)
    return Listing(
        rows=ordered[(page - 1) * PAGE_SIZE : page * PAGE_SIZE],
        total=len(ordered),
        of=len(rows),
        query=wanted,
        headings=[_heading(c, column, descending, address) for c in columns],
        page=page,
        pages=pages,
        previous_href=link(address, page=str(page - 1)) if page > 1 else "",
        next_href=link(address, page=str(page + 1)) if page < pages else "",
    )


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 1


def _sorting(wanted: str, columns: Sequence[Column], default: str) -> tuple[Column, bool]:
    by_name: Mapping[str, Column] = {c.name: c for c in columns}
    name = wanted.removeprefix("-")
    if name not in by_name:
        wanted, name = default, default.removeprefix("-")
    return by_name[name], wanted.startswith("-")


def _ordered(rows: list[T], column: Column, descending: bool) -> list[T]:
    known = [row for row in rows if column.key(row) is not None]
    missing = [row for row in rows if column.key(row) is None]
    return sorted(known, key=column.key, reverse=descending) + missing


def _heading(column: Column, current: Column, descending: bool, address: Address) -> Heading:
    if column.name != current.name:
        first = f"-{column.name}" if column.numeric else column.name
        return Heading(column, link(address, sort=first, page=None), "none", "")
    other = column.name if descending else f"-{column.name}"
    order = "descending" if descending else "ascending"
    return Heading(column, link(address, sort=other, page=None), order, "↓" if descending else "↑")

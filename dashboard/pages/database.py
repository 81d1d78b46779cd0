"""Pages that show rows of the database: one page of a query, and connections that outlive no restart of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any, Concatenate, ParamSpec

from django.db import close_old_connections, connection
from django.db.models import QuerySet

from dashboard.presenters.words import plural

from .moments import Moment
from .page import Address
from .table import PAGE_SIZE, Paged, link

How = ParamSpec("How")
MOST_COUNTED = 10_000
"""More rows than this are not counted: a list of millions must not cost a count for each look at it."""


@dataclass(frozen=True, kw_only=True)
class RowsPage(Paged):
    """Rows of the database: a `total` of MOST_COUNTED may be more."""

    rows: Sequence[Any]
    uncounted: bool  # whether there are more than `total`

    @property
    def total_words(self) -> str:
        return f"{self.total:,}{' or more' if self.uncounted else ''}"

    def counted(self, noun: str, many: str = "") -> str:
        """In words: "3 letters"."""
        return f"{plural(self.total, noun, many)}{' or more' if self.uncounted else ''}"


def page_of(found: QuerySet[Any], address: Address) -> RowsPage:
    """The `?page=n` of a query, the nearest there is."""
    counted = found.order_by()[: MOST_COUNTED + 1].count()
    total = min(counted, MOST_COUNTED)
    pages = max(1, -(-total // PAGE_SIZE))
    asked = address.query.get("page", "1")
    page = min(max(1, int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 9 else 1), pages)
    return RowsPage(
        rows=list(found[(page - 1) * PAGE_SIZE : page * PAGE_SIZE]),
        total=total,
        uncounted=counted > MOST_COUNTED,
        query=address.query.get("q", "").strip(),
        page=page,
        pages=pages,
        previous_href=link(address, page=str(page - 1)) if page > 1 else "",
        next_href=link(address, page=str(page + 1)) if page < pages else "",
    )


def fresh_connection(
    context: Callable[Concatenate[Moment, Address, How], dict[str, Any]],
) -> Callable[Concatenate[Moment, Address, How], dict[str, Any]]:
    """For the contexts of live pages: they are drawn in threads that no request begins or ends."""

    @wraps(context)
    def drawn(moment: Moment, address: Address, *args: How.args, **named: How.kwargs) -> dict[str, Any]:
        if not connection.in_atomic_block:  # a test's
            close_old_connections()
        return context(moment, address, *args, **named)

    return drawn  # type: ignore[return-value]  # what is wrapped is called by place, never by name

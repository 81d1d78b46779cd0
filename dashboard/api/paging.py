"""Lists, a page at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from django.db.models import QuerySet
from ninja import Field, Schema

T = TypeVar("T")
Row = TypeVar("Row")
MOST = 500


class Paging(Schema):
    """Of a query."""

    page: int = Field(1, ge=1, le=1_000_000, description="Pages count from 1; one behind the last is empty.")
    limit: int = Field(50, ge=1, le=MOST, description="Items on a page.")


class Page(Schema, Generic[T]):
    items: list[T]
    total: int = Field(description="Items on all pages.")
    page: int
    pages: int


def page_of(
    found: Sequence[Row] | QuerySet[Any], paging: Paging, item: Callable[[Any], Any]
) -> dict[str, Any]:
    """Cut out the page, and make items of its rows only."""
    total = found.count() if isinstance(found, QuerySet) else len(found)
    start = (paging.page - 1) * paging.limit
    return {
        "items": [item(row) for row in found[start : start + paging.limit]],
        "total": total,
        "page": paging.page,
        "pages": max(1, -(-total // paging.limit)),
    }

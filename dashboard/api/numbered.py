"""Things by their number."""

from __future__ import annotations

from typing import TypeVar

from django.db.models import Model, QuerySet

from dashboard.pages.moments import Gone

M = TypeVar("M", bound=Model)


def numbered(among: QuerySet[M], number: int, otherwise: str) -> M:
    """However large the number is. Raises Gone, which says `otherwise`."""
    found = among.filter(pk=number).first()
    if found is None:
        raise Gone(otherwise)
    return found

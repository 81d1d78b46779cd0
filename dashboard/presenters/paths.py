"""Addresses of pages, found once each: Django looks for them anew for every link of a list."""

from __future__ import annotations

from functools import lru_cache

from django.urls import reverse

MOST_KEPT = 10_000


@lru_cache(MOST_KEPT)
def path_to(page: str, *args: str) -> str:
    """The address of a page, by its name in the table of addresses."""
    return reverse(page, args=args)

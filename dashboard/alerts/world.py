"""Everything that rules look at, at one moment. What could not be seen is None, and then nothing is concluded of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from dashboard.presenters.trend import Trend
from streamlab.metrics.snapshot import Snapshot

Deaths = Mapping[tuple[str, str], int]
"""Dead letters by group and topic."""


@dataclass(frozen=True)
class World:
    now_ms: int
    snapshot: Snapshot | None = None
    trends: Mapping[str, Trend] | None = None  # of the groups whose status rules look at
    deaths: Mapping[int, Deaths] | None = None  # by how many seconds they are counted over
    retrying: Mapping[str, int] | None = None  # records that wait to be tried again, by group
    parts: Mapping[str, tuple[bool, str]] | None = None  # of the installation: whether it is up, and a word
    refusals: Mapping[str, Mapping[str, str]] | None = None  # by client id: setting → why


@cache
def _pattern(scope: str) -> re.Pattern[str]:
    words = [word.strip() for word in scope.split(",") if word.strip()] or ["*"]
    some = "|".join(re.escape(word).replace(r"\*", ".*").replace(r"\?", ".") for word in words)
    return re.compile(f"(?:{some})", re.DOTALL)


def matches(scope: str, name: str) -> bool:
    """
    >>> matches("orders, pay*", "payments"), matches("order?", "orders"), matches("orders", "orders.dlq")
    (True, True, False)
    """
    return _pattern(scope).fullmatch(name) is not None


def names_internal(scope: str) -> bool:
    """Whether a scope asks for internal topics by name: `*` means those of users."""
    return any(word.strip().startswith("__") for word in scope.split(","))

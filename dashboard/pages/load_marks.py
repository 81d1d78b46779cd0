"""When a load was started, changed and stopped, for its charts to mark."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from dashboard.operations.models import Operation, State
from streamlab.lab.scenarios import SCENARIOS

WORDS = {"start-load": "Start", "change-load": "Lever", "stop-load": "Stop"}
"""Kinds of operations that the charts mark."""
MOST = 20


@dataclass(frozen=True)
class LoadMark:
    key: int
    at_ms: int
    word: str
    what: str


def of_load(name: str, since_ms: int) -> list[LoadMark]:
    """The newest `MOST`, newest first."""
    since = datetime.fromtimestamp(since_ms / 1000, UTC)
    found = Operation.objects.filter(subject=f"load {name}", state=State.DONE, finished_at__gte=since)
    return [
        LoadMark(
            operation.pk,
            int(operation.finished_at.timestamp() * 1000) if operation.finished_at else 0,
            WORDS[operation.kind],
            _lever_of(name, operation.spec.get("changes", {})) or operation.result.get("effect", ""),
        )
        for operation in found.filter(kind__in=WORDS).order_by("-pk")[:MOST]
    ]


def _lever_of(name: str, changes: Mapping[str, str]) -> str:
    """Of which lever these are the changes, or what was left of them to change; "" for none."""
    levers = SCENARIOS[name].levers if name in SCENARIOS else ()
    fits = (lever.says for lever in levers if changes and changes.items() <= lever.changes.items())
    return next(fits, "")

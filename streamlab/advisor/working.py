"""What workers did between two looks, from the totals that they tell."""

from __future__ import annotations

from collections.abc import Mapping

from ..metrics.telemetry import ClientTelemetry
from .memory import Total
from .world import Attempts, worked

SHORTEST_MS, LONGEST_MS = 9_000, 45_000
"""A worker's totals are compared with those of this long ago."""


def attempts_since(
    clients: Mapping[str, ClientTelemetry], before: Mapping[str, list[Total]]
) -> tuple[dict[str, list[Total]], dict[str, Attempts]]:
    """What to remember of the workers' totals, and what they did since about half a minute ago."""
    totals: dict[str, list[Total]] = {}
    attempts = {}
    for instance, client in clients.items():
        if client.kind != "worker" or worked(client, "records-handled-total") is None:
            continue
        names = (
            "records-handled-total",
            "records-failed-total",
            "records-dead-total",
            "handler-timeouts-total",
        )
        now = Total(client.as_of_ms, *(worked(client, name) or 0.0 for name in names))
        known = [t for t in before.get(instance, []) if now.at_ms - t.at_ms <= LONGEST_MS]
        if not known and now.at_ms - client.started_ms <= LONGEST_MS:
            known = [Total(client.started_ms, 0, 0, 0, 0)]
        totals[instance] = [*known, now]
        if known and now.at_ms - known[0].at_ms >= SHORTEST_MS:
            attempts[instance] = _between(known[0], now)
    return totals, attempts


def _between(then: Total, now: Total) -> Attempts:
    return Attempts(
        (now.at_ms - then.at_ms) / 1000,
        *(
            max(0.0, getattr(now, name) - getattr(then, name))
            for name in ("succeeded", "failed", "dead", "timeouts")
        ),
    )

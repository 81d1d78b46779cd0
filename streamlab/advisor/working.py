"""What workers did between two looks, from the totals that they tell."""

from __future__ import annotations

from collections.abc import Mapping

from ..metrics.telemetry import ClientTelemetry
from .memory import Total
from .onset import Failed, joined
from .world import Attempts, worked

SHORTEST_MS, LONGEST_MS = 9_000, 45_000
"""A worker's totals are compared with those of this long ago."""

SPAN_MS = 5_000
"""How finely it is remembered when attempts failed."""
MOMENT_MS = 3_000
"""The members of a group tell their totals within such a time."""


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


def failures_since(
    totals: Mapping[str, list[Total]],
    clients: Mapping[str, ClientTelemetry],
    before: Mapping[str, list[Total]],
    known: Mapping[str, list[Failed]],
    since_ms: int,
) -> dict[str, list[Failed]]:
    """By group: how many attempts failed, span by span from one look to the next, from `since_ms` on."""
    lately: dict[str, list[tuple[Total, Total]]] = {}
    for instance, told in totals.items():
        if before.get(instance) and before[instance][-1].at_ms < told[-1].at_ms:
            group = clients[instance].group or ""
            lately.setdefault(group, []).append((before[instance][-1], told[-1]))
    found = {group: [s for s in spans if s.from_ms >= since_ms] for group, spans in known.items()}
    for group, pairs in lately.items():
        done = [_between(then, now) for then, now in pairs]
        failed = sum(one.failed for one in done)
        spans = found.get(group, [])
        begun_ms = min(then.at_ms for then, _ in pairs)
        if spans and begun_ms - MOMENT_MS <= spans[-1].until_ms:
            begun_ms = spans[-1].until_ms
        ended_ms = max(now.at_ms for _, now in pairs)
        if ended_ms > begun_ms:
            one = Failed(begun_ms, ended_ms, sum(one.succeeded for one in done) + failed, failed)
            found[group] = joined(spans, one, SPAN_MS, since_ms)
    return {group: spans for group, spans in found.items() if spans}


def _between(then: Total, now: Total) -> Attempts:
    return Attempts(
        (now.at_ms - then.at_ms) / 1000,
        *(
            max(0.0, getattr(now, name) - getattr(then, name))
            for name in ("succeeded", "failed", "dead", "timeouts")
        ),
    )

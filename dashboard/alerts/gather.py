"""Looking: everything that the rules ask about, and nothing else, from wherever it is.

Whatever cannot be seen is left out with a sentence; rules about it then conclude nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from django.db import DatabaseError
from django.db.models import Count

from dashboard import health
from dashboard.broker import broker
from dashboard.pages import moments, retries
from dashboard.pages.moments import Moment, NoMeasurements
from dashboard.presenters.trend import Trend
from dashboard.projections import currency
from dashboard.projections.models import DeadLetter
from streamlab.errors import StreamlabError
from streamlab.metrics.snapshot import Snapshot
from streamlab.metrics.telemetry import read_states

from .models import Rule
from .world import Deaths, World, matches

STALE_MS = 10_000
"""A snapshot older than this says nothing about now."""
T = TypeVar("T")


class Gatherer:
    """Not safe to share between threads."""

    def __init__(self, now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000):
        self._now_ms = now_ms

    def look(self, rules: Iterable[Rule]) -> tuple[World, list[str]]:
        """The world as these rules need it, and what of it could not be seen."""
        asked: dict[str, list[Rule]] = {}
        for rule in rules:
            asked.setdefault(rule.condition, []).append(rule)
        now_ms, trouble = self._now_ms(), []
        moment: Moment | None = None
        try:
            moment = moments.current()
            if now_ms - moment.as_of_ms > STALE_MS:
                raise NoMeasurements("The sampler has stopped.")
        except NoMeasurements as reason:
            trouble.append(str(reason))
            moment = None
        snapshot = moment.snapshot if moment else None

        def seen(condition: str, look: Callable[[list[Rule]], T]) -> T | None:
            if condition not in asked:
                return None
            try:
                return look(asked[condition])
            except (StreamlabError, DatabaseError) as error:
                trouble.append(str(error))
                return None

        world = World(
            now_ms=now_ms,
            snapshot=snapshot,
            trends=seen("group-status", lambda of: _trends(moment, of)),
            deaths=seen("dead-letters", lambda of: _deaths(snapshot, of, now_ms, trouble)),
            retrying=seen("retrying", lambda of: _retrying(snapshot, of)),
            parts=seen("part", lambda of: _parts()),
            refusals=seen("refusals", lambda of: _refusals()),
        )
        return world, list(dict.fromkeys(trouble))


def _wanted(rules: Iterable[Rule], names: Iterable[str]) -> list[str]:
    scopes = {rule.scope for rule in rules}
    return [name for name in names if any(matches(scope, name) for scope in scopes)]


def _trends(moment: Moment | None, rules: list[Rule]) -> Mapping[str, Trend] | None:
    return None if moment is None else moment.trends(_wanted(rules, moment.snapshot.groups))


def _deaths(
    snapshot: Snapshot | None, rules: list[Rule], now_ms: int, trouble: list[str]
) -> dict[int, Deaths] | None:
    """None while the tables may lack some: without a snapshot, too, it is not known how far they should be."""
    if snapshot is None:
        return None
    lacks = currency.missing(snapshot)
    if lacks:
        trouble.append(lacks)
        return None
    found: dict[int, Mapping[tuple[str, str], int]] = {}
    for window_s in {rule.window_s for rule in rules}:
        counts = (
            DeadLetter.objects.filter(died_ms__gt=now_ms - window_s * 1000)
            .values_list("group", "topic")
            .annotate(n=Count("pk"))
        )
        found[window_s] = {(group, topic): n for group, topic, n in counts.order_by()}
    return found


def _retrying(snapshot: Snapshot | None, rules: list[Rule]) -> dict[str, int] | None:
    if snapshot is None:
        return None
    names = _wanted(rules, snapshot.groups)
    waiting = dict.fromkeys(names, 0)
    for (name, _), counts in retries.queue().counts_of(retries.queues(snapshot, names)).items():
        waiting[name] += counts.retrying
    return waiting


def _refusals() -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for state in read_states(broker().connection).values():
        if state.refused:
            found.setdefault(state.client_id, {}).update(state.refused)
    return found


def _parts() -> dict[str, tuple[bool, str]]:
    """All but alerts: this asks, so it is there."""
    states = asyncio.run(health.check())
    return {n: (bool(part["ok"]), str(part["state"])) for n, part in states.items() if n != "alerts"}

"""How many attempts failed and how many records died, step by step: counted from the tables of history."""

from __future__ import annotations

from django.core.cache import cache
from django.db.models import Count, F, QuerySet
from django.db.models.functions import Floor

from dashboard.charts import Columns, Read
from dashboard.projections.models import RecordEvent

RETRIED, DIED = "record.retried", "record.dead_lettered"
CACHED_S = 10
"""A count over a week is not made anew for each look."""


def reader(since_ms: int, until_ms: int, step_ms: int, *, topic: str = "", group: str = "") -> Read:
    """Reads (…, …, kind of event, …) as a column of counts, 0 where nothing happened."""
    first_ms = _first(since_ms, step_ms)
    steps = list(range(first_ms, until_ms + 1, step_ms))

    def read(what: str, name: str, field: str, newer_ms: int) -> Columns:
        counts = _counted(first_ms, until_ms, step_ms, topic, group)
        return Columns(steps, [float(counts.get((field, at_ms), 0)) for at_ms in steps])

    return read


def total(kind: str, since_ms: int, until_ms: int, step_ms: int, *, topic: str = "", group: str = "") -> int:
    """How many of that kind there were from `since_ms` on: the first step begins before it."""
    first_ms = _first(since_ms, step_ms)
    counts = _counted(first_ms, until_ms, step_ms, topic, group)
    before = _read(first_ms, since_ms - 1, step_ms, topic, group) if first_ms < since_ms else {}
    return max(0, _sum(counts, kind) - _sum(before, kind))


def _sum(counts: dict[tuple[str, int], int], kind: str) -> int:
    return sum(n for (of, _), n in counts.items() if of == kind)


def _first(since_ms: int, step_ms: int) -> int:
    """Start of the step that holds this moment."""
    return since_ms - since_ms % step_ms


def _counted(
    first_ms: int, until_ms: int, step_ms: int, topic: str, group: str
) -> dict[tuple[str, int], int]:
    """(kind, start of its step) -> how many; read again every `CACHED_S`."""
    key = f"failed:{first_ms}:{until_ms // (CACHED_S * 1000)}:{step_ms}:{hash((topic, group))}"
    found = cache.get(key)
    if found is None:
        found = _read(first_ms, until_ms, step_ms, topic, group)
        cache.set(key, found, CACHED_S)
    return dict(found)


def _read(first_ms: int, until_ms: int, step_ms: int, topic: str, group: str) -> dict[tuple[str, int], int]:
    events: QuerySet[RecordEvent] = RecordEvent.objects.filter(
        at_ms__gte=first_ms, at_ms__lte=until_ms, kind__in=(RETRIED, DIED)
    )
    if topic:
        events = events.filter(topic=topic)
    if group:
        events = events.filter(group=group)
    counted = (
        events.annotate(step=Floor(F("at_ms") / step_ms))
        .values_list("kind", "step")
        .order_by()
        .annotate(n=Count("pk"))
    )
    return {(kind, int(step) * step_ms): n for kind, step, n in counted}

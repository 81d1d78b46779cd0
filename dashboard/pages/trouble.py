"""How much waits to be tried again, and how much died: what pages of topics and the overview say of failures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from django.db.models import Sum

from dashboard.broker import broker
from dashboard.presenters.words import Trouble
from dashboard.projections import currency
from dashboard.projections.models import DeadLetter, FailureGroup
from streamlab.delivery.retry_queue import RetryQueue
from streamlab.errors import StreamlabError
from streamlab.metrics.names import WORKING
from streamlab.metrics.snapshot import Snapshot, TopicSnapshot
from streamlab.metrics.telemetry import ClientTelemetry
from streamlab.model import TopicPartition

from . import running
from .moments import Moment

LATELY_MS = 15 * 60_000
MOST_QUEUES = 500
"""Queues that are counted for one drawing; beyond that the figure is left out."""


@dataclass(frozen=True)
class OfTopics:
    """By topic. A topic that is not in `retrying` was not counted; one that is not in `dead` has none."""

    dead: Mapping[str, int] = field(default_factory=dict)
    retrying: Mapping[str, int] = field(default_factory=dict)
    known: bool = True  # False: an earlier moment, of which none of it is kept


def of_all(moment: Moment) -> Trouble:
    """Of the whole broker, now."""
    if moment.past:
        return Trouble(None, None, None)
    workers = [c for c in running.clients().values() if c.kind == "worker" and not c.away(moment.read_at_ms)]
    lacks = currency.missing(moment.snapshot)
    if lacks:
        return Trouble(None, None, _queued(workers), lacks)
    total = FailureGroup.objects.aggregate(dead=Sum("dead"))["dead"] or 0
    # whatever became of them since, as alerts count them: a replay undoes no death
    lately = DeadLetter.objects.filter(died_ms__gte=moment.read_at_ms - LATELY_MS).count()
    return Trouble(total, lately, _queued(workers))


def _queued(workers: Iterable[ClientTelemetry]) -> int | None:
    """What running workers say that waits in the queues of their partitions; None when no worker runs."""
    told = [worker.metrics.get(WORKING, {}).get("records-queued") for worker in workers]
    known = [int(queued) for queued in told if queued is not None]
    return sum(known) if known else None


def dead_by_topic() -> dict[str, int]:
    found = FailureGroup.objects.filter(dead__gt=0).values("topic").annotate(n=Sum("dead"))
    return {line["topic"]: line["n"] for line in found}


def of_topics(moment: Moment, topics: Iterable[TopicSnapshot]) -> OfTopics:
    """Of the topics on the screen."""
    if moment.past:
        return OfTopics(known=False)
    return OfTopics(dead_by_topic(), _retrying(moment.snapshot, topics))


def _retrying(snapshot: Snapshot, topics: Iterable[TopicSnapshot]) -> dict[str, int]:
    """What waits in the queues of groups that have a worker; the others have no queue that anybody empties."""
    working = {c.group for c in running.clients().values() if c.kind == "worker"}
    places = [
        (group, TopicPartition(topic.topic, p.partition))
        for topic in topics
        for group in topic.groups
        if group in working
        for p in topic.partitions
    ]
    if not places or len(places) > MOST_QUEUES:
        return {}
    try:
        counts = RetryQueue(broker().connection).counts_of(places)
    except StreamlabError:
        return {}
    found: dict[str, int] = {}
    for (_, place), counted in counts.items():
        found[place.topic] = found.get(place.topic, 0) + counted.records
    return found

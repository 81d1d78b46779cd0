"""Retries: what waits to be tried again, by when it is due, and how attempts went."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db.models import Avg, Count, Max, Q

from dashboard.broker import broker
from dashboard.masking import reading
from dashboard.masking.rules import rules, shield_among
from dashboard.presenters import retries
from dashboard.presenters.figures import count, size
from dashboard.presenters.words import plural
from dashboard.projections.models import RecordEvent
from streamlab.delivery.retry_queue import Counts, RetryQueue
from streamlab.errors import StreamlabError
from streamlab.metrics.snapshot import Snapshot
from streamlab.model import TopicPartition

from .database import fresh_connection
from .moments import Moment
from .page import Address, MenuEntry, Page

Place = tuple[str, TopicPartition]  # group, and what it reads
MOST_QUEUES = 50
MOST_WAITING = 100
WINDOW_MS = 3_600_000
"""Attempts are summed up over the last hour."""


def queues(snapshot: Snapshot, names: Iterable[str]) -> list[Place]:
    """Every group and partition that a queue of these groups can be of. Raises StreamlabError."""
    known = queue().known()
    return [
        (name, TopicPartition(p.topic, p.partition))
        for name in names
        if name in snapshot.groups
        for topic in known.get(name, ())
        for p in snapshot.groups[name].on(topic)
    ]


def queue() -> RetryQueue:
    return RetryQueue(broker().connection)


def busy_queues(moment: Moment, wanted: str) -> dict[Place, Counts]:
    """Queues that hold something, of one group or of all ("")."""
    counts = queue().counts_of(queues(moment.snapshot, [wanted] if wanted else moment.snapshot.groups))
    return {place: c for place, c in counts.items() if c.records}


def fullest(busy: dict[Place, Counts]) -> list[Place]:
    return sorted(busy, key=lambda place: (-busy[place].records, place))[:MOST_QUEUES]


def _waiting(moment: Moment, wanted: str) -> dict[str, Any]:
    busy = busy_queues(moment, wanted)
    shown, soonest, known = fullest(busy), [], rules()
    for group, partition in shown:
        shield = shield_among(known, partition.topic)
        found = reading.waiting(queue(), group, partition, MOST_WAITING, shield)
        soonest += [(group, w) for w in found]
    soonest.sort(key=lambda item: (item[1].due_ms is None, item[1].due_ms or 0))
    return {
        "queues": [retries.queue_row(place, busy[place]) for place in shown],
        "queues_total": len(busy),
        "waiting": [retries.waiting_row(group, w, moment.read_at_ms) for group, w in soonest[:MOST_WAITING]],
        "retrying": count(sum(c.retrying for c in busy.values()), "records wait to be tried again"),
        "parked": count(sum(c.parked for c in busy.values()), "records wait behind one of their key"),
        "held": size(sum(c.size_bytes for c in busy.values())),
        "summary": plural(sum(c.records for c in busy.values()), "record"),
    }


def _attempts(wanted: str, now_ms: int) -> list[retries.ErrorRow]:
    """Of the last hour, by error."""
    events = RecordEvent.objects.attempts().filter(at_ms__gte=now_ms - WINDOW_MS)
    events = events.filter(group=wanted) if wanted else events
    found = (
        events.exclude(exception="")
        .values("group", "exception")
        .annotate(
            attempts=Count("pk"),
            deaths=Count("pk", filter=Q(kind="record.dead_lettered")),
            last=Max("at_ms"),
            took=Avg("took_ms"),
        )
        .order_by("-attempts")[:20]
    )
    return [retries.error_row(line, now_ms) for line in found]


@fresh_connection
def context(moment: Moment, address: Address) -> dict[str, Any]:
    wanted = address.query.get("group", "")
    try:
        waiting = _waiting(moment, wanted)
    except StreamlabError as error:
        waiting = {"failed": str(error), "summary": ""}
    events = RecordEvent.objects.attempts().filter(at_ms__gte=moment.read_at_ms - WINDOW_MS)
    events = events.filter(group=wanted) if wanted else events
    return {
        **waiting,
        "group": wanted,
        "errors": _attempts(wanted, moment.read_at_ms),
        "lateness": retries.lateness(
            list(
                events.filter(planned_ms__isnull=False, started_ms__isnull=False)
                .order_by("-at_ms")
                .values_list("planned_ms", "started_ms")[:2_000]
            )
        ),
        "clear_href": address.path,
    }


PAGE = Page(
    name="retries",
    pattern="retries/",
    title=lambda address: "Retries",
    parts=("summary", "figures", "waiting", "errors"),
    context=context,
    menu=MenuEntry("Retries", "Work", "r", "retries"),
)

"""Retries: what waits to be tried again, by when it is due, and how attempts went."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.core.cache import cache
from django.db.models import Avg, Count, Max, Q, QuerySet

from dashboard.broker import broker
from dashboard.masking import reading
from dashboard.masking.reading import Place
from dashboard.presenters import attempts, retries
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
from .table import link

MOST_QUEUES = 50
MOST_WAITING = 100
MOST_OF_ONE = 500
"""Records that are listed of a queue that is looked at alone."""
MOST_ERRORS = 20
MOST_ATTEMPTS = 2_000
WINDOW_MS = 3_600_000
"""Attempts are summed up over the last hour."""
CACHED_S = 10
"""And not anew for each look."""


@dataclass(frozen=True)
class Asked:
    """What the address narrows it to."""

    group: str  # "": all
    place: str  # one queue of the group, as "orders/3"; "": all

    @property
    def most(self) -> int:
        return MOST_OF_ONE if self.place else MOST_WAITING


def asked(address: Address) -> Asked:
    group = address.query.get("group", "")
    return Asked(group, address.query.get("queue", "") if group else "")


def queues(snapshot: Snapshot, names: Iterable[str]) -> list[Place]:
    """Every group and partition that a queue of these groups can be of. Raises StreamlabError."""
    known = queue().known()
    return [
        (name, TopicPartition(p.topic, p.partition))
        for name in names
        if name in snapshot.groups
        for topic in known.get(name, ())
        for p in snapshot.groups[name].partitions.on(topic)
    ]


def queue() -> RetryQueue:
    return RetryQueue(broker().connection)


def busy_queues(moment: Moment, wanted: str) -> dict[Place, Counts]:
    """Queues that hold something, of one group or of all ("")."""
    counts = queue().counts_of(queues(moment.snapshot, [wanted] if wanted else moment.snapshot.groups))
    return {place: c for place, c in counts.items() if c.records}


def fullest(busy: dict[Place, Counts]) -> list[Place]:
    return sorted(busy, key=lambda place: (-busy[place].records, place))[:MOST_QUEUES]


def _waiting(moment: Moment, wanted: Asked) -> dict[str, Any]:
    busy = busy_queues(moment, wanted.group)
    if wanted.place:
        busy = {place: c for place, c in busy.items() if str(place[1]) == wanted.place}
    shown, listed = fullest(busy), reading.waiting(queue(), busy, wanted.most)
    records = sum(c.records for c in busy.values())
    return {
        "queues": [retries.queue_row(place, busy[place]) for place in shown],
        "queues_total": len(busy),
        "queues_more": len(busy) - len(shown),
        "waiting": [retries.waiting_row(group, w, moment.read_at_ms) for group, w in listed],
        "waiting_more": count(max(0, records - len(listed)), "records wait besides"),
        "retrying": count(sum(c.retrying for c in busy.values()), "records wait to be tried again"),
        "parked": count(sum(c.parked for c in busy.values()), "records wait behind one of their key"),
        "held": size(sum(c.size_bytes for c in busy.values())),
        "summary": plural(records, "record"),
    }


@dataclass(frozen=True)
class Hour:
    """What the tables of history say of the attempts of the last hour."""

    errors: list[dict[str, Any]]  # of each error how often, how often deadly, when last
    errors_total: int  # how many errors there are, those that are not listed among them
    failed: int  # attempts that failed
    newest: list[attempts.Attempt]


def _hour(wanted: Asked, now_ms: int) -> Hour:
    """Read again every `CACHED_S`."""
    key = f"retries:{broker().url}:{hash((wanted.group, wanted.place))}"
    found: Hour | None = cache.get(key)
    if found is None:
        found = _read(_events(wanted, now_ms))
        cache.set(key, found, CACHED_S)
    return found


def _events(wanted: Asked, now_ms: int) -> QuerySet[RecordEvent]:
    events = RecordEvent.objects.attempts().filter(at_ms__gte=now_ms - WINDOW_MS)
    events = events.filter(group=wanted.group) if wanted.group else events
    if wanted.place:
        topic, _, partition = wanted.place.rpartition("/")
        number = int(partition) if partition.isdecimal() and len(partition) < 9 else -1
        events = events.filter(topic=topic, partition=number)
    return events


def _read(events: QuerySet[RecordEvent]) -> Hour:
    failed = events.exclude(exception="")
    found = (
        failed.values("group", "exception")
        .annotate(
            attempts=Count("pk"),
            deaths=Count("pk", filter=Q(kind="record.dead_lettered")),
            last=Max("at_ms"),
            took=Avg("took_ms"),
        )
        .order_by("-attempts", "group", "exception")
    )
    errors: list[dict[str, Any]] = [dict(error) for error in found[: MOST_ERRORS + 1]]
    newest = events.order_by("-at_ms").values_list(
        "kind", "attempt", "at_ms", "planned_ms", "started_ms", "due_ms"
    )[:MOST_ATTEMPTS]
    return Hour(
        errors[:MOST_ERRORS],
        found.count() if len(errors) > MOST_ERRORS else len(errors),
        failed.count() if errors else 0,
        [attempts.Attempt(*told) for told in newest],
    )


def _shown(hour: Hour, now_ms: int) -> dict[str, Any]:
    """Failed attempts by what they failed with; planned and actual of the newest ones."""
    return {
        "errors": [retries.error_row(line, hour.failed, now_ms) for line in hour.errors],
        "errors_more": hour.errors_total - len(hour.errors),
        "failed_attempts": plural(hour.failed, "failed attempt"),
        "lateness": attempts.lateness(hour.newest),
        "by_number": attempts.by_number(hour.newest),
        "attempts_cut": len(hour.newest) == MOST_ATTEMPTS,
        "most_attempts": count(MOST_ATTEMPTS, "attempts"),
    }


@fresh_connection
def context(moment: Moment, address: Address) -> dict[str, Any]:
    wanted = asked(address)
    try:
        waiting = _waiting(moment, wanted)
    except StreamlabError as error:
        waiting = {"broken": str(error), "summary": ""}
    return {
        **waiting,
        **_shown(_hour(wanted, moment.read_at_ms), moment.read_at_ms),
        "group": wanted.group,
        "place": wanted.place,
        "most_of_one": MOST_OF_ONE,
        "clear_href": address.path,
        "group_href": link(address, queue=None),
    }


PAGE = Page(
    name="retries",
    pattern="retries/",
    title=lambda address: "Retries",
    parts=("summary", "figures", "waiting", "attempts", "errors"),
    context=context,
    menu=MenuEntry("Retries", "Work", "r", "retries"),
)

"""What happened between two moments: rebalances, resets, replays, experiments, alerts, changed settings and topics."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from django.db.models import Q

from dashboard.alerts.models import Firing
from dashboard.broker import broker
from dashboard.operations.models import Operation, State
from dashboard.presenters import marks
from dashboard.presenters.marks import KINDS, Mark
from dashboard.projections.models import BrokerEvent
from streamlab.errors import StreamlabError
from streamlab.lab.experiments import notes

from .moments import Moment

MOST = 100
SLACK_MS = 5_000
"""An operation's event may bear the server's clock, its row the web's."""
OPERATIONS = {
    "group.rebalanced": ("rebalance", "scale-consumers"),
    "group.paused": ("pause-group",),
    "group.resumed": ("resume-group",),
    "offsets.reset": ("reset-offsets",),
    "replay.started": ("replay",),
    "replay.finished": ("replay",),
    "config.changed": ("configure",),
    "topic.created": ("create-topic",),
    "topic.deleted": ("delete-topic",),
    "partitions.added": ("add-partitions",),
    "records.deleted": ("purge",),
    "schema.registered": ("register-schema",),
}
"""Event -> kinds of operations that cause it."""


def between(since_ms: int, until_ms: int, *, topic: str = "", group: str = "") -> list[Mark]:
    """The newest `MOST`, newest first; of one topic or group only, where one is named.

    An experiment is one thing: what it turns back and forth meanwhile is no mark of its own.
    """
    found = BrokerEvent.objects.filter(kind__in=KINDS, at_ms__gt=since_ms, at_ms__lte=until_ms)
    found = found.exclude(kind="config.changed", by="lab")
    if topic:
        found = found.filter(Q(topic=topic) | Q(kind="config.changed", data__entity=topic))
    if group:
        found = found.filter(Q(group=group) | Q(kind="config.changed", data__entity=group))
    events = list(found.order_by("-at_ms", "-pk")[:MOST])
    operations = _operations(since_ms, until_ms) if events else []
    happened = [marks.mark(event, _that_did(event, operations)) for event in events]
    happened += _alerts(since_ms, until_ms, topic, group)
    happened += _experiments(since_ms, until_ms, topic, group)
    return sorted(happened, key=lambda mark: -mark.at_ms)[:MOST]


def _alerts(since_ms: int, until_ms: int, topic: str, group: str) -> list[Mark]:
    """That they opened, and that they cleared."""
    found = Firing.objects.all()
    if topic:
        found = found.filter(Q(subject=f"topic {topic}") | Q(subject__endswith=f" on {topic}"))
    if group:
        found = found.filter(Q(subject=f"group {group}") | Q(subject__startswith=f"group {group} on "))
    within = (_moment(since_ms + 1), _moment(until_ms))
    opened = found.filter(opened_at__range=within).order_by("-opened_at")[:MOST]
    cleared = found.filter(cleared_at__range=within).order_by("-cleared_at")[:MOST]
    return [*map(marks.alert_opened, opened), *map(marks.alert_cleared, cleared)]


def of_experiments(moment: Moment, *, topic: str = "", group: str = "") -> list[Mark]:
    """For the charts of a page, over their whole window; of one topic or group only, where one is named."""
    return _experiments(moment.window_start_ms, moment.read_at_ms, topic, group)


def _experiments(since_ms: int, until_ms: int, topic: str, group: str) -> list[Mark]:
    try:
        kept, note = notes.results(broker().connection, since_ms), notes.current(broker().connection)
    except StreamlabError:
        return []  # the page says by itself that the server is away
    found = []
    for outcome in kept.values():
        if topic not in ("", outcome.plan.topic) or group not in ("", outcome.plan.group):
            continue
        found.append(marks.of_experiment(outcome, outcome.started_ms, ended=False))
        if note is None or note.id != outcome.id:
            found.append(marks.of_experiment(outcome, outcome.ended_ms, ended=True))
    return [mark for mark in found if since_ms < mark.at_ms <= until_ms]


def _operations(since_ms: int, until_ms: int) -> list[Operation]:
    begun = Operation.objects.filter(
        started_at__gte=_moment(since_ms - 3_600_000), started_at__lte=_moment(until_ms + SLACK_MS)
    )
    return list(begun.exclude(state=State.DRAFT).order_by("-started_at")[:MOST])


def _that_did(event: BrokerEvent, operations: Sequence[Operation]) -> int | None:
    """The operation that was running then, is of the right kind, and is about the same thing."""
    kinds = OPERATIONS[event.kind]
    about = {event.group, event.topic, str(event.data.get("entity") or ""), *_dlq(event)} - {""}
    for operation in operations:
        if operation.kind not in kinds or operation.started_at is None:
            continue
        start_ms = operation.started_at.timestamp() * 1000 - SLACK_MS
        end = operation.finished_at.timestamp() * 1000 if operation.finished_at else event.at_ms
        if not start_ms <= event.at_ms <= end + SLACK_MS:
            continue
        words = operation.subject.replace(":", " ").split(" ")
        if not about or about & set(words):
            return int(operation.pk)
    return None


def _dlq(event: BrokerEvent) -> set[str]:
    return {str(event.data.get("dlq_topic") or "")}


def _moment(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)

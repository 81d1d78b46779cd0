"""Throwing the tables away, which is safe as far back as the topic reaches."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from streamlab.broker import Broker
from streamlab.events import EVENTS_TOPIC, ensure_topic
from streamlab.model import TopicPartition
from streamlab.topics import Topics

from . import models

TABLES = (
    models.RecordEvent,
    models.DeadLetter,
    models.FailureGroup,
    models.BrokerEvent,
    models.Rebalance,
    models.ConfigChange,
    models.OffsetReset,
)


def begin(broker: Broker) -> int:
    """Empty all tables in one transaction; whoever projects next starts at the beginning. Events to be applied.

    Raises StreamlabError.
    """
    starts, ends = _edges(broker)
    with transaction.atomic():
        models.Ledger.objects.get_or_create(pk=models.Ledger.THE_ONE)
        ledger = models.Ledger.objects.select_for_update().get(pk=models.Ledger.THE_ONE)
        for table in TABLES:
            table._default_manager.all().delete()
        models.Position.objects.all().delete()
        ledger.applied = ledger.unreadable = 0
        ledger.rebuilt_ms = int(timezone.now().timestamp() * 1000)
        ledger.rebuild_until = {str(p): end for p, end in ends.items() if end > starts[p]}
        ledger.save()
    return sum(ends[p] - starts[p] for p in ends)


def lost_by_rebuilding(broker: Broker) -> int:
    """Events that stand in the tables and not in the topic any more. Raises StreamlabError."""
    starts, _ = _edges(broker)
    applied = dict(models.Position.objects.values_list("partition", "offset"))
    created_ms = Topics(broker.connection).require(EVENTS_TOPIC).created_ms
    ledger = models.Ledger.objects.filter(pk=models.Ledger.THE_ONE).first()
    if ledger is None or ledger.topic_created_ms is None:
        return 0
    if ledger.topic_created_ms != created_ms:
        return ledger.applied
    return sum(min(starts[p], at) for p, at in applied.items() if p in starts)


def _edges(broker: Broker) -> tuple[dict[int, int], dict[int, int]]:
    """Log start and log end by partition."""
    ensure_topic(broker.connection)
    partitions = [
        TopicPartition(EVENTS_TOPIC, n)
        for n in range(Topics(broker.connection).require(EVENTS_TOPIC).partitions)
    ]
    with broker.consumer(client_id="streamlab-projector") as consumer:
        starts, ends = consumer.beginning_offsets(partitions), consumer.end_offsets(partitions)
    return {p.partition: o for p, o in starts.items()}, {p.partition: o for p, o in ends.items()}

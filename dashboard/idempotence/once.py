"""The note and the effect in one transaction: both are there, or neither."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from .models import Processed

ROWS_A_TURN = 5_000


@contextmanager
def once(consumer: str, event_id: str, using: str = "default") -> Iterator[bool]:
    """True when `consumer` has not handled this event; the effect belongs inside, in the database `using`.

    What is raised inside takes the note back together with the effect. Who comes with the same id at the same time
    waits for the first one's transaction: is it committed, the answer is False; is it rolled back, True.
    """
    with transaction.atomic(using=using):
        _, first = Processed.objects.using(using).get_or_create(consumer=consumer, event_id=event_id)
        yield first


def forget(older_than: timedelta, using: str = "default") -> int:
    """Delete notes of events that cannot come again; how many. In turns, so that nobody waits for long."""
    before, gone = timezone.now() - older_than, 0
    while True:
        with transaction.atomic(using=using):
            oldest = Processed.objects.using(using).filter(at__lt=before).order_by("at")
            keys = list(oldest.values_list("pk", flat=True)[:ROWS_A_TURN])
            gone += len(keys)
            Processed.objects.using(using).filter(pk__in=keys).delete()
        if len(keys) < ROWS_A_TURN:
            return gone

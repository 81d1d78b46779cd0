"""Do the tables tell of now? What they do not hold yet cannot be counted, and none counted is not none there is."""

from __future__ import annotations

from streamlab.events import EVENTS_TOPIC
from streamlab.metrics.snapshot import Snapshot

from . import GROUP
from .models import Ledger, Position

LATE_MS = 15_000
"""Events that wait longer than this to be brought into the tables are missed there."""
REBUILDING = "The history is being made again from its events: what died is not all counted yet."
BEHIND = "The history is behind its events, as when no projector runs: what died lately is not all counted."


def missing(snapshot: Snapshot) -> str:
    """What the tables lack, as a sentence; "" when they tell all but the last moments before the snapshot.

    To be asked after the snapshot was read: how far the tables are only grows. Raises DatabaseError.
    """
    if Ledger.objects.filter(pk=Ledger.THE_ONE).exclude(rebuild_until={}).exists():
        return REBUILDING
    topic = snapshot.topics.get(EVENTS_TOPIC)
    if topic is None:
        return ""
    applied = dict(Position.objects.values_list("partition", "offset"))
    group = snapshot.groups.get(GROUP)
    of_group = {p.partition: p for p in group.partitions.on(EVENTS_TOPIC)} if group else {}
    for log in topic.partitions:
        at = applied.get(log.partition, 0)
        if at >= log.log_end or log.log_end == log.log_start:
            continue
        read = of_group.get(log.partition)
        if read is None or read.committed is None or at < read.committed:
            return BEHIND  # never projected, or into a database that is not this one
        if read.time_lag_ms is None or read.time_lag_ms > LATE_MS:
            return BEHIND
    return ""

"""One batch of the topic and how far the database has come: what is applied, what is passed over, what is missing."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import NamedTuple

from streamlab.events import Recorded, recorded_of
from streamlab.model import ConsumerRecord, TopicPartition

from .models import Ledger, Position

log = logging.getLogger("streamlab.projector")

Polled = dict[TopicPartition, list[ConsumerRecord]]


class Written(NamedTuple):
    applied: int  # events
    back_to: dict[int, int]  # partition → offset where the database stands, below what was polled


class Batch:
    """What one poll() returned."""

    def __init__(self, polled: Polled, topic_created_ms: int, edges: Callable[[int], tuple[int, int]]):
        """`edges(partition)` are the log's start and end; asked only where something does not fit."""
        self._polled = polled
        self._topic_created_ms = topic_created_ms
        self._edges = edges

    def write(self, apply: Callable[[list[Recorded]], int | None]) -> Written:
        """Inside a transaction. `apply` brings events into the tables and returns how many it had to pass over."""
        ledger = self._lock()
        positions = {row.partition: row for row in Position.objects.all()}
        events: list[Recorded] = []
        back_to: dict[int, int] = {}
        for (_, partition), records in self._polled.items():
            position = positions.setdefault(partition, Position(partition=partition))
            first = self._first(position, records[0].offset, records[-1].offset)
            if first > records[-1].offset:
                continue
            if first < records[0].offset:
                back_to[partition] = first
                continue
            news = [record for record in records if record.offset >= first]
            found = [event for event in map(recorded_of, news) if event is not None]
            ledger.unreadable += len(news) - len(found)
            events += found
            position.offset = news[-1].offset + 1
            position.event_ms = max((event.at_ms for event in found), default=position.event_ms)
            position.save()
        ledger.unreadable += apply(events) or 0
        ledger.applied += len(events)
        if ledger.rebuild_until and _reached(ledger.rebuild_until, positions):
            ledger.rebuild_until = {}
        ledger.save()
        return Written(len(events), back_to)

    def _lock(self) -> Ledger:
        """The one row, made when it is missing. A topic that was made anew is applied from its beginning."""
        Ledger.objects.get_or_create(pk=Ledger.THE_ONE)
        ledger = Ledger.objects.select_for_update().get(pk=Ledger.THE_ONE)
        if ledger.topic_created_ms != self._topic_created_ms:
            if ledger.topic_created_ms is not None:
                log.warning("The topic of events was made anew; it is applied from its beginning.")
            Position.objects.all().delete()
            ledger.topic_created_ms = self._topic_created_ms
        return ledger

    def _first(self, position: Position, first: int, last: int) -> int:
        """The first offset that is to be applied."""
        if first <= position.offset <= last:
            return position.offset
        start, end = self._edges(position.partition)
        if position.offset > end:
            log.warning("Partition %d of the events lost its end; it is applied again.", position.partition)
            return first
        return max(position.offset, min(start, first))


def _reached(until: dict[str, int], positions: dict[int, Position]) -> bool:
    """JSON has made the partitions' numbers text."""
    return all(
        (at := positions.get(int(partition))) is not None and at.offset >= offset
        for partition, offset in until.items()
    )

"""One record, whole: key, value, headers, where it stands."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from django.urls import reverse

from dashboard.broker import broker
from dashboard.masking import reading
from dashboard.masking.rules import shield_of
from dashboard.presenters import letters, payload, records
from dashboard.projections.models import DeadLetter, RecordEvent
from streamlab.errors import RecordError, StreamlabError, UnknownTopicOrPartitionError
from streamlab.model import ConsumerRecord, TopicPartition

from .database import fresh_connection
from .moments import Gone, Moment
from .page import Address, Page

MOST_STEPS = 500


def found(address: Address, *, reveal: bool = False) -> ConsumerRecord:
    """Masked unless it is revealed to an Admin. Raises Gone when the log does not hold it (any more)."""
    place = TopicPartition(address.args["topic"], int(address.args["partition"]))
    offset = int(address.args["offset"])
    try:
        record = reading.record_at(broker().connection, place, offset, reveal=reveal)
    except (UnknownTopicOrPartitionError, OverflowError):
        raise Gone(f"There is no partition {place}.") from None
    if record is None:
        raise Gone(
            f"There is no record at offset {offset} of {place}: none came yet, or retention or compaction took it."
        )
    return record


Way = tuple[str, list[letters.StepRow], str]
"""Group, steps, and the address of its newest dead letter there, or ""."""


def _ways(record: ConsumerRecord, reveal: bool) -> tuple[list[Way], bool]:
    """Its way through each group that did not handle it at once, and whether earlier steps are left out."""
    events, more = RecordEvent.objects.filter(
        topic=record.topic, partition=record.partition, offset=record.offset
    ).newest(MOST_STEPS)
    said = (lambda text: text) if reveal else shield_of(record.topic).said
    found = []
    by_group = sorted(events, key=lambda event: event.group)
    for group, steps in groupby(by_group, key=lambda event: event.group):
        letter = (
            DeadLetter.objects.filter(
                group=group,
                topic=record.topic,
                partition=record.partition,
                offset=record.offset,
                dlq_offset__isnull=False,
            )
            .order_by("-died_ms")
            .first()
        )
        where = (letter.dlq_topic, letter.dlq_partition, letter.dlq_offset) if letter else None
        found.append((group, letters.step_rows(steps, said), reverse("letter", args=where) if where else ""))
    return found, more


@fresh_connection
def context(moment: Moment, address: Address, *, reveal: bool = False) -> dict[str, Any]:
    try:
        record = found(address, reveal=reveal)
    except (RecordError, StreamlabError) as error:
        return {"failed": str(error), "row": None}
    ways, earlier = _ways(record, reveal)
    return {
        "ways": ways,
        "earlier": earlier,
        "most_steps": MOST_STEPS,
        "row": records.row(record, moment.read_at_ms),
        "headers": payload.headers(record.headers),
        "attributes": records.attributes_of(record.headers),
        "before": record.offset - 1 if record.offset else None,
        "after": record.offset + 1,
        "masked": shield_of(record.topic).active,
        "revealed": reveal,
    }


PAGE = Page(
    name="record",
    pattern="topics/<path:topic>/records/<int:partition>/<int:offset>/",
    title=lambda address: f"Record {address.args['partition']} / {address.args['offset']}",
    parts=(),
    context=context,
    measured=False,
    live=lambda address: False,
    under="topics",
)

"""One record, whole: key, value, headers, where it stands."""

from __future__ import annotations

from typing import Any

from dashboard.broker import broker
from dashboard.presenters import payload, records
from streamlab import browse
from streamlab.errors import RecordError, StreamlabError, UnknownTopicOrPartitionError
from streamlab.model import ConsumerRecord, TopicPartition

from .moments import Gone, Moment
from .page import Address, Page


def found(address: Address) -> ConsumerRecord:
    """Raises Gone when the log does not hold it (any more)."""
    place = TopicPartition(address.args["topic"], int(address.args["partition"]))
    offset = int(address.args["offset"])
    try:
        record = browse.record_at(broker().connection, place, offset)
    except (UnknownTopicOrPartitionError, OverflowError):
        raise Gone(f"There is no partition {place}.") from None
    if record is None:
        raise Gone(
            f"There is no record at offset {offset} of {place}: none came yet, or retention or compaction took it."
        )
    return record


def context(moment: Moment, address: Address) -> dict[str, Any]:
    try:
        record = found(address)
    except (RecordError, StreamlabError) as error:
        return {"failed": str(error), "row": None}
    return {
        "row": records.row(record, moment.read_at_ms),
        "headers": payload.headers(record.headers),
        "attributes": records.attributes_of(record.headers),
        "before": record.offset - 1 if record.offset else None,
        "after": record.offset + 1,
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

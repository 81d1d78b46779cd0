"""What waits to be tried again."""

from __future__ import annotations

from django.http import HttpRequest
from ninja import Field, Query, Router, Schema

from dashboard.masking import reading
from dashboard.pages import moments
from dashboard.pages import retries as page
from streamlab.delivery.retry_queue import Waiting

from .contents import MOST_IN_A_LIST, Contents, contents
from .door import reads_records
from .paging import MOST

router = Router(tags=["Retries"])


class Queue(Schema):
    group: str
    topic: str
    partition: int
    retrying: int
    parked: int = Field(description="Behind an earlier record of their key.")
    size_bytes: int


class WaitingRecord(Schema):
    group: str
    topic: str
    partition: int
    offset: int
    due_ms: int | None = Field(description="null: parked; it follows the record before it.")
    leased: bool = Field(description="A worker has it right now.")
    attempts: int
    error_class: str
    error_message: str
    key: Contents | None


class Retries(Schema):
    retrying: int
    parked: int
    queues: list[Queue] = Field(description="The fullest, 50 at most.")
    queues_total: int
    waiting: list[WaitingRecord] = Field(description="The soonest of all queues, then what is parked.")


class RetriesQuery(Schema):
    group: str = Field("", max_length=500)
    limit: int = Field(100, ge=1, le=MOST, description="Waiting records, at most.")


@router.get("/retries", auth=reads_records, response=Retries, operation_id="list_retries")
def retries(request: HttpRequest, query: Query[RetriesQuery]) -> object:
    """Queues, and the records that are due next."""
    busy = page.busy_queues(moments.current(), query.group)
    return {
        "retrying": sum(counts.retrying for counts in busy.values()),
        "parked": sum(counts.parked for counts in busy.values()),
        "queues": [
            {
                "group": place[0],
                "topic": place[1].topic,
                "partition": place[1].partition,
                **busy[place]._asdict(),
            }
            for place in page.fullest(busy)
        ],
        "queues_total": len(busy),
        "waiting": [_waiting(*found) for found in reading.waiting(page.queue(), busy, query.limit)],
    }


def _waiting(group: str, one: Waiting) -> dict[str, object]:
    last = one.record.attempts[-1] if one.record.attempts else None
    return {
        "group": group,
        "topic": one.record.topic,
        "partition": one.record.partition,
        "offset": one.record.offset,
        "due_ms": one.due_ms,
        "leased": one.leased,
        "attempts": len(one.record.attempts),
        "error_class": last.error_class if last else "",
        "error_message": last.error_message if last else "",
        "key": contents(one.record.key, MOST_IN_A_LIST),
    }

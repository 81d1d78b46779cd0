"""The records of a topic: searched a page at a time, honest about how far it looked; or one of them, whole."""

from __future__ import annotations

from typing import Literal

from django.http import HttpRequest
from ninja import Field, Query, Router, Schema

from dashboard.audit import trail
from dashboard.masking.rules import shield_of
from dashboard.pages import messages
from dashboard.pages import record as record_page
from dashboard.pages.page import Address
from dashboard.schema_registry.decoding import Decoder
from streamlab import browse
from streamlab.model import ConsumerRecord

from . import contents
from .contents import MOST_IN_A_LIST, Record
from .door import actor, reads_records, reveals
from .problems import AskedWrongly

router = Router(tags=["Records"])
MOST_OFFSET = 2**53 - 1


class Unreadable(Schema):
    partition: int
    offset: int
    reason: str


class Found(Schema):
    records: list[Record]
    scanned: int = Field(description="Offsets that were looked at so far, over all pages of this search.")
    of: int = Field(description="Offsets that the search had at its beginning.")
    cursor: str | None = Field(description="Continue with this; null: everything was looked at.")
    masked: bool = Field(description="Whether masking rules hold for this topic.")
    unreadable: list[Unreadable]


class OneRecord(Schema):
    record: Record
    masked: bool = Field(description="Whether masking rules hide something of such records.")


class Search(Schema):
    partition: int | None = Field(None, ge=0, le=1_000_000)
    order: Literal["newest", "oldest"] = "newest"
    key: str = Field("", max_length=10_000, description="Exactly; 0x… is bytes in hexadecimal.")
    text: str = Field("", max_length=1_000, description="In key, value or a header.")
    path: str = Field("", max_length=500, description='Of a JSON value: "$.country = France".')
    at: str = Field(
        "", max_length=40, description="From this moment on (back, for newest): 2026-01-31T08:30:00."
    )
    offset: int | None = Field(None, ge=0, le=MOST_OFFSET, description="Begin here; needs a partition.")
    cursor: str = Field(
        "", max_length=200_000, description="As the page before gave it, with the same search."
    )
    limit: int = Field(50, ge=1, le=500, description="Records on a page.")


@router.get("/topics/{topic}/records", auth=reads_records, response=Found, operation_id="search_records")
def search(request: HttpRequest, topic: str, query: Query[Search]) -> object:
    """A page of a search. It looks at most at 20,000 records or 32 MiB or for a second; `cursor` continues."""
    wanted = messages.Asked(
        topic=topic,
        partitions=None if query.partition is None else [query.partition],
        oldest_first=query.order == "oldest",
        tail=False,
        key=query.key,
        text=query.text.strip(),
        path=query.path.strip(),
        at=query.at,
        offset=query.offset,
        cursor=query.cursor,
    )
    if query.offset is not None and query.partition is None:
        raise AskedWrongly({"query.offset": ["An offset is of one partition: choose it too."]})
    page, total = messages.look(wanted, browse.ONE_PAGE._replace(matches=query.limit))
    if wanted.problems:
        raise AskedWrongly({"query": wanted.problems})
    decoder = Decoder()
    return {
        "records": [contents.record(record, MOST_IN_A_LIST, decoder) for record in page.records],
        "scanned": max(0, total - page.left_offsets),
        "of": total,
        "cursor": messages.cursor(total, page.left) if page.left else None,
        "masked": shield_of(topic).active,
        "unreadable": [
            {"partition": one.partition.partition, "offset": one.offset, "reason": one.reason}
            for one in page.unreadable
        ],
    }


def _found(topic: str, partition: int, offset: int, reveal: bool) -> ConsumerRecord:
    args = {"topic": topic, "partition": str(partition), "offset": str(offset)}
    return record_page.found(Address("", args), reveal=reveal)


@router.get(
    "/topics/{topic}/records/{int:partition}/{int:offset}",
    auth=reads_records,
    response=OneRecord,
    operation_id="get_record",
)
def record(request: HttpRequest, topic: str, partition: int, offset: int) -> object:
    """One record, whole."""
    found = _found(topic, partition, offset, reveal=False)
    return {"record": contents.record(found), "masked": shield_of(topic).active}


@router.post(
    "/topics/{topic}/records/{int:partition}/{int:offset}/reveal",
    auth=reveals,
    response=OneRecord,
    operation_id="reveal_record",
)
def reveal(request: HttpRequest, topic: str, partition: int, offset: int) -> object:
    """One record as it is stored, whatever masking rules say. Each call leaves a line in the audit trail."""
    found = _found(topic, partition, offset, reveal=True)
    trail.record(actor(request), "record.revealed", f"{topic}/{partition}@{offset}")
    return {"record": contents.record(found), "masked": shield_of(topic).active}

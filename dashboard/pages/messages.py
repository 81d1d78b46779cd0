"""The records of a topic: by offset, time, key, text and JSON path; a page at a time, or as they come."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from dashboard.broker import broker
from dashboard.masking import reading
from dashboard.presenters import records
from dashboard.presenters.words import plural
from dashboard.schema_registry.decoding import Decoder
from streamlab import browse, filters
from streamlab.browse import Budget, Span
from streamlab.errors import IllegalArgumentError, StreamlabError, UnknownTopicOrPartitionError
from streamlab.model import TopicPartition

from .database import fresh_connection
from .moments import Gone, Moment
from .page import Address, Page
from .table import link

TAIL_BUDGET = Budget(matches=50, records=2_000, bytes=8 << 20, seconds=0.2)
"""Of a view that is drawn every second."""


@dataclass
class Asked:
    """What the address asks for; what it says wrongly is told in `problems`."""

    topic: str
    partitions: list[int] | None
    oldest_first: bool
    tail: bool
    key: str
    text: str
    path: str
    at: str
    offset: int | None
    cursor: str
    problems: list[str] = field(default_factory=list)

    @property
    def filtered(self) -> bool:
        return bool(self.key or self.text or self.path)


def asked(address: Address) -> Asked:
    query = address.query
    partition, offset = query.get("partition", ""), query.get("offset", "")
    found = Asked(
        topic=address.args["topic"],
        partitions=[int(partition)] if _is_number(partition) else None,
        oldest_first=query.get("order") == "oldest",
        tail=is_tail(address),
        key=query.get("key", ""),
        text=query.get("text", "").strip(),
        path=query.get("path", "").strip(),
        at=query.get("at", ""),
        offset=int(offset) if _is_number(offset) else None,
        cursor=query.get("c", ""),
    )
    if offset and found.offset is None:
        found.problems.append(f"“{offset}” is no offset; it is a number from 0.")
    if found.offset is not None and found.partitions is None:
        found.problems.append("An offset is of one partition: choose it too.")
    return found


def is_tail(address: Address) -> bool:
    """Whether this view follows the newest records. A search that was continued stands still."""
    return address.query.get("tail") == "1" and not address.query.get("c")


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 17


def _matches(wanted: Asked) -> browse.Matches:
    conditions = []
    try:
        if wanted.key:
            conditions.append(filters.by_key(wanted.key))
        if wanted.text:
            conditions.append(filters.by_text(wanted.text))
        if wanted.path:
            conditions.append(filters.by_path(wanted.path))
    except IllegalArgumentError as error:
        wanted.problems.append(str(error))
    return filters.all_of(conditions)


def _spans(wanted: Asked) -> tuple[dict[TopicPartition, Span], int]:
    """What is to be looked at, and how many offsets the whole search had at its beginning."""
    connection = broker().connection
    there = browse.spans(connection, wanted.topic)
    if wanted.partitions and TopicPartition(wanted.topic, wanted.partitions[0]) not in there:
        wanted.problems.append(f"There is no partition {wanted.partitions[0]}; there are {len(there)}.")
        wanted.partitions = None
    numbers = wanted.partitions or [p.partition for p in there]
    within = {p: span for p, span in there.items() if p.partition in numbers}
    if wanted.cursor:
        return _continued(wanted, within)
    if wanted.at:
        at_ms = _moment(wanted)
        if at_ms is not None and wanted.oldest_first:
            within = browse.since(connection, within, at_ms)
        elif at_ms is not None:
            later = browse.since(connection, within, at_ms)
            within = {p: Span(span.first, later[p].first) for p, span in within.items()}
    if wanted.offset is not None and wanted.partitions:
        within = {
            p: Span(max(s.first, wanted.offset), s.end)
            if wanted.oldest_first
            else Span(s.first, min(s.end, wanted.offset + 1))
            for p, s in within.items()
        }
    return within, sum(span.offsets for span in within.values())


def _moment(wanted: Asked) -> int | None:
    try:
        moment = datetime.fromisoformat(wanted.at)
    except ValueError:
        wanted.problems.append(f"“{wanted.at}” is no time; write 2026-01-31T08:30:00.")
        return None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


def _continued(wanted: Asked, within: dict[TopicPartition, Span]) -> tuple[dict[TopicPartition, Span], int]:
    """A cursor: `<offsets at the beginning>_<partition>.<first>.<end>_…`"""
    try:
        total, *parts = wanted.cursor.split("_")
        left = {
            TopicPartition(wanted.topic, n): Span(f, e) for n, f, e in (map(int, p.split(".")) for p in parts)
        }
        kept = {
            p: Span(max(span.first, within[p].first), min(span.end, within[p].end))
            for p, span in left.items()
            if p in within
        }
        return kept, int(total)
    except ValueError:
        wanted.problems.append("The link to the next page was cut off; this is the first page again.")
        return within, sum(span.offsets for span in within.values())


def cursor(total: int, left: dict[TopicPartition, Span]) -> str:
    return "_".join(
        [str(total), *(f"{p.partition}.{span.first}.{span.end}" for p, span in sorted(left.items()))]
    )


def look(wanted: Asked, budget: Budget) -> tuple[browse.Page, int]:
    """One page of a search, and how many offsets the whole search had at its beginning.

    What was asked wrongly is left out and told in `wanted.problems`. Raises UnknownTopicOrPartitionError.
    """
    matches = _matches(wanted)
    within, total = _spans(wanted)
    newest_first = not wanted.oldest_first
    page = reading.search(
        broker().connection, wanted.topic, within, matches, newest_first=newest_first, budget=budget
    )
    return page, total


@fresh_connection
def context(moment: Moment, address: Address) -> dict[str, Any]:
    wanted = asked(address)
    try:
        page, total = look(wanted, TAIL_BUDGET if wanted.tail else browse.ONE_PAGE)
    except UnknownTopicOrPartitionError:
        raise Gone(f"There is no topic “{wanted.topic}”.") from None
    except StreamlabError as error:
        return {"asked": wanted, "topic": wanted.topic, "failed": str(error), "rows": []}
    looked_at = total - page.left_offsets
    decoder = Decoder()
    return {
        "asked": wanted,
        "topic": wanted.topic,
        "partitions": range(len(browse.spans(broker().connection, wanted.topic))),
        "rows": [records.row(record, moment.read_at_ms, decoder) for record in page.records],
        "unreadable": page.unreadable,
        "looked_at": f"{looked_at:,}",
        "of": f"{total:,}",
        "found": plural(len(page.records), "record"),
        "next_href": link(address, c=cursor(total, page.left), tail=None) if page.left else "",
        "first_href": link(address, c=None) if wanted.cursor else "",
        "tail_href": link(address, tail=None if wanted.tail else "1", c=None),
        "plain_href": address.path,
    }


PAGE = Page(
    name="messages",
    pattern="topics/<path:topic>/messages/",
    title=lambda address: f"Records of {address.args['topic']}",
    parts=("list",),
    context=context,
    measured=False,
    live=is_tail,
    under="topics",
)

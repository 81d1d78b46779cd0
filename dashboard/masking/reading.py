"""The one door that contents of records come through on their way to a page, a download or the API.

Nothing else of the dashboard reads records, dead letters or retries for somebody to look at; a test says so. What
comes out is masked. Searches look at what is shown, so a filter cannot be used to guess what is hidden.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from dashboard.schema_registry.decoding import Decoder
from streamlab import browse
from streamlab.browse import Budget, Matches, Span
from streamlab.connection import Connection
from streamlab.delivery.dead_letter import DeadLetter, LetterAddress
from streamlab.delivery.letter_reader import Letter, LetterReader
from streamlab.delivery.retry_queue import Counts, QueuedRecord, RetryQueue, Waiting
from streamlab.model import ConsumerRecord, TopicPartition

from .rules import rules, shield_among, shield_of
from .shield import Shield

Place = tuple[str, TopicPartition]  # group, and what it reads


def search(
    connection: Connection,
    topic: str,
    within: Mapping[TopicPartition, Span],
    matches: Matches,
    *,
    newest_first: bool = True,
    budget: Budget = browse.ONE_PAGE,
) -> browse.Page:
    """`browse.search` of one topic, masked. What needs a schema to be read is also searched as it reads."""
    shield = shield_of(topic)
    decoder = Decoder()

    def shown(record: ConsumerRecord) -> bool:
        record = shield.record(record)
        if matches(record):
            return True
        readable = decoder.readable(record)
        return readable is not None and matches(readable)

    found = browse.search(
        connection,
        within,
        shown,
        newest_first=newest_first,
        budget=budget,
    )
    return found._replace(records=[shield.record(record) for record in found.records])


def record_at(
    connection: Connection, place: TopicPartition, offset: int, *, reveal: bool = False
) -> ConsumerRecord | None:
    """`browse.record_at`, masked unless it is revealed to an Admin."""
    record = browse.record_at(connection, place, offset)
    return record if record is None or reveal else shield_of(place.topic).record(record)


def letter_at(connection: Connection, where: LetterAddress, *, reveal: bool = False) -> Letter | None:
    """One dead letter, masked unless it is revealed to an Admin."""
    found = LetterReader(connection).get(where)
    if found is None or reveal:
        return found
    dead = found.letter
    shield = shield_of(where.topic, dead.topic)  # a letter of another tool may stand on a topic of any name
    if not shield.active:
        return found
    return msgspec.structs.replace(found, letter=_masked(dead, shield))


def waiting(queue: RetryQueue, queues: Mapping[Place, Counts], most: int) -> list[tuple[str, Waiting]]:
    """(group, record) of what waits in these queues, the soonest first."""
    known = rules()
    shields = {topic: shield_among(known, topic) for topic in {partition.topic for _, partition in queues}}
    found = []
    for group, one in queue.soonest(queues, most):
        shield = shields[one.record.topic]
        found.append((group, one._replace(record=_masked(one.record, shield)) if shield.active else one))
    return found


Dead = TypeVar("Dead", DeadLetter, QueuedRecord)


def _masked(record: Dead, shield: Shield) -> Dead:
    """Without what the rules hide, and without what exceptions said of it."""
    attempts = [
        msgspec.structs.replace(attempt, error_message=shield.said(attempt.error_message))
        for attempt in record.attempts
    ]
    contents: dict[str, Any] = {
        "key": shield.key(record.key),
        "value": shield.value(record.value),
        "headers": shield.headers(record.headers),
        "attempts": attempts,
    }
    if isinstance(record, DeadLetter):
        contents["error_message"] = shield.said(record.error_message)
        contents["traceback"] = shield.said(record.traceback)
    return msgspec.structs.replace(record, **contents)

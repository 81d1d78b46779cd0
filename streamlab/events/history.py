"""Looking back: events by type, group, topic, record and time, and the way of one record from beginning to end."""

from __future__ import annotations

import heapq
import itertools
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from ..broker import Broker
from ..consumer import Consumer
from ..model import ConsumerRecord, TopicPartition
from ..topics import Topics
from .base import PREFIX
from .envelope import EVENTS_TOPIC
from .of_records import RecordEvent
from .reading import Recorded, recorded_of

POLL_MS = 200
AT_ONCE = 5_000


class Query(NamedTuple):
    """Which events; a part that is None asks for nothing."""

    types: frozenset[str] | None = None  # without the prefix; "record." stands for all that begin so
    group: str | None = None
    topic: str | None = None
    record_id: str | None = None  # or the place where it was produced, "orders/3@41"
    since_ms: int | None = None

    def may_match(self, record: ConsumerRecord) -> bool:
        """A look at the bytes, which spares most events the decoding; what passes is looked at again."""
        value = record.value or b""
        place = None if self.record_id is None else place_of(self.record_id)
        named = self.record_id if place is None else place[0]
        return all(
            text.encode() in value
            for text in (self.group, self.topic, named)
            if text is not None and _PLAIN.fullmatch(text)
        )

    def matches(self, recorded: Recorded) -> bool:
        data = recorded.data
        return (
            (self.types is None or any(_is_a(recorded.name, type) for type in self.types))
            and (self.group is None or data.get("group") == self.group)
            and (self.topic is None or data.get("topic") == self.topic)
            and (self.record_id is None or _is_of(self.record_id, data))
            and (self.since_ms is None or recorded.at_ms >= self.since_ms)
        )


EVERYTHING = Query()
_PLAIN = re.compile(r"[A-Za-z0-9._@-]+")
"""Written in one way by whatever writes JSON."""


def _is_a(name: str, type: str) -> bool:
    """
    >>> _is_a("record.retried", "record."), _is_a("record.retried", "record.retried"), _is_a("a.b", "record.")
    (True, True, False)
    """
    type = type.removeprefix(PREFIX)
    return name.startswith(type) if type.endswith(".") else name == type


def _is_of(record_id: str, data: Mapping[str, Any]) -> bool:
    """
    >>> data = {"record_id": "r-41", "topic": "orders", "partition": 3, "offset": 41}
    >>> _is_of("r-41", data), _is_of("orders/3@41", data), _is_of("orders/3@42", data)
    (True, True, False)
    """
    place = data.get("topic"), data.get("partition"), data.get("offset")
    return data.get("record_id") == record_id or place_of(record_id) == place


def find(broker: Broker, query: Query = EVERYTHING, newest: int | None = None) -> list[Recorded]:
    """Matching events by the time at which they happened, each once; only the `newest` where so many are asked for.

    Raises StreamlabError.
    """
    with _reader(broker) as consumer:
        ends = _from_the_start(consumer, broker, query)
        found: dict[str, Recorded] = {}
        for recorded in itertools.chain.from_iterable(_until(consumer, query, ends)):
            found[recorded.id] = recorded
            if newest is not None and len(found) > 2 * newest + 1_000:
                found = {kept.id: kept for kept in heapq.nlargest(newest, found.values(), key=_moment)}
    ordered = sorted(found.values(), key=_moment)
    return ordered if newest is None else ordered[-newest:]


def follow(broker: Broker, query: Query = EVERYTHING) -> Iterator[list[Recorded]]:
    """Matching events that are written from now on, as they come; an empty list each time that there was none.

    Raises StreamlabError.
    """
    with _reader(broker) as consumer:
        partitions = _partitions(broker)
        while not partitions:
            yield []
            partitions = _partitions(broker)
        consumer.assign(partitions)
        consumer.seek_to_end()
        while True:
            polled = consumer.poll(POLL_MS, max_records=AT_ONCE)
            yield sorted(_matching(polled.values(), query), key=_moment)


class Way(NamedTuple):
    """A record's way through one group, or through none that ever failed."""

    topic: str
    partition: int
    offset: int
    produced: ConsumerRecord | None  # None: it is not in the log any more
    steps: list[Recorded]


def trace(broker: Broker, record_id: str) -> list[Way]:
    """Every way that a record went, found by its id or by the place where it was produced; by place and then by time;
    empty when nothing is known of it.

    Raises StreamlabError.
    """
    ways: dict[tuple[str, int, int], list[Recorded]] = {}
    for recorded in find(broker, Query(record_id=record_id)):
        if isinstance(recorded.event, RecordEvent):
            event = recorded.event
            ways.setdefault((event.topic, event.partition, event.offset), []).append(recorded)
    place = place_of(record_id)
    if not ways and place is not None and _record_at(broker, *place) is not None:
        ways[place] = []
    return [Way(*place, _record_at(broker, *place), steps) for place, steps in sorted(ways.items())]


def place_of(record_id: str) -> tuple[str, int, int] | None:
    """
    >>> place_of("orders/3@41"), place_of("536365-1")
    (('orders', 3, 41), None)
    """
    place, _, offset = record_id.rpartition("@")
    topic, _, partition = place.rpartition("/")
    return (
        (topic, int(partition), int(offset))
        if topic and partition.isdecimal() and offset.isdecimal()
        else None
    )


def _moment(recorded: Recorded) -> tuple[int, int, int]:
    return recorded.at_ms, recorded.partition, recorded.offset


def _reader(broker: Broker) -> Consumer:
    return broker.consumer(
        client_id="streamlab-events", auto_offset_reset="earliest", allow_auto_create_topics=False
    )


def _partitions(broker: Broker) -> list[TopicPartition]:
    spec = Topics(broker.connection).get(EVENTS_TOPIC)
    return [TopicPartition(EVENTS_TOPIC, n) for n in range(spec.partitions)] if spec else []


def _from_the_start(consumer: Consumer, broker: Broker, query: Query) -> dict[TopicPartition, int]:
    """Put the reader where the first match may be; by partition where to stop, for those that have anything to read.

    An event is appended after it happened, so none that was appended before `since_ms` can match.
    """
    partitions = _partitions(broker)
    starts, ends = consumer.beginning_offsets(partitions), consumer.end_offsets(partitions)
    if query.since_ms is not None and partitions:
        found = consumer.offsets_for_times(dict.fromkeys(partitions, query.since_ms - CLOCKS_MS))
        starts |= {p: (ends[p] if at is None else at.offset) for p, at in found.items()}
    unread = [partition for partition in partitions if starts[partition] < ends[partition]]
    if unread:
        consumer.assign(unread)
        for partition in unread:
            consumer.seek(partition, starts[partition])
    return {partition: ends[partition] for partition in unread}


CLOCKS_MS = 60_000
"""How far the clocks of machines may be apart before an event is missed."""


def _until(consumer: Consumer, query: Query, ends: dict[TopicPartition, int]) -> Iterator[list[Recorded]]:
    while any((consumer.position(partition) or 0) < end for partition, end in ends.items()):
        yield _matching(consumer.poll(POLL_MS, max_records=AT_ONCE).values(), query)


def _matching(polled: Iterable[list[ConsumerRecord]], query: Query) -> list[Recorded]:
    records = (record for records in polled for record in records if query.may_match(record))
    return [
        found for record in records if (found := recorded_of(record)) is not None and query.matches(found)
    ]


def _record_at(broker: Broker, topic: str, partition: int, offset: int) -> ConsumerRecord | None:
    """None when it was never there, or is not there any more."""
    place = TopicPartition(topic, partition)
    spec = Topics(broker.connection).get(topic)
    if spec is None or partition >= spec.partitions:
        return None
    with _reader(broker) as consumer:
        if not consumer.beginning_offsets([place])[place] <= offset < consumer.end_offsets([place])[place]:
            return None
        consumer.assign([place])
        consumer.seek(place, offset)
        while (consumer.position(place) or 0) <= offset:
            for records in consumer.poll(POLL_MS, max_records=1).values():
                return records[0] if records[0].offset == offset else None  # compaction may have taken it
    return None

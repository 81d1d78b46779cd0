"""The broker's own history, read back by tests."""

from __future__ import annotations

from streamlab.broker import Broker
from streamlab.events import EVENTS_TOPIC, Recorded, recorded_of
from streamlab.model import TopicPartition


def history(broker: Broker) -> list[Recorded]:
    """All events on the topic, repeats and all; in order within a partition."""
    found: list[Recorded] = []
    with broker.consumer(auto_offset_reset="earliest", allow_auto_create_topics=False) as consumer:
        partitions = consumer.partitions_for_topic(EVENTS_TOPIC)
        if not partitions:
            return []
        places = [TopicPartition(EVENTS_TOPIC, n) for n in sorted(partitions)]
        consumer.assign(places)
        consumer.seek_to_beginning()
        ends = consumer.end_offsets(places)
        while any((consumer.position(p) or 0) < end for p, end in ends.items()):
            for records in consumer.poll(100).values():
                found += [event for record in records if (event := recorded_of(record)) is not None]
    return found

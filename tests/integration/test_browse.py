"""Looking into a topic: bounded, honest about how far it came, and complete when it is continued."""

from __future__ import annotations

import pytest

from streamlab import browse, keys
from streamlab.broker import Broker
from streamlab.browse import Budget, Span
from streamlab.errors import UnknownTopicOrPartitionError
from streamlab.model import TopicPartition
from tests.builders import a_topic, numbered, produce, values

NO_HURRY = Budget(seconds=60)


def pages(broker: Broker, topic: str, budget: Budget, **how) -> list[browse.Page]:
    """Every page of a search, each begun where the one before ended."""
    left = browse.spans(broker.connection, topic)
    found = []
    while left:
        page = browse.search(broker.connection, left, budget=budget, **how)
        found.append(page)
        left = page.left
    return found


@pytest.mark.parametrize("newest_first", [True, False])
def test_pages_together_hold_every_record_once_in_order_of_time(broker, newest_first):
    topic = a_topic(broker, partitions=3)
    for start in range(0, 90, 10):
        produce(broker, topic, numbered(10, start))
    found = pages(broker, topic, NO_HURRY._replace(matches=7), newest_first=newest_first)
    records = [record for page in found for record in page.records]
    assert sorted(values(records)) == sorted(numbered(90))
    assert all(len(page.records) <= 7 for page in found)
    tens = [int(value) // 10 for value in values(records)]
    assert tens == sorted(tens, reverse=newest_first)
    assert sum(page.scanned for page in found) == 90


def test_a_filter_without_a_hit_stops_at_its_budget_and_says_how_far_it_came(broker):
    topic = a_topic(broker)
    produce(broker, topic, numbered(500))
    left = browse.spans(broker.connection, topic)
    page = browse.search(broker.connection, left, lambda record: False, budget=NO_HURRY._replace(records=200))
    assert (page.records, page.scanned, page.left_offsets) == ([], 200, 300)
    assert page.left == {TopicPartition(topic, 0): Span(0, 300)}


def test_a_search_from_a_moment_sees_what_was_appended_then_or_later(broker):
    topic = a_topic(broker, partitions=2)
    produce(broker, topic, numbered(10), partition=0)
    moment = broker.connection.server_time_ms() + 1
    while broker.connection.server_time_ms() < moment:
        pass
    produce(broker, topic, numbered(5, 100), partition=0)
    within = browse.since(broker.connection, browse.spans(broker.connection, topic), moment)
    page = browse.search(broker.connection, within, newest_first=False, budget=NO_HURRY)
    assert values(page.records) == numbered(5, 100)
    assert page.scanned == 5


def test_what_was_deleted_is_not_shown(broker):
    topic = a_topic(broker)
    produce(broker, topic, numbered(20))
    broker.admin().delete_records({TopicPartition(topic, 0): 15})
    [page] = pages(broker, topic, NO_HURRY)
    assert values(page.records) == numbered(5, 15)[::-1]


def test_a_damaged_batch_is_named_and_the_others_are_shown(broker):
    topic = a_topic(broker)
    produce(broker, topic, numbered(5))
    broker.connection.client.xadd(
        keys.log(topic, 0), {"n": 2, "c": 99, "b": b"not a batch"}, id=f"{10**13}-{6}"
    )
    broker.connection.client.hset(keys.meta(topic, 0), mapping={"end": 7, "ms": 10**13})
    [page] = pages(broker, topic, NO_HURRY)
    assert values(page.records) == numbered(5)[::-1]
    assert [(u.partition, u.offset) for u in page.unreadable] == [(TopicPartition(topic, 0), 5)]


def test_one_record_by_its_place(broker):
    topic = a_topic(broker)
    produce(broker, topic, numbered(20))
    place = TopicPartition(topic, 0)
    record = browse.record_at(broker.connection, place, 7)
    assert record is not None and (record.offset, record.value) == (7, b"7")
    assert browse.record_at(broker.connection, place, 20) is None


def test_an_empty_topic_has_nothing_to_look_at_and_an_unknown_one_is_an_error(broker):
    topic = a_topic(broker)
    page = browse.search(broker.connection, browse.spans(broker.connection, topic))
    assert (page.records, page.scanned, page.left) == ([], 0, {})
    with pytest.raises(UnknownTopicOrPartitionError):
        browse.spans(broker.connection, "nothing")

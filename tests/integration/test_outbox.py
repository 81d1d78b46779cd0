"""A change of a row and its event happen together; the event is in the log once."""

from __future__ import annotations

import json

import pytest
from django.db import transaction
from pytest_django import Settings

from dashboard.access.models import User
from dashboard.outbox.models import OutboxEvent, OutboxPosition
from dashboard.outbox.publish import publish, publish_changes, publish_record
from dashboard.outbox.relay import Relay
from streamlab import exactly_once
from streamlab.broker import Broker
from streamlab.cloudevents import CloudEvent, from_record
from streamlab.errors import InvalidTopicError
from streamlab.model import TopicPartition
from tests.builders import a_topic, by_partition, read, values

pytestmark = pytest.mark.django_db


@pytest.fixture
def relay(redis_url: str, settings: Settings, broker: Broker) -> Relay:
    settings.STREAMLAB_URL = redis_url
    return Relay(broker)


def everything(broker: Broker, topic: str, count: int) -> list:
    """All records of the topic, which are as many as that and no more."""
    with broker.consumer(topic, auto_offset_reset="earliest") as consumer:
        found = read(consumer, count) if count else []
        found += [r for polled in consumer.poll(200).values() for r in polled]
    assert len(found) == count
    return found


def an_event(number: int) -> CloudEvent:
    return CloudEvent(id=str(number), source="/test", type="thing.happened", data=b"%d" % number)


def test_what_is_rolled_back_was_never_there(relay, broker):
    topic = a_topic(broker)
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        publish(topic, an_event(1))
        _ = 1 / 0
    with transaction.atomic():
        publish(topic, an_event(2))
    assert relay.turn() == 1
    assert [from_record(r.headers, r.value).id for r in everything(broker, topic, 1)] == ["2"]
    assert not OutboxEvent.objects.exists()


def test_events_of_a_key_keep_their_order_on_their_partition(relay, broker):
    topic = a_topic(broker, partitions=3)
    for number in range(300):
        publish(topic, an_event(number), key=f"k{number % 7}")
    while relay.turn():
        pass
    for records in by_partition(everything(broker, topic, 300)).values():
        for key in {record.key for record in records}:
            sent = [int(record.value) for record in records if record.key == key]
            assert sent == sorted(sent)


def test_a_batch_whose_answer_was_lost_is_not_there_twice(relay, broker, monkeypatch):
    topic = a_topic(broker, partitions=2)
    for number in range(50):
        publish_record(topic, b"%d" % number, key=b"%d" % number)

    def dies(*arguments, **more):
        real(*arguments, **more)
        raise KeyboardInterrupt

    real = exactly_once.append
    monkeypatch.setattr(exactly_once, "append", dies)
    with pytest.raises(KeyboardInterrupt):
        relay.turn()
    assert OutboxEvent.objects.count() == 50, "nobody knows that they are in the log"
    monkeypatch.undo()
    assert Relay(broker).turn() == 50
    assert sorted(map(int, values(everything(broker, topic, 50)))) == list(range(50))


def test_a_batch_that_was_cut_differently_before_is_completed(broker):
    topic = a_topic(broker)
    place, producer = TopicPartition(topic, 0), exactly_once.producer_id("test")
    records = [exactly_once.Outgoing(1, None, b"%d" % n, []) for n in range(10)]
    first = [exactly_once.Numbered(place, 0, 0, records[:4])]
    assert exactly_once.append(broker.connection, producer, first) == [None]
    whole = [exactly_once.Numbered(place, 0, 0, records)]
    assert exactly_once.append(broker.connection, producer, whole) == [None]
    assert values(everything(broker, topic, 10)) == [b"%d" % n for n in range(10)]


def test_a_log_that_has_forgotten_the_relay_gets_the_rest_in_a_new_epoch(relay, broker):
    topic = a_topic(broker)
    publish_record(topic, b"before")
    relay.turn()
    broker.connection.client.delete(f"sl:{{{topic}/0}}:producers")
    publish_record(topic, b"after")
    assert relay.turn() == 0
    assert relay.turn() == 1
    assert values(everything(broker, topic, 2)) == [b"before", b"after"]
    assert OutboxPosition.objects.get(topic=topic).epoch == 1


def test_a_topic_that_was_deleted_is_begun_anew(relay, broker):
    topic = a_topic(broker, partitions=3)
    publish_record(topic, b"gone with it", key=b"a")
    relay.turn()
    broker.admin().delete_topics([topic])
    publish_record(topic, b"after", key=b"a")
    while OutboxEvent.objects.exists():
        relay.turn()
    assert values(everything(broker, topic, 1)) == [b"after"]


def test_every_change_of_a_model_is_an_event(relay, broker):
    from django.db.models.signals import post_delete, post_save

    topic = a_topic(broker)
    publish_changes(User, topic, describe=lambda user: {"name": user.username})
    try:
        user = User.objects.create(username="ann")
        user.username = "anna"
        user.save()
        user.delete()
    finally:
        for signal, what in ((post_save, "saved"), (post_delete, "deleted")):
            assert signal.disconnect(sender=User, dispatch_uid=f"outbox access.user {topic} {what}")
    relay.turn()
    events = [from_record(r.headers, r.value) for r in everything(broker, topic, 3)]
    assert [event.type for event in events] == [
        "access.user.created",
        "access.user.updated",
        "access.user.deleted",
    ]
    assert [json.loads(event.data)["name"] for event in events] == ["ann", "anna", "anna"]


def test_a_name_that_is_no_topic_is_refused_before_anything_is_written():
    with pytest.raises(InvalidTopicError):
        publish_record("a b", b"")
    assert not OutboxEvent.objects.exists()

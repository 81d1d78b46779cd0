"""What a worker has in hand while retention, or somebody, deletes its records, its topic or its group."""

from __future__ import annotations

from contextlib import contextmanager

import pytest

from streamlab import Permanent, keys
from streamlab.consumer import Consumer
from streamlab.delivery.relay import Relay
from streamlab.errors import (
    ServerBusyError,
)
from streamlab.model import TopicPartition
from streamlab.topics import Topics
from tests.builders import a_topic, numbered, produce
from tests.waiting import until
from tests.workers import (
    GROUP,
    NEVER,
    Recorder,
    committed,
    events,
    failing,
    letters,
    waiting,
)

# -- what retention takes ------------------------------------------------------------------------------------------


def test_what_retention_took_while_nobody_was_there_does_not_count_as_waiting_for_ever(broker, worker_of):
    topic = a_topic(broker)
    produce(broker, topic, numbered(3))
    worker = worker_of(topic, Recorder())
    until(lambda: committed(broker, topic) == 3)
    worker.stop(30)
    produce(broker, topic, numbered(4, start=3))
    broker.admin().delete_records({TopicPartition(topic, 0): -1})
    recorder = Recorder()
    worker_of(topic, recorder)
    until(lambda: committed(broker, topic) == 7, 30, "the commit is where the log begins")
    assert recorder.values == []


@pytest.mark.parametrize("ordering", ["key", "partition"])
def test_a_retry_whose_place_retention_took_before_the_commit_is_tried_all_the_same(
    broker, worker_of, monkeypatch, ordering
):
    topic = a_topic(broker)
    with monkeypatch.context() as never:
        never.setattr(Consumer, "commit", lambda self, *what, **how: None)
        worker = worker_of(topic, Recorder(failing(1, b"2")), ordering=ordering, retry=NEVER)
        produce(broker, topic, numbered(3), key=b"k")
        until(lambda: waiting(broker, topic).records == 1)
        worker.stop(30)
    broker.admin().delete_records({TopicPartition(topic, 0): -1})
    due = keys.retry("due", topic, 0, GROUP)
    broker.connection.client.zadd(due, {b"2": 1})  # an hour later
    recorder = Recorder()
    worker_of(topic, recorder, ordering=ordering)
    until(lambda: recorder.values == [b"2"], 30, "it is tried")


# -- a group, or a topic, that is made again --------------------------------------------------------------------------


def dying(record, context):
    raise Permanent("not this one")


@contextmanager
def nothing_is_carried(monkeypatch):
    """Dead letters stay beside their partitions."""
    with monkeypatch.context() as never:
        never.setattr(Relay, "_carried", lambda self, items: False)
        yield


def all_dead_and_none_arrived(broker, worker_of, monkeypatch, count):
    """A topic whose records a worker has given up, and ended before it could bring the letters to theirs."""
    topic = a_topic(broker)
    produce(broker, topic, numbered(count))
    with nothing_is_carried(monkeypatch):
        worker = worker_of(topic, dying)
        until(lambda: committed(broker, topic) == count, 30)
        worker.stop(30)
    assert letters(broker, topic) == []
    return topic


def test_a_dead_letter_on_its_way_arrives_although_its_topic_is_deleted(broker, worker_of, monkeypatch):
    topic = all_dead_and_none_arrived(broker, worker_of, monkeypatch, 3)
    broker.admin().delete_topics([topic])
    assert sorted(letter.value for letter in letters(broker, topic)) == numbered(3)
    assert len(events(broker, "record.dead_lettered")) == 3


def test_a_dead_letter_in_a_workers_hands_arrives_although_its_topic_is_deleted(
    broker, worker_of, monkeypatch
):
    topic = a_topic(broker)
    produce(broker, topic, numbered(1))
    worker = worker_of(topic, dying)
    until(lambda: letters(broker, topic), 30)
    with nothing_is_carried(monkeypatch):
        produce(broker, topic, numbered(2, start=1))
        until(lambda: committed(broker, topic) == 3, 30)
        Topics(broker.connection).delete(topic)  # not as the admin does it, who carries them himself
    until(lambda: sorted(letter.value for letter in letters(broker, topic)) == numbered(3), 30)
    worker.stop(30)


def test_a_topic_can_be_deleted_while_nothing_can_be_carried(broker, worker_of, monkeypatch):
    topic = all_dead_and_none_arrived(broker, worker_of, monkeypatch, 1)

    def full(*_):
        raise ServerBusyError("no memory is left")

    monkeypatch.setattr(Relay, "carry", full)
    broker.admin().delete_topics([topic])
    assert topic not in broker.admin().list_topics()


def test_dead_letters_of_a_group_that_was_deleted_and_made_again_all_arrive(broker, worker_of):
    topic = a_topic(broker)
    produce(broker, topic, numbered(3))
    for expected in (3, 6):
        worker = worker_of(topic, dying)
        until(lambda n=expected: len(letters(broker, topic)) == n, 30, "all letters")
        worker.stop(30)
        broker.admin().delete_groups([GROUP])


def test_dead_letters_of_a_topic_that_was_deleted_and_made_again_all_arrive(broker, worker_of):
    topic = a_topic(broker)
    for expected in (3, 6):
        produce(broker, topic, numbered(3))
        worker = worker_of(topic, dying)
        until(lambda n=expected: len(letters(broker, topic)) == n, 30, "all letters")
        worker.stop(30)
        broker.admin().delete_topics([topic])
        broker.admin().create_topics({topic: {"num_partitions": 1}})


def test_a_dead_letter_on_its_way_arrives_although_the_group_is_deleted(broker, worker_of, monkeypatch):
    topic = all_dead_and_none_arrived(broker, worker_of, monkeypatch, 3)
    broker.admin().delete_groups([GROUP])
    assert len(letters(broker, topic)) == 3
    assert len(events(broker, "record.dead_lettered")) == 3

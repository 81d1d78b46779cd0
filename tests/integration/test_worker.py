"""A worker calls the handler for every record, comes and goes without losing one, and says what cannot be."""

from __future__ import annotations

import logging
import threading
import time
from collections import defaultdict

import pytest

from streamlab.cloudevents import CloudEvent
from streamlab.consumer import Consumer
from streamlab.delivery.relay import Relay
from streamlab.errors import (
    IllegalArgumentError,
    InvalidGroupIdError,
    KafkaConfigurationError,
    StreamlabError,
)
from streamlab.events import Journal
from tests.builders import a_server, a_topic, kill_and_restart, numbered, produce
from tests.waiting import until
from tests.workers import (
    GROUP,
    QUICK,
    SOON,
    Recorder,
    committed,
    everything,
    failing,
    produce_keyed,
    settled,
)

# -- what succeeds ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ordering", ["none", "key", "partition"])
def test_every_record_is_handled_once_and_committed(broker, worker_of, ordering):
    topic, recorder = a_topic(broker, 3), Recorder()
    produce_keyed(broker, topic, 2_000, 50)
    worker_of(topic, recorder, ordering=ordering, concurrency=4)
    until(lambda: committed(broker, topic) == 2_000)
    assert sorted(map(int, recorder.values)) == list(range(2_000))


def test_records_that_were_there_before_the_worker_are_handled_too(broker, worker_of):
    topic, recorder = a_topic(broker), Recorder()
    produce(broker, topic, numbered(3))
    worker_of(topic, recorder)
    until(lambda: recorder.values == numbered(3))
    produce(broker, topic, numbered(3, start=3))
    until(lambda: recorder.values == numbered(6))


def test_several_handlers_work_at_once(broker, worker_of):
    topic, together = a_topic(broker), threading.Barrier(4, timeout=30)
    recorder = Recorder(lambda record, context: together.wait())
    produce(broker, topic, numbered(4))
    worker_of(topic, recorder, concurrency=4)
    until(lambda: len(recorder.values) == 4)


@pytest.mark.parametrize("ordering", ["key", "partition"])
def test_with_many_threads_the_order_is_kept_where_it_was_asked_for(broker, worker_of, ordering):
    topic = a_topic(broker, 2)
    recorder = Recorder(lambda record, context: time.sleep(0.0005 * (hash(record.value) % 3)))
    produce_keyed(broker, topic, 500, 7)
    worker_of(topic, recorder, ordering=ordering, concurrency=8)
    until(lambda: len(recorder.values) == 500)
    by = defaultdict(list)
    for record in recorder.handled:
        by[record.key if ordering == "key" else record.partition].append(record.offset)
    assert all(offsets == sorted(offsets) for offsets in by.values())


def test_a_group_goes_on_where_its_last_worker_stopped(broker, worker_of):
    topic, first, second = a_topic(broker), Recorder(), Recorder()
    produce(broker, topic, numbered(10))
    worker = worker_of(topic, first)
    until(lambda: len(first.values) == 10)
    worker.stop()
    produce(broker, topic, numbered(10, start=10))
    worker_of(topic, second)
    until(lambda: len(second.values) == 10)
    assert second.values == numbered(10, start=10)


def test_a_handler_may_be_a_decorated_function(broker):
    topic, seen = a_topic(broker), []

    @broker.handler(topic, group_id=GROUP, **SOON)
    def book(record):
        seen.append(record.value)

    produce(broker, topic, numbered(3))
    [worker] = broker.workers
    with worker:
        until(lambda: seen == numbered(3))
    assert book.__name__ == "book"


def test_the_context_tells_what_the_handler_has_in_hand(broker, worker_of):
    topic, seen = a_topic(broker), []

    def handle(record, context):
        seen.append((context.topic, context.partition, context.offset, context.key, context.group_id))
        seen.append((context.attempt, context.replays, context.record_id))
        assert 0 < context.remaining_s <= 60

    produce(broker, topic, [b"v"], key=b"k")
    worker_of(topic, handle, handler_timeout_ms=60_000)
    until(lambda: len(seen) == 2)
    assert seen == [(topic, 0, 0, b"k", GROUP), (1, 0, f"{topic}/0@0")]


def test_the_context_has_a_logger_that_names_the_record(broker, worker_of, caplog):
    topic = a_topic(broker)
    produce(broker, topic, [b"v"])
    with caplog.at_level(logging.INFO, "streamlab.handler"):
        worker_of(topic, lambda record, context: context.logger.info("booked %d", 7))
        until(lambda: caplog.records)
    assert caplog.records[0].getMessage() == f"{topic}/0@0 attempt 1: booked 7"
    assert (caplog.records[0].offset, caplog.records[0].group) == (0, GROUP)


def test_key_and_value_are_deserialised_for_the_handler(broker, worker_of):
    topic, recorder = a_topic(broker), Recorder()
    produce(broker, topic, numbered(2), key=b"k")
    worker_of(topic, recorder, value_deserializer=int, key_deserializer=bytes.decode)
    until(lambda: recorder.values == [0, 1])
    assert recorder.handled[0].key == "k"


def test_a_cloud_event_is_there_as_one(broker, worker_of):
    topic, seen = a_topic(broker), []
    headers, value = CloudEvent(id="7", source="/shop", type="order.placed", data=b"{}").to_binary()
    produce(broker, topic, [value], headers=headers)
    worker_of(topic, lambda record, context: seen.append((context.event.type, context.record_id)))
    until(lambda: seen == [("order.placed", "7")])


# -- coming and going ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fails", ["the consumer", "the letters' way", "the history"])
def test_what_goes_wrong_at_the_end_leaves_nothing_running(broker, monkeypatch, fails):
    whose, what = {
        "the consumer": (Consumer, "close"),
        "the letters' way": (Relay, "close"),
        "the history": (Journal, "close"),
    }[fails]
    close = getattr(whose, what)

    def close_and_fail(self, *arguments, **named):
        close(self, *arguments, **named)
        raise StreamlabError("not so")

    topic, recorder = a_topic(broker), Recorder()
    worker = broker.worker(topic, group_id=GROUP, handler=recorder, client_id="ending", **SOON).start()
    produce(broker, topic, numbered(3))
    until(lambda: len(recorder.values) == 3)
    with monkeypatch.context() as patched:
        patched.setattr(whose, what, close_and_fail)
        worker.stop(60)
    until(lambda: not [t.name for t in threading.enumerate() if t.name.startswith("ending")])
    assert committed(broker, topic) == 3


def test_stopping_finishes_what_is_in_hand_and_begins_nothing_new(broker, worker_of):
    begun, go_on = threading.Event(), threading.Event()

    def work(record, context):
        begun.set()
        go_on.wait(30)

    topic, recorder = a_topic(broker), Recorder(work)
    produce(broker, topic, numbered(10))
    worker = worker_of(topic, recorder)
    assert begun.wait(30)
    worker.stop(0)
    go_on.set()
    worker.stop(30)
    assert not worker.running
    assert recorder.values == [b"0"]
    assert committed(broker, topic) == 1


def test_a_handler_that_does_not_end_delays_the_stop_by_no_more_than_the_drain_timeout(broker, worker_of):
    begun, release = threading.Event(), threading.Event()

    def work(record, context):
        begun.set()
        release.wait(60)

    topic = a_topic(broker)
    produce(broker, topic, numbered(2))
    worker = worker_of(topic, work, drain_timeout_ms=200)
    assert begun.wait(30)
    worker.stop(30)
    assert not worker.running and committed(broker, topic) == 0
    release.set()


def test_a_rebalance_waits_for_what_is_in_hand_so_that_nothing_is_handled_twice(broker, worker_of):
    topic = a_topic(broker, 4)
    recorder = Recorder(lambda record, context: time.sleep(0.01))
    produce_keyed(broker, topic, 800, 100)
    workers = [worker_of(topic, recorder, concurrency=2)]
    for _ in range(3):
        seen = len(recorder.values)
        until(lambda seen=seen: len(recorder.values) >= seen + 60)
        workers.append(worker_of(topic, recorder, concurrency=2))
    workers[0].stop()
    until(lambda: committed(broker, topic) == 800, 60)
    assert sorted(map(int, recorder.values)) == list(range(800))


def test_a_worker_outlives_the_death_of_its_server(tmp_path):
    import streamlab

    with a_server(tmp_path) as server, streamlab.connect(server.url) as broker:
        topic, recorder = a_topic(broker, 2), Recorder(failing(1, *numbered(50)))
        produce_keyed(broker, topic, 500, 100)
        judge = recorder._judge
        recorder._judge = lambda r, c: (time.sleep(0.002), judge(r, c))
        with broker.worker(topic, group_id=GROUP, handler=recorder, retry=QUICK, **SOON):
            until(lambda: len(recorder.values) > 100)
            kill_and_restart(server)
            until(lambda: settled(broker, topic, 500), 60)
        assert set(map(int, recorder.values)) == set(range(500))
        assert everything(broker, f"{topic}.{GROUP}.dlq") == []


# -- asking wrongly -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "configs, error, says",
    [
        ({"group_id": ""}, InvalidGroupIdError, "group_id"),
        ({"ordering": "keys"}, IllegalArgumentError, "ordering is one of none, key, partition"),
        ({"concurrency": 0}, IllegalArgumentError, "concurrency is a whole number from 1"),
        ({"retry": 5}, IllegalArgumentError, "retry is a RetryPolicy"),
        ({"enable_auto_commit": True}, KafkaConfigurationError, "commits what it has settled"),
        ({"max_poll_record": 5}, KafkaConfigurationError, "Did you mean 'max_poll_records'"),
        ({"concurency": 5}, KafkaConfigurationError, "concurrency"),
    ],
)
def test_a_mistake_is_told_before_anything_runs(broker, configs, error, says):
    with pytest.raises(error, match=says):
        broker.worker("t", **{"group_id": GROUP, "handler": lambda record: None, **configs})


def test_a_worker_without_a_topic_is_refused(broker):
    with pytest.raises(IllegalArgumentError, match="topic"):
        broker.worker(group_id=GROUP, handler=lambda record: None)

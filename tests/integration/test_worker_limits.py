"""A worker has limits of time and room: what hangs, what is too slow, and what piles up holds up nobody else."""

from __future__ import annotations

import threading
import time

import pytest

from streamlab import RetryPolicy
from streamlab.delivery.shift import TooManyLostThreads
from streamlab.delivery.verdicts import HandlerTimeout
from tests.builders import a_topic, numbered, produce
from tests.waiting import until
from tests.workers import (
    GROUP,
    NEVER,
    SOON,
    Recorder,
    committed,
    failing,
    letters,
    settled,
    waiting,
)


@pytest.mark.short_times
def test_a_handler_that_hangs_has_failed_and_the_others_go_on(broker, worker_of):
    release = threading.Event()

    def hang(record, context):
        if record.value == b"3":
            release.wait(60)

    topic, recorder = a_topic(broker), Recorder(hang)
    produce(broker, topic, numbered(10))
    policy = RetryPolicy(base_ms=10, max_attempts=2)
    worker = worker_of(topic, recorder, handler_timeout_ms=200, retry=policy)
    until(lambda: settled(broker, topic, 10))
    assert sorted(map(int, recorder.values)) == [0, 1, 2, 4, 5, 6, 7, 8, 9]
    assert worker.metrics()["worker-metrics"]["lost-threads"] == 2
    [letter] = letters(broker, topic)
    assert letter.error_class.endswith("HandlerTimeout") and "in hang" in letter.traceback
    release.set()
    until(lambda: worker.metrics()["worker-metrics"]["lost-threads"] == 0)
    assert settled(broker, topic, 10)


@pytest.mark.short_times
def test_a_handler_that_gives_signs_of_life_has_all_the_time_it_needs(broker, worker_of):
    def work(record, context):
        for _ in range(8):
            time.sleep(0.1)
            context.heartbeat()

    topic, recorder = a_topic(broker), Recorder(work)
    produce(broker, topic, [b"v"])
    worker_of(topic, recorder, handler_timeout_ms=400)
    until(lambda: committed(broker, topic) == 1)
    assert recorder.attempts_at(b"v") == [1]


@pytest.mark.short_times
def test_a_handler_that_was_given_up_is_told_so(broker, worker_of):
    told = threading.Event()

    def work(record, context):
        if context.attempt == 1:
            time.sleep(0.5)
            try:
                context.heartbeat()
            except HandlerTimeout:
                told.set()
                raise

    topic, recorder = a_topic(broker), Recorder(work)
    produce(broker, topic, [b"v"])
    worker_of(topic, recorder, handler_timeout_ms=150)
    assert told.wait(30)
    until(lambda: settled(broker, topic, 1))
    assert recorder.values == [b"v"]


def test_a_worker_with_too_many_hanging_handlers_ends_with_an_error(broker):
    topic, release = a_topic(broker), threading.Event()
    produce(broker, topic, numbered(20))
    worker = broker.worker(
        topic,
        group_id=GROUP,
        handler=lambda record: release.wait(60),
        concurrency=2,
        handler_timeout_ms=100,
        max_lost_threads=3,
        drain_timeout_ms=100,
        **SOON,
    )
    with pytest.raises(TooManyLostThreads, match="max_lost_threads is 3"):
        worker.run()
    release.set()


@pytest.mark.short_times
def test_a_slow_handler_does_not_cost_the_membership(broker, worker_of):
    topic, recorder = a_topic(broker), Recorder(lambda record, context: time.sleep(1.2))
    produce(broker, topic, numbered(2))
    worker_of(topic, recorder, max_poll_interval_ms=300, session_timeout_ms=1_000)
    until(lambda: committed(broker, topic) == 2)
    assert recorder.attempts == [(b"0", 1), (b"1", 1)]


def test_a_partition_with_too_many_retries_is_not_read_on(broker, worker_of):
    topic, recorder = a_topic(broker), Recorder(failing(99))
    produce(broker, topic, numbered(2_000))
    worker = worker_of(topic, recorder, retry=NEVER, max_queued=50, max_poll_records=20)
    until(lambda: worker.metrics()["worker-metrics"]["partitions-held"] == 1)
    until(lambda: waiting(broker, topic).retrying == committed(broker, topic) >= 50)
    assert 50 <= waiting(broker, topic).retrying <= 50 + 2 * 20
    assert len(recorder.attempts) == waiting(broker, topic).retrying


def test_one_slow_partition_does_not_take_the_room_of_the_others(broker, worker_of):
    stuck = threading.Event()
    topic, recorder = a_topic(broker, 2), Recorder(lambda r, c: r.partition == 0 and stuck.wait(60))
    for partition in range(2):
        produce(broker, topic, numbered(300), partition=partition)
    worker_of(topic, recorder, ordering="partition", concurrency=2, max_poll_records=10)
    until(lambda: len(recorder.values) == 300)
    assert {record.partition for record in recorder.handled} == {1}
    stuck.set()
    until(lambda: committed(broker, topic) == 600)


def test_a_partition_waits_for_one_slow_record_rather_than_run_far_ahead_of_its_commit(broker, worker_of):
    stuck = threading.Event()
    topic, recorder = a_topic(broker), Recorder(lambda r, c: r.value == b"0" and stuck.wait(60))
    produce(broker, topic, numbered(2_000))
    worker = worker_of(topic, recorder, concurrency=2, max_poll_records=10)
    until(lambda: worker.metrics()["worker-metrics"]["partitions-held"] == 1)
    assert len(recorder.values) < 20 * 10 + 2 * 10
    assert committed(broker, topic) == 0
    stuck.set()
    until(lambda: committed(broker, topic) == 2_000)


def test_retries_and_the_main_stream_share_one_handler_evenly(broker, worker_of):
    """Retries that are due all the time do not keep new records waiting, nor the other way round."""
    topic = a_topic(broker)

    def judge(record, context):
        time.sleep(0.002)
        if record.value.startswith(b"bad"):
            raise RuntimeError("always")

    recorder = Recorder(judge)
    produce(broker, topic, [b"bad-%d" % n for n in range(200)])
    worker_of(topic, recorder, retry=RetryPolicy(base_ms=0, max_attempts=1_000_000))
    until(lambda: len(recorder.attempts) > 400)
    produce(broker, topic, numbered(100))
    until(lambda: len(recorder.values) == 100)
    new = [n for n, (value, _) in enumerate(recorder.attempts) if not value.startswith(b"bad")]
    assert new[-1] - new[0] < 1_000  # 200 and one turn of leases, where nobody is preferred

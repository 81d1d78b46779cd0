"""A worker calls the handler for every record, and nothing that a handler does stops the others."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import defaultdict
from contextlib import contextmanager

import pytest

from streamlab import Permanent, Release, RetryAfter, RetryPolicy, keys
from streamlab.cloudevents import CloudEvent
from streamlab.consumer import Consumer
from streamlab.delivery.dead_letter import Cause
from streamlab.delivery.relay import Relay
from streamlab.delivery.shift import TooManyLostThreads
from streamlab.delivery.verdicts import HandlerTimeout
from streamlab.errors import (
    IllegalArgumentError,
    InvalidGroupIdError,
    KafkaConfigurationError,
    ServerBusyError,
    StreamlabError,
)
from streamlab.events import Journal
from streamlab.model import TopicPartition
from streamlab.topics import Topics
from tests.builders import a_server, a_topic, kill_and_restart, numbered, produce
from tests.waiting import until
from tests.workers import (
    GROUP,
    QUICK,
    SOON,
    Recorder,
    committed,
    events,
    everything,
    failing,
    letters,
    settled,
    waiting,
)

NEVER = RetryPolicy(base_ms=3_600_000, cap_ms=3_600_000, jitter="none")
"""The second attempt is an hour away."""


def produce_keyed(broker, topic, count, keys):
    with broker.producer() as producer:
        for number in range(count):
            producer.send(topic, b"%d" % number, key=b"key-%d" % (number % keys))


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


# -- what fails ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ordering", ["none", "key", "partition"])
def test_what_fails_for_a_while_succeeds_in_the_end(broker, worker_of, ordering):
    topic = a_topic(broker, 2)
    tenth = [b"%d" % number for number in range(0, 600, 10)]
    recorder = Recorder(failing(2, *tenth))
    produce_keyed(broker, topic, 600, 97)
    worker_of(topic, recorder, ordering=ordering, concurrency=3)
    until(lambda: settled(broker, topic, 600), 60)
    assert sorted(map(int, recorder.values)) == list(range(600))
    assert all(recorder.attempts_at(value) == [1, 2, 3] for value in tenth)
    if ordering != "none":
        by = defaultdict(list)
        for record in recorder.handled:
            by[record.key if ordering == "key" else record.partition].append(record.offset)
        assert all(offsets == sorted(offsets) for offsets in by.values())
    assert letters(broker, topic) == []


def test_one_poison_record_holds_up_nobody_and_is_committed(broker, worker_of):
    topic, recorder = a_topic(broker), Recorder(failing(99, b"5"))
    produce(broker, topic, numbered(2_000))
    worker_of(topic, recorder, retry=NEVER)
    until(lambda: committed(broker, topic) == 2_000)
    assert len(recorder.values) == 1_999
    assert waiting(broker, topic).retrying == 1
    assert recorder.attempts_at(b"5") == [1]


def test_with_order_by_key_the_poisons_own_key_waits_and_nobody_else(broker, worker_of):
    topic, recorder = a_topic(broker), Recorder(failing(99, b"5"))
    produce_keyed(broker, topic, 100, 10)
    worker_of(topic, recorder, retry=NEVER, ordering="key", concurrency=3)
    until(lambda: committed(broker, topic) == 100)
    assert sorted(map(int, recorder.values)) == [n for n in range(100) if n % 10 != 5]
    assert waiting(broker, topic)[:2] == (1, 9)


def test_what_is_parked_follows_in_order_also_after_a_restart(broker, worker_of):
    topic, recorder = a_topic(broker), Recorder(failing(2, b"5"))
    produce_keyed(broker, topic, 100, 10)
    slowly = RetryPolicy(base_ms=1_500, jitter="none")
    first = worker_of(topic, recorder, retry=slowly, ordering="key")
    until(lambda: waiting(broker, topic)[:2] == (1, 9))
    first.stop()
    worker_of(topic, recorder, retry=QUICK, ordering="key")
    produce(broker, topic, [b"105"], key=b"key-5")
    until(lambda: settled(broker, topic, 101))
    of_that_key = [int(record.value) for record in recorder.handled if record.key == b"key-5"]
    assert of_that_key == [5, 15, 25, 35, 45, 55, 65, 75, 85, 95, 105]


def test_a_parked_record_that_fails_holds_up_those_behind_it_and_nobody_is_handled_out_of_order(
    broker, worker_of
):
    """Many are taken along with the first of their key; at each failure among them the rest goes back."""
    topic, way_is_free = a_topic(broker), threading.Event()

    def judge(record, context):
        number = int(record.value)
        if number < 3 and not way_is_free.is_set():
            raise RuntimeError("not yet")
        if number % 17 == 5 and context.attempt <= 2:
            raise RuntimeError("now and then")
        if number % 50 == 31:
            raise Permanent("never")

    recorder = Recorder(judge)
    worker_of(topic, recorder, ordering="key", retry=RetryPolicy(base_ms=20, cap_ms=20, max_attempts=1_000))
    produce_keyed(broker, topic, 300, 3)
    until(lambda: waiting(broker, topic).records == 300, 60, "all wait behind the first of their key")
    way_is_free.set()
    until(lambda: settled(broker, topic, 300), 60, "all are settled")
    dead = {b"%d" % n for n in range(300) if n % 50 == 31}
    assert sorted(map(int, recorder.values)) == [n for n in range(300) if n % 50 != 31]
    for key in range(3):
        of_key = [int(value) for value in recorder.values if int(value) % 3 == key]
        assert of_key == sorted(of_key)
    assert {letter.value for letter in letters(broker, topic)} == dead
    for n in range(300):
        tries = recorder.attempts_at(b"%d" % n)
        assert tries == [*range(1, len(tries) + 1)], "each attempt is counted once"
        assert len(tries) == (3 if n % 17 == 5 else 1) or n < 3


def test_with_order_by_partition_the_whole_partition_waits(broker, worker_of):
    topic, recorder = a_topic(broker, 2), Recorder(failing(99, b"5"))
    for partition in range(2):
        produce(broker, topic, numbered(20, start=partition * 100), partition=partition)
    worker = worker_of(topic, recorder, retry=NEVER, ordering="partition")
    until(lambda: len(recorder.values) == 25)
    until(lambda: worker.metrics()["worker-metrics"]["partitions-held"] == 1)
    assert sorted(map(int, recorder.values)) == [0, 1, 2, 3, 4, *range(100, 120)]


def test_a_record_without_a_key_keeps_nobody_waiting(broker, worker_of):
    topic, recorder = a_topic(broker), Recorder(failing(99, b"5"))
    produce(broker, topic, numbered(50))
    worker_of(topic, recorder, retry=NEVER, ordering="key")
    until(lambda: committed(broker, topic) == 50)
    assert len(recorder.values) == 49


def test_a_record_that_fails_too_often_becomes_a_dead_letter_with_its_history(broker, worker_of):
    topic, recorder = a_topic(broker, 3), Recorder(failing(99, b"poison"))
    produce(broker, topic, [b"poison"], key=b"k", headers=[("trace", b"\xff")], partition=2)
    worker_of(topic, recorder, retry=RetryPolicy(base_ms=20, max_attempts=3))
    until(lambda: settled(broker, topic, 1))
    [letter] = letters(broker, topic)
    assert (letter.key, letter.value, letter.headers) == (b"k", b"poison", [("trace", b"\xff")])
    assert (letter.topic, letter.partition, letter.offset, letter.group) == (topic, 2, 0, GROUP)
    assert (letter.cause, letter.error_class) == (Cause.EXHAUSTED, "RuntimeError")
    assert letter.error_message == "attempt 3 at b'poison'"
    assert "in judge" in letter.traceback and letter.call_site.endswith("workers.py:judge")
    assert [attempt.attempt for attempt in letter.attempts] == [1, 2, 3]
    assert letter.member != ""


def test_waits_follow_the_policy(broker, worker_of):
    topic = a_topic(broker)
    produce(broker, topic, numbered(60))
    policy = RetryPolicy(base_ms=200, max_attempts=4)
    worker_of(topic, Recorder(failing(99)), retry=policy)
    until(lambda: settled(broker, topic, 60))
    found = letters(broker, topic)
    assert len(found) == 60
    drawn = []
    for letter in found:
        for before, after in zip(letter.attempts, letter.attempts[1:], strict=False):
            planned_wait_ms = after.planned_ms - before.actual_ms - before.duration_ms
            longest_ms = policy.longest_ms(before.attempt)
            assert -3 <= planned_wait_ms <= longest_ms + 3  # rounded to whole ms
            assert after.actual_ms >= after.planned_ms
            drawn.append(planned_wait_ms / longest_ms)
    assert furthest_from_even(drawn) < 2.5 / math.sqrt(
        len(drawn)
    )  # one in 100,000 times it is not, by chance


def furthest_from_even(drawn):
    """Kolmogorov and Smirnov's distance from what is drawn evenly between 0 and 1."""
    count = len(drawn)
    return max(max(abs(n / count - at), abs((n + 1) / count - at)) for n, at in enumerate(sorted(drawn)))


def test_permanent_makes_a_dead_letter_of_the_first_attempt(broker, worker_of):
    def judge(record, context):
        raise Permanent("no such customer")

    topic, recorder = a_topic(broker), Recorder(judge)
    produce(broker, topic, [b"v"])
    worker_of(topic, recorder)
    until(lambda: settled(broker, topic, 1))
    [letter] = letters(broker, topic)
    assert (letter.cause, len(letter.attempts), recorder.attempts_at(b"v")) == (Cause.REJECTED, 1, [1])


def test_release_counts_no_attempt(broker, worker_of):
    begun = []

    def judge(record, context):
        begun.append(context.attempt)
        if len(begun) <= 7:
            raise Release("the shop is closed", seconds=0.01)

    topic, recorder = a_topic(broker), Recorder(judge)
    produce(broker, topic, [b"v"])
    worker_of(topic, recorder)
    until(lambda: settled(broker, topic, 1))
    assert begun == [1] * 8 and recorder.values == [b"v"]
    assert {event.data["reason"] for event in events(broker, "record.released")} == {"the shop is closed"}


def test_retry_after_says_when(broker, worker_of):
    def judge(record, context):
        if context.attempt == 1:
            raise RetryAfter(3_600)

    topic = a_topic(broker)
    produce(broker, topic, [b"v"])
    worker_of(topic, Recorder(judge))
    until(lambda: waiting(broker, topic).retrying == 1)
    [told] = until(lambda: events(broker, "record.retried"))
    assert 3_599_000 <= told.data["due_ms"] - told.at_ms <= 3_601_000


def test_a_record_that_is_too_old_to_be_tried_again_is_a_dead_letter(broker, worker_of):
    topic = a_topic(broker)
    recorder = Recorder(failing(100))
    patient = RetryPolicy(base_ms=50, jitter="none", multiplier=1, max_attempts=100, max_age_ms=180)
    worker_of(topic, recorder, retry=patient)
    produce(broker, topic, [b"0"])
    [letter] = until(lambda: letters(broker, topic), 30, "the dead letter")
    assert letter.cause is Cause.EXPIRED
    tried = letter.attempts
    assert 1 <= len(tried) < 100 and recorder.attempts_at(b"0") == [a.attempt for a in tried]
    begun_ms, ended_ms = tried[0].actual_ms, [a.actual_ms + a.duration_ms for a in tried]
    assert [a.planned_ms for a in tried[1:]] == [ms + 50 for ms in ended_ms[:-1]]
    assert all(a.planned_ms <= begun_ms + 180 for a in tried)  # an attempt may begin later than planned
    assert ended_ms[-1] == letter.died_ms > begun_ms + 180 - 50


def test_bytes_that_cannot_be_decoded_are_dead_letters_untouched(broker, worker_of):
    topic, recorder = a_topic(broker), Recorder()
    produce(broker, topic, [b"1", b"\xff\x00 no number", b"2"])
    worker_of(topic, recorder, value_deserializer=int)
    until(lambda: settled(broker, topic, 3))
    [letter] = letters(broker, topic)
    assert (letter.value, letter.cause) == (b"\xff\x00 no number", Cause.DESERIALIZATION)
    assert recorder.values == [1, 2]


def test_what_breaks_the_schema_is_a_dead_letter(broker, worker_of):
    def strict(record):
        if record.value < 0:
            raise ValueError(f"{record.value} is negative")

    topic, recorder = a_topic(broker), Recorder()
    produce(broker, topic, [b"1", b"-1", b"2"])
    worker_of(topic, recorder, value_deserializer=int, validate=strict)
    until(lambda: settled(broker, topic, 3))
    [letter] = letters(broker, topic)
    assert (letter.value, letter.cause, letter.error_message) == (b"-1", Cause.SCHEMA, "-1 is negative")


def test_a_record_that_is_no_event_is_a_dead_letter_where_one_is_wanted(broker, worker_of):
    topic = a_topic(broker)
    produce(broker, topic, [b"v"])
    worker_of(topic, lambda record, context: context.event.type)
    until(lambda: settled(broker, topic, 1))
    assert [letter.cause for letter in letters(broker, topic)] == [Cause.DESERIALIZATION]


def test_the_history_tells_a_records_whole_way(broker, worker_of):
    topic = a_topic(broker)
    produce(broker, topic, [b"v"], headers=[("ce_id", b"event-7")])
    worker_of(topic, Recorder(failing(2)))
    until(lambda: settled(broker, topic, 1))
    told = [event for event in events(broker) if event.data.get("record_id") == "event-7"]
    assert [(event.name, event.data["attempt"]) for event in told] == [
        ("record.retried", 1),
        ("record.retried", 2),
        ("record.recovered", 3),
    ]


def test_groups_do_not_feel_each_others_failures(broker, worker_of):
    topic, ours, theirs = a_topic(broker), Recorder(failing(99, error=TypeError)), Recorder()
    produce(broker, topic, numbered(10))
    worker_of(topic, ours)
    with broker.worker(topic, group_id="others", handler=theirs, **SOON):
        until(lambda: settled(broker, topic, 10) and committed(broker, topic, "others") == 10)
    assert theirs.values == numbered(10)
    assert (len(letters(broker, topic)), len(letters(broker, topic, "others"))) == (10, 0)


def test_dead_letters_go_on_after_somebody_deleted_their_topic(broker, worker_of):
    topic = a_topic(broker)
    produce(broker, topic, numbered(3))
    worker_of(topic, Recorder(failing(99, error=TypeError)))
    until(lambda: settled(broker, topic, 3))
    broker.admin().delete_topics([f"{topic}.{GROUP}.dlq"])
    produce(broker, topic, numbered(3, start=3))
    until(lambda: settled(broker, topic, 6))
    assert [letter.value for letter in letters(broker, topic)] == numbered(3, start=3)


# -- time and room ------------------------------------------------------------------------------------------------


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

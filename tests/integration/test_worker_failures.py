"""Whatever a handler raises: the record is tried again or becomes a dead letter, and nothing stops the others."""

from __future__ import annotations

import math
import threading
from collections import defaultdict

import pytest

from streamlab import Permanent, Release, RetryAfter, RetryPolicy
from streamlab.delivery.dead_letter import Cause
from tests.builders import a_topic, numbered, produce
from tests.waiting import until
from tests.workers import (
    GROUP,
    NEVER,
    QUICK,
    SOON,
    Recorder,
    committed,
    events,
    failing,
    letters,
    produce_keyed,
    settled,
    waiting,
)


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

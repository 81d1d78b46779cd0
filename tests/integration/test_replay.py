"""Replaying dead letters: planned to the letter, sent once each, counted exactly, stopped when it makes no sense."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from streamlab import keys
from streamlab.broker import Broker
from streamlab.connection import Connection
from streamlab.delivery import replay_send
from streamlab.delivery.dead_letter import Cause, LetterAddress, dead_letter_of, origin_of
from streamlab.delivery.dead_letters import DeadLetters
from streamlab.delivery.letter_filter import LetterFilter
from streamlab.delivery.letter_states import LetterState, LetterStates
from streamlab.delivery.replay import Replays
from streamlab.delivery.replay_jobs import ReplayJob, ReplayState, UnknownReplayError
from streamlab.delivery.replay_plan import ReplayPlan
from streamlab.delivery.replay_runner import ReplayRunner
from streamlab.delivery.replay_send import ChunkSender
from streamlab.delivery.replay_spec import Edit
from streamlab.delivery.retry_queue import QueuedRecord, RetryQueue
from streamlab.errors import IllegalArgumentError, IllegalStateError, UnknownTopicOrPartitionError
from streamlab.events import EVENTS_TOPIC, DeadLetterReplayed, ReplayFinished, ReplayStarted, recorded_of
from streamlab.model import TopicPartition
from streamlab.topics import Topics
from tests.builders import a_topic
from tests.dead_letter_builders import (
    DIED_MS,
    GROUP,
    a_letter,
    a_record,
    an_error,
    bury,
    dead_orders,
    records_of_topic,
)
from tests.waiting import until


def run(broker: Broker, plan: ReplayPlan) -> ReplayJob:
    replays = Replays(broker.connection)
    return replays.run(replays.draft(plan, by="ann").id)


def queued(broker: Broker, letters: DeadLetters) -> list[QueuedRecord]:
    queue = RetryQueue(broker.connection)
    count = Topics(broker.connection).require(letters.topic).partitions
    return [
        waiting.record
        for n in range(count)
        for waiting in queue.list(letters.group, TopicPartition(letters.topic, n))
    ]


def settle(broker: Broker, letters: DeadLetters, outcome: LetterState) -> int:
    """Say of everything that is on its way what came of it, as a worker would."""
    found = list(letters.all(LetterFilter(states=[LetterState.REPLAYING])))
    states = LetterStates(broker.connection)
    return sum(states.settle_many((x.address, x.status.replays, outcome, None) for x in found))


@pytest.mark.both_engines
def test_a_plan_counts_to_the_letter_and_changes_nothing(broker: Broker) -> None:
    errors = [an_error("no stock for 1"), an_error("'x'", KeyError)]
    letters = dead_orders(broker, count=40, partitions=3, errors=errors)
    letters.discard(LetterFilter(partitions=[0]), "test", "ann", execute=True)
    plan = Replays(broker.connection).plan(letters, LetterFilter(), rate=10)
    assert plan.letters == 26 and plan.scanned == 40
    assert plan.not_dead == {LetterState.DISCARDED: 14}
    assert sum(f.count for f in plan.failures) == 26 and len(plan.failures) == 2
    assert plan.destinations == {f"{letters.topic}/1": 13, f"{letters.topic}/2": 13}
    assert plan.seconds == 2.6
    assert queued(broker, letters) == [] and letters.counts().dead == 26


@pytest.mark.both_engines
def test_a_replay_goes_into_the_queue_of_the_group_that_failed_and_nowhere_else(broker: Broker) -> None:
    letters = dead_orders(broker, count=30, partitions=3)
    before = records_of_topic(broker, letters.topic)
    job = run(broker, Replays(broker.connection).plan(letters))
    assert (job.state, job.counts.sent, job.counts.scanned, job.counts.total) == (
        ReplayState.DONE,
        30,
        30,
        30,
    )
    assert {(r.topic, r.partition, r.offset) for r in queued(broker, letters)} == {
        (r.topic, r.partition, r.offset) for r in before
    }
    assert records_of_topic(broker, letters.topic) == before
    assert letters.counts().replaying == 30


def test_a_queued_replay_carries_its_history_and_knows_its_letter(broker: Broker) -> None:
    letters = dead_orders(broker, count=1, partitions=1)
    job = run(broker, Replays(broker.connection).plan(letters))
    [record] = queued(broker, letters)
    assert [a.attempt for a in record.attempts] == [1, 2] and record.before == 2
    assert record.origin is not None
    assert record.origin.letter == LetterAddress(letters.dlq, 0, 0)
    assert (record.origin.replays, record.origin.replay_id) == (1, job.id)
    assert record.origin.record_id == f"{letters.topic}/0@0"


def test_one_letter_is_replayed_by_its_address(broker: Broker) -> None:
    letters = dead_orders(broker, count=10, partitions=2)
    plan = Replays(broker.connection).plan(letters, LetterFilter(letters=[LetterAddress(letters.dlq, 1, 3)]))
    assert (plan.letters, plan.scanned) == (1, 1)
    run(broker, plan)
    assert [(r.partition, r.offset) for r in queued(broker, letters)] == [(1, 3)]
    assert letters.get((1, 3)).status.state is LetterState.REPLAYING  # type: ignore[union-attr]


def test_exactly_the_letters_that_a_filter_means_are_replayed(broker: Broker) -> None:
    topic = a_topic(broker, partitions=3)
    bury(
        broker,
        [
            a_letter(a_record(topic=topic, offset=0, partition=0, key=b"A"), error=an_error("x", KeyError)),
            a_letter(a_record(topic=topic, offset=0, partition=1), died_ms=DIED_MS + 90_000),
            a_letter(a_record(topic=topic, offset=0, partition=2), cause=Cause.SCHEMA, schema_version=7),
        ],
    )
    letters = DeadLetters(broker.connection, topic, GROUP)
    fingerprint = letters.list(LetterFilter(key=b"A")).letters[0].letter.fingerprint

    def replayed_by(wanted: LetterFilter) -> set[int]:
        """Partitions of the letters; they are called back afterwards."""
        planned = Replays(broker.connection).plan(letters, wanted)
        job = run(broker, planned)
        found = {x.address.partition for x in letters.all(LetterFilter(states=[LetterState.REPLAYING]))}
        assert planned.letters == job.counts.sent == len(found)
        letters.restore(LetterFilter(), by="ann", execute=True, also_replaying=True)
        return found

    assert replayed_by(LetterFilter()) == {0, 1, 2}
    assert replayed_by(LetterFilter(error_classes=["KeyError"])) == {0}
    assert replayed_by(LetterFilter(fingerprints=[fingerprint])) == {0}
    assert replayed_by(LetterFilter(since_ms=DIED_MS + 1)) == {1}
    assert replayed_by(LetterFilter(until_ms=DIED_MS + 1)) == {0, 2}
    assert replayed_by(LetterFilter(key=b"A")) == {0}
    assert replayed_by(LetterFilter(partitions=[1, 2])) == {1, 2}
    assert replayed_by(LetterFilter(schema_versions=[7])) == {2}
    assert replayed_by(LetterFilter(causes=[Cause.SCHEMA])) == {2}


def test_letters_that_came_after_the_plan_are_not_part_of_it(broker: Broker) -> None:
    letters = dead_orders(broker, count=4, partitions=1)
    plan = Replays(broker.connection).plan(letters)
    bury(broker, [a_letter(a_record(topic=letters.topic, partition=0, offset=99))])
    assert run(broker, plan).counts.sent == 4
    assert letters.counts().dead == 1


def test_what_was_discarded_after_the_plan_is_skipped(broker: Broker) -> None:
    letters = dead_orders(broker, count=6, partitions=2)
    plan = Replays(broker.connection).plan(letters)
    letters.discard(LetterFilter(partitions=[0]), "test", "bob", execute=True)
    job = run(broker, plan)
    assert job.counts.sent == 3
    assert letters.counts().discarded == 3


def test_of_two_replays_of_the_same_letters_one_gets_each(broker: Broker) -> None:
    letters = dead_orders(broker, count=600, partitions=2)
    replays = Replays(broker.connection)
    plan = replays.plan(letters)
    jobs = [replays.draft(plan, by=who).id for who in ("ann", "bob")]
    threads = [threading.Thread(target=replays.run, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(replays.jobs.get(job).counts.sent for job in jobs) == 600
    assert len(queued(broker, letters)) == 600


@pytest.mark.both_engines
@pytest.mark.parametrize("to", ["source", "other"])
def test_a_replay_into_a_topic_names_where_the_record_came_from(broker: Broker, to: str) -> None:
    letters = dead_orders(broker, count=20, partitions=4)
    before = len(records_of_topic(broker, letters.topic))
    target = letters.topic if to == "source" else a_topic(broker, partitions=2)
    job = run(broker, Replays(broker.connection).plan(letters, to="source" if to == "source" else target))
    added = [r for r in records_of_topic(broker, target) if r.header("sl-replay-id")]
    assert len(added) == 20 and job.counts.sent == 20
    assert len(records_of_topic(broker, target)) == 20 + (before if to == "source" else 0)
    origins = {(o.topic, o.partition, o.offset, o.record_id, o.replays) for o in map(origin_of, added)}
    assert origins == {
        (letters.topic, p, n, f"{letters.topic}/{p}@{n}", 1) for p in range(4) for n in range(5)
    }
    if to == "source":
        assert all(r.partition == origin_of(r).partition for r in added)


def test_a_record_that_dies_in_the_other_topic_still_says_where_it_was_produced(broker: Broker) -> None:
    letters = dead_orders(broker, count=1, partitions=1)
    other = a_topic(broker)
    run(broker, Replays(broker.connection).plan(letters, to=other))
    [moved] = records_of_topic(broker, other)
    dlq = bury(broker, [a_letter(moved, group="repair", died_ms=5)])
    [again] = DeadLetters(broker.connection, other, "repair").list().letters
    assert dlq == f"{other}.repair.dlq"
    assert (again.letter.topic, again.letter.partition, again.letter.offset) == (letters.topic, 0, 0)
    assert (again.letter.read_topic, again.letter.read_offset) == (other, 0)
    assert again.letter.previous == LetterAddress(letters.dlq, 0, 0) and again.letter.replays == 1
    other_again = a_topic(broker)
    run(
        broker,
        Replays(broker.connection).plan(DeadLetters(broker.connection, other, "repair"), to=other_again),
    )
    [twice] = records_of_topic(broker, other_again)
    assert origin_of(twice).topic == letters.topic and origin_of(twice).replays == 2
    assert [name for name, _ in twice.headers].count("sl-original-topic") == 1


def test_an_edit_changes_what_is_replayed_and_is_recorded(broker: Broker) -> None:
    letters = dead_orders(broker, count=2, partitions=1)
    edit = Edit(merge={"quantity": 1, "note": "repaired"}, set_headers={"fixed-by": b"ann"})
    plan = Replays(broker.connection).plan(letters, edit=edit)
    assert plan.sample_before == '{"quantity": 3}'
    assert plan.sample_after == '{"quantity":1,"note":"repaired"}'
    run(broker, plan)
    for record in queued(broker, letters):
        assert record.value == b'{"quantity":1,"note":"repaired"}'
        assert ("fixed-by", b"ann") in record.headers
        assert ("sl-replay-edit", b'["value","header:fixed-by"]') in record.headers
    assert {x.letter.value for x in letters.list().letters} == {b'{"quantity": 3}'}


def test_a_letter_that_cannot_be_edited_stays_dead_and_is_counted(broker: Broker) -> None:
    topic = a_topic(broker, partitions=1)
    base = {"topic": topic, "partition": 0}
    values = [b'{"a": 1}', b"\xff\xfe", None, b"[1]"]
    bury(broker, [a_letter(a_record(**base, offset=n, value=value)) for n, value in enumerate(values)])
    letters = DeadLetters(broker.connection, topic, GROUP)
    plan = Replays(broker.connection).plan(letters, edit=Edit(merge={"a": 2}))
    assert (plan.letters, plan.unfit) == (1, 3)
    job = run(broker, plan)
    assert (job.counts.sent, job.counts.unfit) == (1, 3)
    assert letters.counts().dead == 3


def test_what_the_target_does_not_take_stays_dead_and_is_counted(broker: Broker) -> None:
    topic = a_topic(broker, partitions=1)
    base = {"topic": topic, "partition": 0}
    rows = [(b"k", b"small"), (b"k", b"x" * 5_000), (None, b"small")]
    bury(broker, [a_letter(a_record(**base, offset=n, key=k, value=v)) for n, (k, v) in enumerate(rows)])
    letters = DeadLetters(broker.connection, topic, GROUP)
    narrow = a_topic(broker, max_message_bytes=2_000, cleanup_policy="compact")
    plan = Replays(broker.connection).plan(letters, to=narrow)
    assert (plan.letters, plan.unfit) == (1, 2)
    assert plan.unfit_because is not None and "5" in plan.unfit_because
    job = run(broker, plan)
    assert (job.counts.sent, job.counts.unfit, letters.counts().dead) == (1, 2, 2)
    assert [r.value for r in records_of_topic(broker, narrow)] == [b"small"]


def test_batches_of_another_size_than_before_the_crash_double_nothing(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    letters = dead_orders(broker, count=120, partitions=1, value=b"x" * 1_000)
    other = a_topic(broker)
    replays = Replays(broker.connection)
    job_id = replays.draft(replays.plan(letters, to=other), by="ann").id
    run_many = Connection.run_many

    def half_of_the_batches(self: Connection, calls: Any, *more: Any) -> Any:
        appends = [call for call in calls if call.script == "append" and call.keys[0] == keys.log(other, 0)]
        if appends:
            run_many(self, appends[: len(appends) // 2])
            raise Crash
        return run_many(self, calls, *more)

    with monkeypatch.context() as patched:
        patched.setattr(replay_send, "BATCH_BYTES", 20_000)
        patched.setattr(Connection, "run_many", half_of_the_batches)
        with pytest.raises(Crash):
            replays.run(job_id)
    there = len(records_of_topic(broker, other))
    assert 0 < there < 120
    monkeypatch.setattr(replay_send, "BATCH_BYTES", 33_000)
    assert replays.run(job_id).counts.sent == 120
    arrived = [origin_of(record).offset for record in records_of_topic(broker, other)]
    assert arrived == list(range(120))


def test_an_edit_cannot_contradict_itself() -> None:
    with pytest.raises(IllegalArgumentError, match="not both"):
        Edit(value=b"x", merge={})
    with pytest.raises(IllegalArgumentError, match="to be set and to be removed"):
        Edit(set_headers={"a": b"1"}, remove_headers=["a"])


@pytest.mark.both_engines
def test_a_settled_letter_is_recovered_and_counted_once(broker: Broker) -> None:
    letters = dead_orders(broker, count=10, partitions=2)
    job = run(broker, Replays(broker.connection).plan(letters))
    assert settle(broker, letters, LetterState.RECOVERED) == 10
    states = LetterStates(broker.connection)
    assert not states.settle(LetterAddress(letters.dlq, 0, 0), 1, LetterState.FAILED_AGAIN)
    counts = Replays(broker.connection).jobs.get(job.id).counts
    assert (counts.recovered, counts.failed_again, letters.counts().recovered) == (10, 0, 10)


def test_a_letter_that_died_again_names_the_new_one_which_can_be_replayed_in_turn(broker: Broker) -> None:
    letters = dead_orders(broker, count=1, partitions=1)
    run(broker, Replays(broker.connection).plan(letters))
    [record] = queued(broker, letters)
    bury(broker, [a_letter(record.as_record(), origin=record.origin, cause=Cause.EXHAUSTED)])
    successor = LetterAddress(letters.dlq, 0, 1)
    assert record.origin is not None and record.origin.letter is not None
    states = LetterStates(broker.connection)
    assert states.settle(record.origin.letter, 1, LetterState.FAILED_AGAIN, successor)
    old, new = letters.get((0, 0)), letters.get((0, 1))
    assert old is not None and new is not None
    assert (old.status.state, old.status.successor) == (LetterState.FAILED_AGAIN, successor)
    assert (new.letter.previous, new.letter.replays) == (old.address, 1)
    job = run(broker, Replays(broker.connection).plan(letters))
    assert job.counts.sent == 1
    assert sorted(r.replays for r in queued(broker, letters)) == [1, 2]


def test_the_guard_stops_a_replay_whose_letters_die_again(broker: Broker) -> None:
    letters = dead_orders(broker, count=3_000, partitions=2)
    replays = Replays(broker.connection)
    job_id = replays.draft(replays.plan(letters, rate=1_000, guard_percent=20, guard_sample=30), by="ann").id
    over = threading.Event()

    def a_group_that_fails_always() -> None:
        while not over.wait(0.05):
            settle(broker, letters, LetterState.FAILED_AGAIN)

    failing = threading.Thread(target=a_group_that_fails_always)
    failing.start()
    try:
        job = replays.run(job_id)
    finally:
        over.set()
        failing.join()
    assert job.state is ReplayState.STOPPED
    assert "failed again" in (job.reason or "") and "20 % are too many" in (job.reason or "")
    assert 30 <= job.counts.sent < 3_000
    assert letters.counts().dead == 3_000 - job.counts.sent
    settle(broker, letters, LetterState.FAILED_AGAIN)
    assert replays.run(job_id).counts.sent == 3_000  # somebody decided to go on; nobody settles now


def test_a_replay_keeps_to_its_rate(broker: Broker) -> None:
    letters = dead_orders(broker, count=300, partitions=2)
    started = time.monotonic()
    job = run(broker, Replays(broker.connection).plan(letters, rate=200))
    took_s = time.monotonic() - started
    assert job.counts.sent == 300
    assert took_s >= 300 / 200 - 0.2  # slower is the machine's doing


def test_a_paused_replay_goes_on_where_it_was(broker: Broker) -> None:
    letters = dead_orders(broker, count=400, partitions=2)
    replays = Replays(broker.connection)
    job_id = replays.draft(replays.plan(letters, rate=200), by="ann").id
    running = threading.Thread(target=replays.run, args=(job_id,))
    running.start()
    until(lambda: replays.jobs.get(job_id).counts.sent >= 20, 30)
    replays.pause(job_id)
    running.join(30)
    paused = replays.jobs.get(job_id)
    assert paused.state is ReplayState.PAUSED and 20 <= paused.counts.sent < 400
    assert len(queued(broker, letters)) == paused.counts.sent
    assert paused.counts.taken == 0
    finished = replays.run(job_id)
    assert (finished.state, finished.counts.sent) == (ReplayState.DONE, 400)
    assert len(queued(broker, letters)) == 400


@pytest.mark.both_engines
def test_a_cancelled_replay_is_over(broker: Broker) -> None:
    letters = dead_orders(broker, count=400, partitions=2)
    replays = Replays(broker.connection)
    job_id = replays.draft(replays.plan(letters, rate=50), by="ann").id
    running = threading.Thread(target=replays.run, args=(job_id,))
    running.start()
    until(lambda: replays.jobs.get(job_id).counts.sent >= 5, 30)
    replays.cancel(job_id, by="bob")
    running.join(30)
    job = replays.jobs.get(job_id)
    assert (job.state, job.reason) == (ReplayState.CANCELLED, "cancelled by bob")
    assert len(queued(broker, letters)) == job.counts.sent == letters.counts().replaying
    with pytest.raises(IllegalStateError, match="cancelled"):
        replays.run(job_id)


def test_only_one_process_runs_a_job_and_others_can_see_how_far_it_is(broker: Broker) -> None:
    letters = dead_orders(broker, count=100, partitions=1)
    replays = Replays(broker.connection)
    job_id = replays.draft(replays.plan(letters, rate=20), by="ann").id
    stop = threading.Event()
    running = threading.Thread(target=lambda: replays.run(job_id, stop=stop))
    running.start()
    seen = until(lambda: (job := replays.jobs.get(job_id)).counts.sent and job, 30)
    assert seen.state is ReplayState.RUNNING and seen.runner and seen.counts.total == 100
    with pytest.raises(IllegalStateError, match="is run by"):
        ReplayRunner(broker.connection, job_id).run(wait_s=0)
    stop.set()
    running.join(30)
    assert replays.jobs.get(job_id).state is ReplayState.PAUSED
    assert replays.jobs.get(job_id).runner is None


@pytest.mark.both_engines
def test_a_replay_is_told_to_the_brokers_history(broker: Broker) -> None:
    letters = dead_orders(broker, count=12, partitions=2)
    job = run(broker, Replays(broker.connection).plan(letters))
    told = [recorded_of(record).event for record in records_of_topic(broker, EVENTS_TOPIC)]
    replayed = [event for event in told if isinstance(event, DeadLetterReplayed)]
    assert {(e.partition, e.offset, e.replays, e.replay_id, e.target) for e in replayed} == {
        (p, n, 1, job.id, "group") for p in range(2) for n in range(6)
    }
    assert [e.total for e in told if isinstance(e, ReplayStarted)] == [12]
    assert [(e.outcome, e.replayed) for e in told if isinstance(e, ReplayFinished)] == [("done", 12)]


def test_a_replay_into_a_topic_that_is_gone_fails_and_leaves_its_letters_dead(broker: Broker) -> None:
    letters = dead_orders(broker, count=5, partitions=1)
    other = a_topic(broker)
    replays = Replays(broker.connection)
    job_id = replays.draft(replays.plan(letters, to=other), by="ann").id
    Topics(broker.connection).delete(other)
    job = replays.run(job_id)
    assert job.state is ReplayState.FAILED and other in (job.reason or "")
    assert letters.counts().dead == 5
    with pytest.raises(UnknownTopicOrPartitionError):
        replays.plan(letters, to="there-is-no-such-topic")


def test_a_replay_whose_topic_went_under_it_replays_every_letter_once_the_topic_is_there_again(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    letters = dead_orders(broker, count=60, partitions=2)
    other = a_topic(broker)
    replays = Replays(broker.connection)
    job_id = replays.draft(replays.plan(letters, to=other), by="ann").id
    send = ChunkSender.send

    def when_the_topic_has_gone(self: ChunkSender, *chunk: Any) -> None:
        monkeypatch.setattr(ChunkSender, "send", send)
        Topics(broker.connection).delete(other)
        send(self, *chunk)

    monkeypatch.setattr(ChunkSender, "send", when_the_topic_has_gone)
    failed = replays.run(job_id)
    assert (failed.state, failed.counts.sent, failed.counts.taken) == (ReplayState.FAILED, 0, 0)
    assert f"no topic '{other}'" in (failed.reason or "")
    assert letters.counts().dead == 60
    Topics(broker.connection).create(other, 1)
    done = replays.run(job_id)
    assert (done.state, done.counts.sent, done.counts.scanned) == (ReplayState.DONE, 60, 60)
    assert (done.counts.skipped, done.counts.unfit) == (0, 0)
    assert {origin_of(record).replays for record in records_of_topic(broker, other)} == {1}


def test_hostile_letters_are_replayed_byte_for_byte(broker: Broker) -> None:
    topic = a_topic(broker, partitions=1)
    rows = [
        (None, None, [("null", None)]),
        (b"", b"", []),
        (b"\xff\x00", b"\x80" * 1_048_000, [("sl-headers", b"999"), ("sl-replays", b"x"), ("", b"\xff")]),
        (b"k" * 70_000, b"\x00", [("n" * 5_000, b"v" * 50_000)]),
    ]
    bury(
        broker,
        [
            a_letter(a_record(topic=topic, partition=0, offset=n, key=k, value=v, _headers=h or None))
            for n, (k, v, h) in enumerate(rows)
        ],
    )
    letters = DeadLetters(broker.connection, topic, GROUP)
    assert [dead.letter.headers for dead in letters.all()] == [h for _, _, h in rows]
    other = a_topic(broker)
    assert run(broker, Replays(broker.connection).plan(letters, to=other)).counts.sent == 4
    records = {origin_of(r).offset: r for r in records_of_topic(broker, other)}
    for n, (key, value, headers) in enumerate(rows):
        assert (records[n].key, records[n].value) == (key, value)
        assert records[n].headers[: len(headers)] == [h for h in headers if h[0] != "sl-replays"] or n == 2
    assert dead_letter_of(records[2]).topic == ""


def test_an_unknown_job_is_said_to_be_unknown(broker: Broker) -> None:
    with pytest.raises(UnknownReplayError, match="no replay 'nope'"):
        Replays(broker.connection).run("nope")


class Crash(BaseException):
    """The process dies here."""


@pytest.mark.parametrize("moment", ["before a chunk is sent", "after it was sent, before it was counted"])
@pytest.mark.parametrize("to_another_topic", [False, True])
def test_a_crash_in_the_middle_of_a_chunk_neither_loses_nor_doubles(
    broker: Broker, monkeypatch: pytest.MonkeyPatch, moment: str, to_another_topic: bool
) -> None:
    letters = dead_orders(broker, count=700, partitions=1)
    other = a_topic(broker, partitions=3)
    replays = Replays(broker.connection)
    plan = replays.plan(letters, to=other if to_another_topic else "group")
    job_id = replays.draft(plan, by="ann").id
    send = ChunkSender.send

    def crashing(self: ChunkSender, *arguments: Any) -> None:
        if moment.startswith("after"):
            send(self, *arguments)
        raise Crash

    with monkeypatch.context() as patched:
        patched.setattr(ChunkSender, "send", crashing)
        with pytest.raises(Crash):
            replays.run(job_id)
    left = replays.jobs.get(job_id)
    assert (left.state, left.counts.sent, left.counts.taken) == (ReplayState.RUNNING, 0, 500)
    assert replays.run(job_id).counts.sent == 700
    if to_another_topic:
        arrived = [(o.partition, o.offset) for o in map(origin_of, records_of_topic(broker, other))]
    else:
        arrived = [(r.partition, r.offset) for r in queued(broker, letters)]
    assert sorted(arrived) == [(0, n) for n in range(700)]


def test_a_target_that_grows_between_a_crash_and_the_resume_gets_no_letter_twice(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    letters = dead_orders(broker, count=100, partitions=1)
    other = a_topic(broker, partitions=2)
    replays = Replays(broker.connection)
    edit = Edit(set_headers={"n": b"1"})
    job_id = replays.draft(replays.plan(letters, to=other, edit=edit), by="ann").id
    send = ChunkSender.send

    def crashing(self: ChunkSender, *arguments: Any) -> None:
        send(self, *arguments)
        raise Crash

    with monkeypatch.context() as patched:
        patched.setattr(ChunkSender, "send", crashing)
        with pytest.raises(Crash):
            replays.run(job_id)
    Topics(broker.connection).add_partitions(other, 7)
    assert replays.run(job_id).counts.sent == 100
    assert len(records_of_topic(broker, other)) == 100

"""A running group is reset by pausing it; whoever dies in the middle, nothing is half done and the group reads on."""

from __future__ import annotations

import subprocess
import sys
import threading
from contextlib import contextmanager

import pytest

from streamlab import keys
from streamlab.errors import GroupPausedError, KafkaTimeoutError, ResetUnderWayError, StalePlanError
from streamlab.groups import control, describe, live_reset, pausing, rebalances, reset
from streamlab.log import PartitionLog
from streamlab.model import OffsetSpec, TopicPartition
from streamlab.topics import Topics
from tests.builders import a_topic, numbered, produce, settle
from tests.waiting import until

pytestmark = pytest.mark.both_engines


class Program:
    """Polls its consumers in a thread of its own, as programs do, and keeps what they got."""

    def __init__(self, consumers):
        self.seen = []
        self._over = threading.Event()
        self._consumers = consumers
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self):
        while not self._over.is_set():
            for consumer in self._consumers:
                for records in consumer.poll(10).values():
                    self.seen += [(r.partition, r.offset) for r in records]

    def stop(self):
        self._over.set()
        self._thread.join()


@contextmanager
def running(consumers):
    program = Program(consumers)
    try:
        yield program
    finally:
        program.stop()


def everything(topic, partitions, target):
    return lambda: {TopicPartition(topic, n): target for n in range(partitions)}


def log_of(broker):
    return PartitionLog(broker.connection, Topics(broker.connection))


def reset_live(broker, targets, **how):
    return control.live_reset(broker.connection, log_of(broker), "g", targets, **how)


def told(broker, kind):
    entries = broker.connection.client.xrange(keys.group_events("g"))
    return [fields[b"data"] for _, fields in entries if fields[b"type"] == kind]


def test_a_running_group_reads_again_from_where_it_was_put(broker, member_of):
    topic = a_topic(broker, 2)
    members = [member_of(topic, auto_commit_interval_ms=60_000) for _ in range(2)]
    settle(members, 2)
    for n in range(2):
        produce(broker, topic, numbered(10), partition=n)
    with running(members) as program:
        until(lambda: len(program.seen) == 20)
        plan, outcome = reset_live(broker, everything(topic, 2, 4), by="me", strategy="to-offset 4")
        until(lambda: len(program.seen) == 32, 60)
    assert set(outcome.values()) == {None}
    assert [(row.current.offset, row.new, row.again) for row in plan.partitions] == [(10, 4, 6)] * 2
    assert sorted(program.seen[20:]) == [(n, offset) for n in range(2) for offset in range(4, 10)]
    assert describe.describe(broker.connection, "g").paused is None
    (event,) = told(broker, b"offsets.reset")
    assert b'"by":"me"' in event and b'"repeated":12' in event and b"to-offset 4" in event


def test_nothing_moves_between_the_members(broker, member_of):
    topic = a_topic(broker, 4)
    members = [member_of(topic) for _ in range(2)]
    settle(members, 4)
    before, epochs = [m.assignment() for m in members], len(rebalances.recent(broker.connection, "g"))
    with running(members):
        reset_live(broker, everything(topic, 4, OffsetSpec.EARLIEST))
        until(lambda: [m.assignment() for m in members] == before)
    assert len(rebalances.recent(broker.connection, "g")) == epochs


def test_a_member_that_does_not_give_up_in_time_stops_the_reset(broker, member_of):
    topic = a_topic(broker, 2)
    produce(broker, topic, numbered(5), partition=0)
    busy = member_of(topic, enable_auto_commit=False)  # nobody polls it meanwhile
    settle([busy], 2)
    with pytest.raises(KafkaTimeoutError, match="Nothing was reset"):
        reset_live(broker, everything(topic, 2, OffsetSpec.LATEST), drain_timeout_s=0.3)
    assert describe.describe(broker.connection, "g").paused is None
    assert broker.admin().list_group_offsets("g")["g"] == {}
    settle([busy], 2)


def test_an_operator_that_loses_its_pause_changes_nothing(broker, member_of):
    topic = a_topic(broker, 1)
    produce(broker, topic, numbered(5))
    member = member_of(topic)
    settle([member], 1)

    @contextmanager
    def meddled_with(plan):
        pausing.resume(broker.connection, "g", "somebody else")
        yield

    with running([member]), pytest.raises(StalePlanError, match="the pause ran out"):
        reset_live(broker, everything(topic, 1, OffsetSpec.EARLIEST), before=meddled_with)
    assert told(broker, b"offsets.reset") == []


def test_two_resets_at_once_are_refused(broker, member_of):
    topic = a_topic(broker, 1)
    settle([member_of(topic)], 1)
    pausing.pause(broker.connection, "g", "first", "its offsets are being reset", 5_000)
    with pytest.raises(GroupPausedError, match="by first"):
        reset_live(broker, everything(topic, 1, OffsetSpec.EARLIEST))


def test_nobody_can_end_the_pause_of_a_reset_that_has_begun_to_commit(broker, member_of, monkeypatch):
    topic = a_topic(broker, 1)
    produce(broker, topic, numbered(5))
    member = member_of(topic)
    settle([member], 1)
    real = reset.commit_all

    def meddled_with(*arguments):
        with pytest.raises(ResetUnderWayError, match="reads on afterwards"):
            broker.admin().resume_group("g")
        return real(*arguments)

    monkeypatch.setattr(reset, "commit_all", meddled_with)
    with running([member]):
        _, outcome = reset_live(broker, everything(topic, 1, 2))
    assert set(outcome.values()) == {None}
    assert describe.describe(broker.connection, "g").paused is None


@pytest.mark.short_times
def test_commits_that_fail_for_now_are_made_by_a_member(broker, member_of, monkeypatch):
    topic = a_topic(broker, 2)
    member = member_of(topic)
    settle([member], 2)
    for n in range(2):
        produce(broker, topic, numbered(10), partition=n)

    def failing(connection, group, commits):
        return {p: KafkaTimeoutError("no answer") for p in commits}

    with running([member]) as program:
        until(lambda: len(program.seen) == 20)
        monkeypatch.setattr(reset, "commit_all", failing)
        _, outcome = reset_live(broker, everything(topic, 2, 6), lease_ms=600)
        assert {type(error) for error in outcome.values()} == {KafkaTimeoutError}
        until(lambda: len(program.seen) == 28, 60, "read again from where a member put it")
    assert len(told(broker, b"offsets.reset")) == 1


DYING = """
import os, sys
import streamlab
from streamlab.groups import live_reset, reset
from streamlab.log import PartitionLog
from streamlab.model import TopicPartition
from streamlab.topics import Topics

url, topic, where = sys.argv[1:]
die = lambda *_, **__: os.kill(os.getpid(), 9)
if where == "planned":
    reset.take_over = die
elif where == "noted":
    reset.commit_all = die
elif where == "half":
    all_of_it = reset.commit_all
    def half(connection, group, commits):
        all_of_it(connection, group, dict(sorted(commits.items())[:1]))
        die()
    reset.commit_all = half
broker = streamlab.connect(url)
log = PartitionLog(broker.connection, Topics(broker.connection))
targets = {TopicPartition(topic, n): 3 for n in range(4)}
live_reset.live_reset(broker.connection, log, "g", lambda: targets, lease_ms=700)
"""


@pytest.mark.short_times
@pytest.mark.parametrize(("dies", "done"), [("planned", False), ("noted", True), ("half", True)])
def test_an_operator_that_dies_leaves_it_undone_or_has_it_done(broker, redis_url, member_of, dies, done):
    topic = a_topic(broker, 4)
    members = [member_of(topic, auto_commit_interval_ms=50) for _ in range(2)]
    settle(members, 4)
    for n in range(4):
        produce(broker, topic, numbered(10), partition=n)
    with running(members) as program:
        until(lambda: len(program.seen) == 40)
        operator = subprocess.run([sys.executable, "-c", DYING, redis_url, topic, dies], timeout=60)
        assert operator.returncode == -9
        until(lambda: describe.describe(broker.connection, "g").paused is None, 60, "the group is resumed")
        until(lambda: sum(len(m.assignment()) for m in members) == 4)
        for n in range(4):
            produce(broker, topic, [b"new"], partition=n)
        until(lambda: {(n, 10) for n in range(4)} <= set(program.seen), 60)
    again = sorted(program.seen[40:])
    first = 3 if done else 10
    assert again == [(n, offset) for n in range(4) for offset in range(first, 11)]
    assert len(told(broker, b"offsets.reset")) == (1 if done else 0)


def test_a_stopped_group_is_told_of_too(broker, member_of):
    topic = a_topic(broker)
    produce(broker, topic, numbered(5))
    log = log_of(broker)
    plan = reset.plan(broker.connection, log, "g", {TopicPartition(topic, 0): 2})
    reset.execute(broker.connection, log, plan)
    assert len(told(broker, b"offsets.reset")) == 1


def test_a_group_without_members_can_be_reset_live(broker):
    topic = a_topic(broker)
    produce(broker, topic, numbered(5))
    log = log_of(broker)
    reset.execute(
        broker.connection, log, reset.plan(broker.connection, log, "g", {TopicPartition(topic, 0): 5})
    )
    _, outcome = live_reset.live_reset(broker.connection, log, "g", everything(topic, 1, 1))
    assert set(outcome.values()) == {None}
    assert broker.admin().list_group_offsets("g")["g"][TopicPartition(topic, 0)].offset == 1

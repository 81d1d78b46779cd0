"""A replay goes on through the death of its process, at whatever moment that was: each letter is replayed once."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

import streamlab
from streamlab.broker import Broker
from streamlab.delivery.dead_letter import origin_of
from streamlab.delivery.dead_letters import DeadLetters
from streamlab.delivery.replay_jobs import ReplayJob, ReplayState
from streamlab.delivery.retry_queue import RetryQueue
from streamlab.events import EVENTS_TOPIC, DeadLetterReplayed, recorded_of
from streamlab.model import TopicPartition
from tests.builders import a_server, a_topic, kill_and_restart
from tests.dead_letter_builders import dead_orders, records_of_topic
from tests.shell import REPOSITORY
from tests.waiting import until

pytestmark = pytest.mark.faults

PARTITIONS = 4


def start(broker: Broker, job_id: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.faults.replaying", broker.url, job_id], cwd=REPOSITORY
    )


def run_with_murders(broker: Broker, job_id: str, murders: int, seed: int) -> ReplayJob:
    """Kill -9 the process that replays, so many times, then let one finish."""
    draw, in_the_middle = random.Random(seed), 0
    jobs = broker.replays().jobs
    letters = jobs.get(job_id).planned
    for n in range(murders):
        sent_before = jobs.get(job_id).counts.sent
        process = start(broker, job_id)
        goal = (n + 1) * letters // (murders + 2)
        until(lambda goal=goal: jobs.get(job_id).counts.sent >= goal or process.poll() is not None, 120)  # noqa: B023
        time.sleep(draw.uniform(0, 0.05))  # anywhere in a chunk
        process.send_signal(signal.SIGKILL)
        process.wait(30)
        left = jobs.get(job_id)
        assert sent_before <= left.counts.sent <= letters
        in_the_middle += left.state is ReplayState.RUNNING and left.counts.sent < letters
    assert in_the_middle, "killed before it was done"
    return broker.replays().run(job_id)


def test_ten_thousand_letters_are_each_replayed_once_to_the_group_although_the_process_dies(
    broker: Broker,
) -> None:
    letters = dead_orders(broker, 10_000, PARTITIONS)
    replays = broker.replays()
    job = replays.draft(replays.plan(letters), by="ann")
    ended = run_with_murders(broker, job.id, murders=2, seed=1)
    assert (ended.state, ended.counts.sent, ended.counts.scanned) == (ReplayState.DONE, 10_000, 10_000)
    assert (ended.counts.skipped, ended.counts.taken) == (0, 0)
    queued = Counter(
        (record.record.partition, record.record.offset)
        for n in range(PARTITIONS)
        for record in RetryQueue(broker.connection).list(letters.group, TopicPartition(letters.topic, n))
    )
    assert len(queued) == 10_000 and set(queued.values()) == {1}
    assert letters.counts().replaying == 10_000
    assert replayed_by_history(broker, letters) == queued.keys()


def test_letters_are_each_appended_once_to_another_topic_although_the_process_dies(
    broker: Broker,
) -> None:
    letters = dead_orders(broker, 4_000, PARTITIONS)
    other = a_topic(broker, partitions=3)
    replays = broker.replays()
    job = replays.draft(replays.plan(letters, to=other), by="ann")
    ended = run_with_murders(broker, job.id, murders=2, seed=2)
    assert (ended.state, ended.counts.sent) == (ReplayState.DONE, 4_000)
    appended = Counter((o.partition, o.offset) for o in map(origin_of, records_of_topic(broker, other)))
    assert len(appended) == 4_000 and set(appended.values()) == {1}


def test_a_cancelled_replay_whose_process_was_killed_still_counts_right(broker: Broker) -> None:
    letters = dead_orders(broker, 2_000, 1)
    replays = broker.replays()
    job = replays.draft(replays.plan(letters, rate=1_000), by="ann")
    process = start(broker, job.id)
    until(lambda: replays.jobs.get(job.id).counts.sent >= 300, 60)
    os.kill(process.pid, signal.SIGKILL)
    process.wait(30)
    ended = replays.cancel(job.id, by="bob")
    place = TopicPartition(letters.topic, 0)
    queued = RetryQueue(broker.connection).counts(letters.group, [place])[place].records
    assert ended.state is ReplayState.CANCELLED and ended.counts.taken == 0
    assert queued == ended.counts.sent == letters.counts().replaying < 2_000


def test_a_replay_waits_for_a_server_that_dies_and_goes_on_with_it(tmp_path: Path) -> None:
    with a_server(tmp_path, appendfsync="always") as server, streamlab.connect(server.url) as broker:
        letters = dead_orders(broker, 2_000, 2)
        replays = broker.replays()
        job = replays.draft(replays.plan(letters, rate=1_000), by="ann")
        running = threading.Thread(target=replays.run, args=(job.id,))
        running.start()
        until(lambda: replays.jobs.get(job.id).counts.sent >= 300, 60)
        kill_and_restart(server)
        running.join(120)
        ended = replays.jobs.get(job.id)
        places = [TopicPartition(letters.topic, n) for n in range(2)]
        queued = RetryQueue(broker.connection).counts(letters.group, places)
        assert (ended.state, ended.counts.sent, ended.reason) == (ReplayState.DONE, 2_000, None)
        assert sum(counts.records for counts in queued.values()) == 2_000


def replayed_by_history(broker: Broker, letters: DeadLetters) -> set[tuple[int, int]]:
    told = [recorded_of(record).event for record in records_of_topic(broker, EVENTS_TOPIC)]
    return {
        (e.partition, e.offset)
        for e in told
        if isinstance(e, DeadLetterReplayed) and e.dlq_topic == letters.dlq
    }

"""Workers killed with SIGKILL at random moments: nothing is lost, nothing is dead twice, attempts are counted right."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

import streamlab
from streamlab import keys
from streamlab.delivery.dead_letter import dead_letter_of
from streamlab.delivery.retry_queue import RetryQueue
from streamlab.events import EVENTS_TOPIC, recorded_of
from streamlab.model import TopicPartition
from tests.builders import a_server, a_topic
from tests.recording_worker import MAX_ATTEMPTS, failures, fate
from tests.waiting import until

pytestmark = [pytest.mark.faults, pytest.mark.slow]

PARTITIONS, WORKERS, KEYS = 4, 3, 997
RECORDS = {"none": 100_000, "key": 30_000}
KILLS = 10
GROUP = "accounts"


class Crew:
    """Worker processes, of which one is killed and replaced again and again."""

    def __init__(self, url: str, topic: str, ordering: str, directory: Path):
        self.ordering = ordering
        self._arguments = (url, topic, GROUP)
        self._directory = directory
        self._running: dict[str, subprocess.Popen[bytes]] = {}  # by client id
        self._started = 0
        self.kills = 0

    def hire(self) -> None:
        name = f"worker-{self._started}"
        self._started += 1
        path = str(self._directory / name)
        command = [sys.executable, "-m", "tests.recording_worker", *self._arguments, path, self.ordering]
        self._running[name] = subprocess.Popen(command)

    def kill_one(self, draw: random.Random) -> None:
        victim = self._running.pop(draw.choice(list(self._running)))
        victim.kill()
        victim.wait()
        self.kills += 1

    @property
    def names(self) -> set[str]:
        return set(self._running)

    def dismiss(self) -> None:
        """As a supervisor does: SIGTERM, and they finish."""
        for process in self._running.values():
            process.send_signal(signal.SIGTERM)
        for process in self._running.values():
            assert process.wait(60) == 0

    def kill_all(self) -> None:
        for process in self._running.values():
            process.kill()
            process.wait()

    def handled(self) -> list[tuple[str, int, int]]:
        """(member id, attempt, number) of every attempt that succeeded, each member's in its order."""
        found = []
        for worker in range(self._started):
            path = self._directory / f"worker-{worker}"
            for line in path.read_text().splitlines() if path.exists() else ():
                member, attempt, number = line.split()
                found.append((member, int(attempt), int(number)))
        return found


@pytest.fixture(scope="module", params=RECORDS)
def aftermath(request, tmp_path_factory):
    """Many records handled by three workers, one of which is killed about every second, ten times."""
    directory = tmp_path_factory.mktemp(request.param)
    with a_server(directory / "server") as server, streamlab.connect(server.url) as broker:
        topic = a_topic(broker, PARTITIONS)
        with broker.producer() as producer:
            for number in range(RECORDS[request.param]):
                producer.send(topic, b"%d" % number, key=b"%d" % (number % KEYS))
        crew, draw = Crew(server.url, topic, request.param, directory), random.Random(20101201)
        partitions = [TopicPartition(topic, n) for n in range(PARTITIONS)]
        try:
            for _ in range(WORKERS):
                crew.hire()
            deadline = time.monotonic() + 480
            next_kill = time.monotonic() + 2
            while not all_settled(broker, partitions):
                assert time.monotonic() < deadline, "the records were not settled in time"
                if crew.kills < KILLS and time.monotonic() > next_kill:
                    crew.kill_one(draw)
                    crew.hire()
                    next_kill = time.monotonic() + draw.uniform(0.3, 2.5)
                time.sleep(0.1)
            until(lambda: members(broker) == crew.names, 60, "the last hired is at work, the killed are out")
            crew.dismiss()
        finally:
            crew.kill_all()
        yield broker, topic, crew


def members(broker) -> set[str]:
    """Client ids: a number would be right too while one who was killed still counts and one who is hired does not."""
    members = broker.admin().describe_groups([GROUP])[GROUP]["members"]
    return {member["client_id"] for member in members}


def all_settled(broker, partitions) -> bool:
    """Everything is committed, no retry waits, no dead letter and no event is on its way."""
    committed = broker.admin().list_group_offsets(GROUP)[GROUP]
    consumer = broker.consumer()
    ends = consumer.end_offsets(partitions)
    consumer.close()
    if any(p not in committed or committed[p].offset < ends[p] for p in partitions):
        return False
    counts = RetryQueue(broker.connection).counts(GROUP, partitions)
    outbox = broker.connection.execute_many(
        [("HLEN", keys.retry("outbox", *partition, GROUP)) for partition in partitions]
    )
    return not any(c.records for c in counts.values()) and not any(outbox)


def everything(broker, topic):
    """All records of a topic, one by one."""
    consumer = broker.consumer()
    partitions = [TopicPartition(topic, n) for n in consumer.partitions_for_topic(topic)]
    consumer.assign(partitions)
    consumer.seek_to_beginning()
    left = sum(consumer.end_offsets(partitions).values())
    records = []
    until(
        lambda: records.extend(r for rs in consumer.poll(500).values() for r in rs) or len(records) >= left,
        60,
    )
    consumer.close()
    return records


def numbers(crew, *fates: str) -> set[int]:
    return {number for number in range(RECORDS[crew.ordering]) if fate(number) in fates}


def test_every_record_that_can_be_handled_is_handled(aftermath):
    _, _, crew = aftermath
    assert crew.kills >= 3
    assert {number for _, _, number in crew.handled()} == numbers(crew, "succeeds", "recovers")


def test_a_record_succeeds_at_the_attempt_at_which_it_can(aftermath):
    _, _, crew = aftermath
    assert {number for _, attempt, number in crew.handled() if attempt != failures(number) + 1} == set()


def test_no_dead_letter_is_lost_or_there_twice(aftermath):
    broker, topic, crew = aftermath
    letters = Counter(int(record.value) for record in everything(broker, f"{topic}.{GROUP}.dlq"))
    assert letters == Counter(numbers(crew, "exhausted", "rejected"))


def test_dead_letters_tell_each_attempt_once(aftermath):
    broker, topic, _ = aftermath
    for record in everything(broker, f"{topic}.{GROUP}.dlq"):
        letter = dead_letter_of(record)
        expected = list(range(1, MAX_ATTEMPTS + 1)) if letter.cause == "exhausted" else [1]
        assert letter.cause == fate(int(record.value))
        assert [attempt.attempt for attempt in letter.attempts] == expected
        for before, after in zip(letter.attempts, letter.attempts[1:], strict=False):
            assert after.actual_ms >= after.planned_ms >= before.actual_ms


def test_the_history_tells_each_failure_and_each_recovery(aftermath):
    broker, _, crew = aftermath
    told: dict[str, set[str]] = {}
    by_place: Counter[str] = Counter()
    for record in everything(broker, EVENTS_TOPIC):
        event = recorded_of(record)
        if event.id not in told.setdefault(event.name, set()):
            told[event.name].add(event.id)
            by_place[event.name] += 1
    expected = sum(
        failures(n) if fate(n) == "recovers" else MAX_ATTEMPTS - 1
        for n in numbers(crew, "recovers", "exhausted")
    )
    assert by_place["record.retried"] == expected
    assert by_place["record.dead_lettered"] == len(numbers(crew, "exhausted", "rejected"))
    assert by_place["record.recovered"] == len(numbers(crew, "recovers"))


@pytest.mark.parametrize("aftermath", ["key"], indirect=True)
def test_a_key_keeps_its_order_over_every_death(aftermath):
    """In the hands of each member, repeats included. Who lost its membership comes back as another member."""
    _, _, crew = aftermath
    last: dict[tuple[str, int], int] = {}
    for member, _, number in crew.handled():
        assert last.get((member, number % KEYS), -1) <= number
        last[member, number % KEYS] = number

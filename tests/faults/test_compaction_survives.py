"""A compaction that is killed in the middle leaves the log as it was, and the next one does the work."""

from __future__ import annotations

import itertools
import os
import random
import signal
import subprocess
import sys
import time

import pytest

import streamlab
from streamlab import compaction, keys
from streamlab.model import TopicPartition
from streamlab.topics import Topics
from tests.builders import a_server, a_topic, kill_and_restart
from tests.waiting import until

pytestmark = pytest.mark.faults


def a_compactor(url, topic):
    return subprocess.Popen(
        [sys.executable, "-m", "tests.faults.compact_for_ever", url, topic],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


class Keyed:
    """Sends records of few keys and remembers what was acknowledged."""

    def __init__(self, producer, topic):
        self._producer, self._topic = producer, topic
        self._random = random.Random(7)
        self.sent: list[tuple[bytes, bytes | None]] = []

    def send(self, count):
        futures = []
        for n in range(count):
            key = b"%d" % self._random.randrange(20)
            value = None if self._random.random() < 0.1 else b"%d-%d" % (len(self.sent), n)
            futures.append((key, value, self._producer.send(self._topic, value, key=key)))
            if n % 5 == 4:
                self._producer.flush()  # many small entries
        for key, value, future in futures:
            assert future.get(30).offset == len(self.sent)
            self.sent.append((key, value))


def state(records):
    return {key: value for key, value in dict(records).items() if value is not None}


def check(broker, topic, sent):
    """Every record read is what was sent under its offset, and all of them make the same state."""
    place = TopicPartition(topic, 0)
    consumer = broker.consumer(auto_offset_reset="earliest")
    consumer.assign([place])
    found = []

    def all_read():
        for records in consumer.poll(50).values():
            found.extend(records)
        return consumer.position(place) >= len(sent)

    until(all_read, 60, "everything is read")
    consumer.close()
    offsets = [record.offset for record in found]
    assert all(before < after for before, after in itertools.pairwise(offsets))
    assert [(r.key, r.value) for r in found] == [sent[offset] for offset in offsets]
    assert state((r.key, r.value) for r in found) == state(sent)
    return len(found)


def finish_one_pass(broker, topic):
    place, spec = TopicPartition(topic, 0), Topics(broker.connection).require(topic)
    now_ms = broker.connection.server_time_ms()
    edge = compaction.edges(broker.connection, [(place, spec)], now_ms)[place]
    return compaction.compact(broker.connection, place, spec, edge, now_ms)


def test_killed_compactors_lose_nothing_and_the_next_one_cleans_up(tmp_path):
    with a_server(tmp_path) as server, streamlab.connect(server.url) as broker:
        topic = a_topic(broker, cleanup_policy="compact")
        with broker.producer(linger_ms=0) as producer:
            records = Keyed(producer, topic)
            records.send(300)
            left_behind = 0
            for round_ in range(8):
                compactor = a_compactor(server.url, topic)
                assert compactor.stdout is not None
                compactor.stdout.readline()  # one pass is done: it is at work
                deadline = time.monotonic() + 0.02 * round_
                while time.monotonic() < deadline:
                    records.send(10)
                os.kill(compactor.pid, signal.SIGKILL)
                compactor.wait()
                compactor.stdout.close()
                left_behind += broker.connection.client.exists(keys.cleaned(topic, 0))
                records.send(50)
                check(broker, topic, records.sent)
            assert left_behind, "no kill came in the middle of a pass"
            assert finish_one_pass(broker, topic).done
            assert not broker.connection.client.exists(keys.cleaned(topic, 0))
            assert check(broker, topic, records.sent) < 100


def test_a_server_killed_in_the_middle_of_a_compaction_comes_back_with_a_whole_log(tmp_path):
    with a_server(tmp_path) as server, streamlab.connect(server.url) as broker:
        topic = a_topic(broker, cleanup_policy="compact")
        with broker.producer(linger_ms=0) as producer:
            records = Keyed(producer, topic)
            records.send(300)
            for _ in range(4):
                compactor = a_compactor(server.url, topic)
                assert compactor.stdout is not None
                compactor.stdout.readline()
                records.send(20)
                kill_and_restart(server)
                compactor.wait()  # it cannot go on without its server
                compactor.stdout.close()
                records.send(50)
                check(broker, topic, records.sent)
            assert finish_one_pass(broker, topic).done
            assert check(broker, topic, records.sent) < 100

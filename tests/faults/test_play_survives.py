"""A play goes on through the death of its server."""

import json
import os
import signal
from collections import Counter

import pytest

import streamlab
from streamlab.embedded import EmbeddedServer
from streamlab.model import TopicPartition
from tests.shell import Shell
from tests.waiting import until

pytestmark = pytest.mark.faults

ROWS = 120_000
PARTITIONS = [TopicPartition("a", n) for n in range(6)]


def written(url: str) -> int:
    with streamlab.connect(url) as broker, broker.consumer(group_id=None) as consumer:
        if consumer.partitions_for_topic("a") is None:
            return 0
        return sum(consumer.end_offsets(PARTITIONS).values())


def everything(url: str) -> Counter:
    seen = Counter()
    with streamlab.connect(url) as broker, broker.consumer(group_id=None) as consumer:
        ends = consumer.end_offsets(PARTITIONS)
        consumer.assign(PARTITIONS)
        consumer.seek_to_beginning()
        while any(consumer.position(tp) < end for tp, end in ends.items()):
            for records in consumer.poll(timeout_ms=200, max_records=50_000).values():
                seen.update(json.loads(record.value)["id"] for record in records)
    return seen


def test_a_play_without_its_server_can_be_stopped_and_goes_on_when_the_server_is_back(tmp_path):
    (tmp_path / "a.csv").write_text("id,c\n" + "".join(f"{n},{n % 97}\n" for n in range(20_000)))
    server = EmbeddedServer(tmp_path / "redis")
    shell = Shell(server.start(), tmp_path)
    try:
        play = shell.start("play", "a.csv", "--topic", "a", "--rate", "2000")
        until(lambda: written(server.url) >= 1_000, 60)
        os.kill(server.pid, signal.SIGKILL)
        until(lambda: server.poll() is not None)
        play.send_signal(signal.SIGINT)
        _, said = play.communicate(timeout=60)
        assert play.returncode == 1
        assert "--resume goes on there" in said
        server.stop()
        server.start()
        done = shell("play", "a.csv", "--topic", "a", "--resume")
        assert "20,000 rows: 20,000 acknowledged" in done.stderr
        assert set(everything(server.url).values()) == {1}
    finally:
        shell.stop_all()
        server.stop()


def test_a_server_killed_and_started_again_in_mid_play_costs_no_row_and_repeats_none(tmp_path):
    (tmp_path / "a.csv").write_text("id,c\n" + "".join(f"{n},{n % 97}\n" for n in range(ROWS)))
    server = EmbeddedServer(tmp_path / "redis")
    shell = Shell(server.start(), tmp_path)
    try:
        play = shell.start("play", "a.csv", "--topic", "a", "--key", "c", "--rate", "20000")
        for goal in (10_000, 40_000):
            until(lambda goal=goal: written(server.url) >= goal, 60)
            os.kill(server.pid, signal.SIGKILL)
            until(lambda: server.poll() is not None)
            server.stop()  # forgets the dead one
            server.start()
        _, said = play.communicate(timeout=180)
        assert play.returncode == 0, said
        assert f"{ROWS:,} rows: {ROWS:,} acknowledged, 0 rejected" in said
        seen = everything(server.url)
        assert len(seen) == ROWS
        assert set(seen.values()) == {1}
    finally:
        shell.stop_all()
        server.stop()

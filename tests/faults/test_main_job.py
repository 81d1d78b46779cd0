"""The whole way on real data: a year of a real shop's orders, three processes of one group, and what may go wrong."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pytest

import streamlab
from streamlab.model import TopicPartition
from tests.builders import a_server, kill_and_restart
from tests.waiting import until

pytestmark = [pytest.mark.faults, pytest.mark.slow]

PARTITIONS = 6
MAX_POLL_RECORDS = 500  # what one consumer can have read and not committed


class Orders(NamedTuple):
    """A file of order lines."""

    path: Path
    rows: int
    without_key: int


class Seen(NamedTuple):
    partition: int
    offset: int
    key: str  # "-": none
    row: int  # line in the file


class Job:
    """Player and consumers on one server, as processes."""

    def __init__(self, url: str, directory: Path):
        self.url = url
        self.directory = directory
        self.consumers: list[subprocess.Popen[bytes]] = []
        self.player: subprocess.Popen[bytes] | None = None
        self.broker = streamlab.connect(url)
        self.broker.admin().create_topics({"orders": {"num_partitions": PARTITIONS}})

    def play(self, path: Path) -> None:
        arguments = [str(path), "--topic", "orders", "--key", "CustomerID", "--max", "--url", self.url]
        self.player = self._start("-m", "streamlab", "play", *arguments)

    def consume(self, processes: int) -> None:
        for number in range(processes):
            path = self.directory / f"seen-{len(self.consumers)}-{number}.txt"
            self.consumers.append(
                self._start("-m", "tests.recording_consumer", self.url, "orders", "analytics", str(path))
            )

    def _start(self, *arguments: str) -> subprocess.Popen[bytes]:
        with (self.directory / "said.txt").open("ab") as said:
            return subprocess.Popen([sys.executable, *arguments], stdout=said, stderr=said, cwd=Path.cwd())

    def committed(self) -> int:
        offsets = self.broker.admin().list_group_offsets("analytics")["analytics"]
        return sum(committed.offset for committed in offsets.values())

    def appended(self) -> int:
        partitions = [TopicPartition("orders", n) for n in range(PARTITIONS)]
        return sum(o.log_end for o in self.broker.admin().partition_offsets(partitions).values())

    def finish(self) -> list[Seen]:
        """Wait until everything is played and committed, stop all, and say what was read."""
        assert self.player is not None
        assert self.player.wait(300) == 0, (self.directory / "said.txt").read_text()
        until(lambda: self.committed() >= self.appended(), 300, "everything is consumed")
        self.stop()
        return [seen for path in sorted(self.directory.glob("seen-*.txt")) for seen in _read(path)]

    def stop(self) -> None:
        for process in [*self.consumers, *([self.player] if self.player else [])]:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self.consumers:
            process.wait(30)
        self.broker.close()


def _read(path: Path) -> list[Seen]:
    """A process that was killed may have left half a line: a record that it did not commit."""
    seen = []
    for line in path.read_text().splitlines(keepends=True):
        partition, offset, key, event_id = line.split(" ") if line.count(" ") == 3 else ("", "", "", "")
        if line.endswith("\n") and event_id:
            seen.append(Seen(int(partition), int(offset), key, int(event_id.partition("-")[0])))
    return seen


def assert_order_is_kept_within_each_key(seen: list[Seen]) -> None:
    """By offset, the rows of a key stand in the order of the file, and all on one partition."""
    last: dict[str, Seen] = {}
    for record in sorted(set(seen)):
        if record.key == "-":
            continue
        before = last.get(record.key)
        if before is not None:
            assert before.partition == record.partition and before.row < record.row, (before, record)
        last[record.key] = record


@pytest.fixture(params=["made up", pytest.param("real", marks=pytest.mark.data)])
def orders(request, tmp_path) -> Orders:
    """A small shop that is always there, and the real one where its data is."""
    if request.param == "real":
        data = request.getfixturevalue("data_directory")
        return Orders(data / "online_retail.csv.gz", 541_909, 135_080)
    path, rows = tmp_path / "orders.csv", 60_000
    lines = [f"{n},{'' if n % 4 == 0 else 12_000 + n * n % 997},item {n % 31}" for n in range(rows)]
    path.write_text("InvoiceNo,CustomerID,Description\n" + "\n".join(lines) + "\n")
    return Orders(path, rows, rows // 4)


@pytest.mark.parametrize("orders", ["made up"], indirect=True)  # the real ones have a harder time below
def test_every_order_line_is_seen_exactly_once_when_nothing_fails(tmp_path, orders):
    with a_server(tmp_path / "redis") as server:
        job = Job(server.url, tmp_path)
        job.consume(3)
        job.play(orders.path)
        seen = job.finish()
    assert len(seen) == len({s.row for s in seen}) == orders.rows
    assert {s.partition for s in seen} == set(range(PARTITIONS))
    assert sum(s.key == "-" for s in seen) == orders.without_key  # no key is not an empty key
    assert_order_is_kept_within_each_key(seen)


def test_a_killed_consumer_and_a_restarted_server_lose_nothing_and_repeat_little(tmp_path, orders):
    with a_server(tmp_path / "redis") as server:
        job = Job(server.url, tmp_path)
        job.consume(3)
        job.play(orders.path)
        until(lambda: job.committed() > orders.rows // 5, 120, "a fifth is consumed")
        os.kill(job.consumers[0].pid, signal.SIGKILL)
        until(lambda: job.committed() > orders.rows // 3, 120, "the others go on")
        kill_and_restart(server)
        seen = job.finish()
    rows = Counter(s.row for s in seen)
    assert len(rows) == orders.rows
    deaths = 1 + 3  # the killed one, and each at the restart
    assert sum(rows.values()) - orders.rows <= MAX_POLL_RECORDS * deaths
    once = set(seen)
    places = {(s.partition, s.offset) for s in once}
    assert len(places) == len(once) == orders.rows  # nothing was stored twice
    assert {s.partition for s in once} == set(range(PARTITIONS))
    assert sum(s.key == "-" for s in once) == orders.without_key  # no key is not an empty key
    assert_order_is_kept_within_each_key(seen)

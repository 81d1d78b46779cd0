"""The sampler as a process: one works at a time, and neither a kill nor a restart of the server stops the measuring."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
import redis

from streamlab import keys
from streamlab.connection import Connection
from streamlab.embedded import EmbeddedServer
from streamlab.metrics.history import History
from streamlab.metrics.snapshot import Snapshot, decode
from tests.waiting import until

pytestmark = pytest.mark.faults
ROOT = Path(__file__).parents[2]


class Process:
    """One `streamlab sampler`, and what it says."""

    def __init__(self, url: str, said: Path):
        self._said = said
        with said.open("wb") as out:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "streamlab", "sampler", "--url", url], cwd=ROOT, stderr=out
            )

    @property
    def said(self) -> str:
        return self._said.read_text()

    def wait_until_it_says(self, words: str, timeout_s: float = 60.0) -> None:
        until(lambda: words in self.said or self._process.poll() is not None, timeout_s, f"says {words!r}")
        assert words in self.said, self.said

    def signal(self, signum: int) -> float:
        """Send it and wait for the end: how many seconds that took."""
        started = time.monotonic()
        self._process.send_signal(signum)
        self._process.wait(60)
        return time.monotonic() - started

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        return self._process.poll()

    def clean_up(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait(60)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedServer]:
    with EmbeddedServer(tmp_path / "redis") as server:
        yield server


@pytest.fixture
def client(server: EmbeddedServer) -> Iterator[redis.Redis]:
    assert server.url
    with redis.Redis.from_url(server.url, protocol=2) as client:
        yield client


@pytest.fixture
def start(server: EmbeddedServer, tmp_path: Path) -> Iterator[Callable[[], Process]]:
    assert server.url
    started: list[Process] = []

    def start() -> Process:
        started.append(Process(server.url, tmp_path / f"sampler-{len(started)}.log"))
        return started[-1]

    yield start
    for process in started:
        process.clean_up()


def newest(client: redis.Redis) -> Snapshot | None:
    try:
        stored = client.get(keys.SNAPSHOT)
    except redis.ConnectionError:
        return None
    return decode(stored) if stored else None


def newer_than(client: redis.Redis, seq: int) -> Callable[[], Snapshot | None]:
    def look() -> Snapshot | None:
        snapshot = newest(client)
        return snapshot if snapshot is not None and snapshot.seq > seq else None

    return look


@pytest.mark.short_times
def test_it_takes_a_snapshot_in_every_second(start: Callable[[], Process], client: redis.Redis) -> None:
    with client.pubsub() as ticks:
        ticks.subscribe(keys.SNAPSHOT_TICK)
        start()
        seen: list[dict[str, int]] = []
        deadline = time.monotonic() + 60
        while len(seen) < 6 and time.monotonic() < deadline:
            message = ticks.get_message(ignore_subscribe_messages=True, timeout=1)
            if message:
                seen.append(msgspec.json.decode(message["data"]))
    assert [tick["seq"] for tick in seen] == list(range(1, 7))
    seconds = [tick["as_of_ms"] // 1000 for tick in seen[1:]]  # the first comes as soon as it is up
    assert seconds == list(range(seconds[0], seconds[0] + 5))
    snapshot = newest(client)
    assert snapshot is not None and snapshot.seq >= 6
    assert 0 < client.pttl(keys.SNAPSHOT) <= 60_000


def test_whoever_hears_of_a_snapshot_finds_its_history(
    start: Callable[[], Process], client: redis.Redis, server: EmbeddedServer
) -> None:
    assert server.url
    history = History(Connection(server.url))
    with client.pubsub() as ticks:
        ticks.subscribe(keys.SNAPSHOT_TICK)
        start()
        for _ in range(3):
            message = until(lambda: ticks.get_message(ignore_subscribe_messages=True, timeout=1))
            as_of_ms = msgspec.json.decode(message["data"])["as_of_ms"]
            series = history.series("broker", "all", ["memory_bytes"], "1s", as_of_ms - 1_000, as_of_ms)
            assert series["t"] == [as_of_ms // 1000 * 1000]
            assert series["memory_bytes"][0]


@pytest.mark.short_times
def test_a_second_one_stands_by_and_takes_over_within_5_s_of_a_kill(
    start: Callable[[], Process], client: redis.Redis
) -> None:
    first = start()
    first.wait_until_it_says("active")
    second = start()
    second.wait_until_it_says("standing by")
    assert f":{first.pid}:" in second.said
    seq = until(newer_than(client, 2)).seq

    first.signal(signal.SIGKILL)
    killed = time.monotonic()
    last = newest(client)
    assert last is not None
    after = until(newer_than(client, last.seq))
    assert time.monotonic() - killed < 5.5, second.said  # 5 s, and half a second until its first tick
    assert after.seq > seq
    assert "active" in second.said


def test_a_stop_hands_over_at_once_and_seq_goes_on(start: Callable[[], Process], client: redis.Redis) -> None:
    first = start()
    first.wait_until_it_says("active")
    second = start()
    second.wait_until_it_says("standing by")
    until(newer_than(client, 1))
    first.signal(signal.SIGTERM)
    holder = client.get(keys.SAMPLER_LEASE) or b""
    assert f":{first.pid}:".encode() not in holder, "it gives the lease back and does not let it run out"
    assert first.exit_code == 0
    assert "stopped" in first.said
    seq = int(client.get(keys.SNAPSHOT_SEQ) or 0)
    second.wait_until_it_says("active")
    assert until(newer_than(client, seq - 1)).seq >= seq


def test_only_one_of_several_works(start: Callable[[], Process], client: redis.Redis) -> None:
    for _ in range(3):
        start()
    until(newer_than(client, 0))
    began = time.monotonic()
    first = until(newer_than(client, 0)).seq
    last = until(newer_than(client, first + 3)).seq
    taken = last - first
    assert taken <= time.monotonic() - began + 1.5  # one a second, not three


def test_it_survives_a_restart_of_the_server(
    start: Callable[[], Process], client: redis.Redis, server: EmbeddedServer
) -> None:
    sampler = start()
    before = until(newer_than(client, 1))
    server.stop()
    sampler.wait_until_it_says("no snapshot")
    time.sleep(2.2)  # long enough for several vain tries
    assert sampler.said.count("no snapshot") == 1
    server.start()
    sampler.wait_until_it_says("answers again")
    after = until(newer_than(client, before.seq))
    assert after.as_of_ms > before.as_of_ms
    assert "seconds without a snapshot before number" in sampler.said
    until(newer_than(client, after.seq))
    assert sampler.exit_code is None


def test_it_survives_a_kill_of_the_server_in_mid_run(
    start: Callable[[], Process], client: redis.Redis, server: EmbeddedServer
) -> None:
    sampler = start()
    before = until(newer_than(client, 2))
    assert server.pid
    os.kill(server.pid, signal.SIGKILL)
    sampler.wait_until_it_says("no snapshot")
    server.stop()
    server.start()
    until(newer_than(client, before.seq))
    assert "Traceback" not in sampler.said


def test_a_stop_does_not_wait_for_a_silent_server(
    start: Callable[[], Process], client: redis.Redis, server: EmbeddedServer
) -> None:
    sampler = start()
    until(newer_than(client, 1))
    assert server.pid
    os.kill(server.pid, signal.SIGSTOP)
    try:
        time.sleep(1.2)  # until it hangs in its next tick
        assert sampler.signal(signal.SIGTERM) < 12  # of the 15 s that a reply is waited for
    finally:
        os.kill(server.pid, signal.SIGCONT)
    assert sampler.exit_code == 0

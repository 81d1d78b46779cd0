"""`manage.py up`: everything comes up, stays up through kills, and goes away whole."""

from __future__ import annotations

import http.cookiejar
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from dashboard import heartbeat
from dashboard.config.redis_urls import CONTROL_DB
from streamlab import keys
from streamlab.embedded import EmbeddedServer
from tests.streamlab_up import ROOT, StreamlabUp, children_of, free_port
from tests.waiting import until

pytestmark = pytest.mark.faults


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StreamlabUp]:
    """One run that the tests below share; each leaves it healthy."""
    run = StreamlabUp(tmp_path_factory.mktemp("up") / "var")
    try:
        yield run.wait_until_up()
    finally:
        run.clean_up()


@pytest.fixture
def start(tmp_path: Path) -> Iterator:
    """Starts runs of a test's own, all in one directory."""
    runs: list[StreamlabUp] = []

    def run(*arguments: str, **environment: str) -> StreamlabUp:
        runs.append(StreamlabUp(tmp_path / "var", *arguments, **environment))
        return runs[-1]

    yield run
    for each in runs:
        each.clean_up()


def healthy(run: StreamlabUp) -> bool:
    return run.health()[0] == 200


def the_data(run: StreamlabUp) -> redis.Redis:
    url = EmbeddedServer.running_url(run.var / "redis")
    assert url
    return redis.Redis.from_url(url)


# Up


def test_every_part_is_up(up: StreamlabUp) -> None:
    until(lambda: healthy(up), 60)
    status, body = up.health()
    assert (status, body["ok"]) == (200, True)
    assert set(body["parts"]) == {"database", "data", "control", "sampler", "worker", "projector", "alerts"}


def test_the_printed_link_signs_in_once(up: StreamlabUp) -> None:
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))
    page = browser.open(up.signin_link).read().decode()
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
    assert token
    form = urllib.parse.urlencode({"csrfmiddlewaretoken": token[1]}).encode()
    first_page = browser.open(up.signin_link, form)
    assert urllib.parse.urlsplit(first_page.url).path == "/"
    assert first_page.status == 200
    with pytest.raises(urllib.error.HTTPError) as spent:
        urllib.request.urlopen(up.signin_link)
    assert spent.value.code == 410


def test_static_files_are_hashed_compressed_and_kept_for_ever(up: StreamlabUp) -> None:
    manifest = up.var / "staticfiles" / "staticfiles.json"
    hashed = re.search(
        r'"vendor/plotly/[^"]+": "(vendor/plotly/[^"]+\.min\.[0-9a-f]+\.js)"', manifest.read_text()
    )
    assert hashed
    request = urllib.request.Request(f"{up.address}/static/{hashed[1]}", headers={"Accept-Encoding": "br"})
    with urllib.request.urlopen(request) as reply:
        assert reply.headers["Content-Encoding"] == "br"
        assert "immutable" in reply.headers["Cache-Control"]


def test_nothing_listens_beyond_loopback_and_nobody_says_which_server_it_is(up: StreamlabUp) -> None:
    with urllib.request.urlopen(f"{up.address}/sign-in/") as reply:
        assert "Server" not in reply.headers
    listening = _listening_addresses(up.processes())
    assert listening == {f"127.0.0.1:{up.port}"}


def _listening_addresses(pids: list[int]) -> set[str]:
    inodes = set()
    for pid in pids:
        for fd in Path(f"/proc/{pid}/fd").iterdir():
            try:
                inodes.add(str(fd.readlink()))
            except OSError:
                continue
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == "0A" and f"socket:[{words[9]}]" in inodes:
                host, port = words[1].split(":")
                address = ".".join(str(b) for b in reversed(bytes.fromhex(host))) if table == "tcp" else host
                found.add(f"{address}:{int(port, 16)}")
    return found


# One at a time


def test_a_second_supervisor_is_refused_in_one_sentence(up: StreamlabUp, tmp_path: Path) -> None:
    second = StreamlabUp(up.var)
    try:
        assert second.process.wait(60) == 1
        assert (
            second.said == f"Streamlab already runs in {up.var} (process {up.process.pid}); stop it first.\n"
        )
    finally:
        second._said.close()
    assert healthy(up)


def refusal(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", "up", *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )


def test_a_busy_port_is_one_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = refusal("--port", str(port), STREAMLAB_VAR=str(tmp_path))
    assert done.returncode == 1
    assert done.stderr == f"Port {port} is in use; choose another one, for example PORT={port + 1}.\n"


def test_a_directory_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = refusal("--port", str(free_port()), STREAMLAB_VAR=str(tmp_path / "file" / "var"))
    assert done.returncode == 1
    assert done.stderr == f"{tmp_path}/file/var can't be written: Not a directory.\n"


def test_a_missing_server_program_is_one_sentence(tmp_path: Path) -> None:
    done = refusal(
        "--port",
        str(free_port()),
        STREAMLAB_VAR=str(tmp_path),
        STREAMLAB_REDIS_SERVER="/nowhere/redis-server",
    )
    assert done.returncode == 1
    assert done.stderr == "STREAMLAB_REDIS_SERVER names /nowhere/redis-server, which is not a program.\n"


# Kept up


@pytest.mark.parametrize(
    "words",
    [
        ("uvicorn",),
        ("celery", "worker"),
        ("celery", "beat"),
        ("streamlab", "sampler"),
        ("manage.py", "project"),
    ],
)
def test_a_killed_part_is_started_again(up: StreamlabUp, words: tuple[str, ...]) -> None:
    before = up.pid_of(*words)
    assert before
    os.kill(before, signal.SIGKILL)
    after = until(lambda: (pid := up.pid_of(*words)) and pid != before and pid, 60, f"{words} again")
    assert after != before
    until(lambda: healthy(up), 60, "healthy again")


def test_a_killed_server_comes_back_with_its_data(up: StreamlabUp) -> None:
    with the_data(up) as client:
        client.set("kept", "1")
        os.kill(client.info("server")["process_id"], signal.SIGKILL)
    until(lambda: EmbeddedServer.running_url(up.var / "redis"), 60, "the server again")
    with the_data(up) as client:
        assert client.get("kept") == b"1"
        client.delete(keys.SNAPSHOT)
        client.select(CONTROL_DB)
        client.delete(heartbeat.KEY)
    until(lambda: healthy(up), 90, "every part has found the server again")


def test_a_killed_guardian_is_replaced(up: StreamlabUp) -> None:
    before = up.pid_of("guardian.py")
    assert before
    os.kill(before, signal.SIGKILL)
    until(lambda: (pid := up.pid_of("guardian.py")) and pid != before, 60)


# Down, and up again


@pytest.mark.short_times
def test_a_signal_ends_every_process_within_ten_seconds_and_the_next_run_has_the_data(start) -> None:
    run = start().wait_until_up()
    with the_data(run) as client:
        client.set("kept", "1")
    assert len(run.processes()) >= 7

    asked = time.monotonic()
    assert run.stop() == 0
    took = time.monotonic() - asked
    assert run.processes() == []
    assert took < 10

    again = start().wait_until_up()
    with the_data(again) as client:
        assert client.get("kept") == b"1"
    again.process.send_signal(signal.SIGINT)
    assert again.process.wait(60) == 0
    assert again.processes() == []


def test_a_signal_during_the_start_ends_everything_too(start) -> None:
    run = start()
    until(lambda: run.pid_of("redis", "unixsocket"), 60, "the server, the first part")
    assert run.stop() == 0
    assert run.processes() == []
    assert "Traceback" not in run.said


def test_an_outside_server_is_used_and_left_running(start, redis_url: str) -> None:
    run = start(STREAMLAB_URL=redis_url).wait_until_up()
    assert healthy(run)
    assert not (run.var / "redis").exists(), "no server inside"
    assert run.stop() == 0
    with redis.Redis.from_url(redis_url) as client:
        assert client.exists(keys.SNAPSHOT)


def test_a_killed_supervisor_leaves_no_orphans_not_even_grandchildren(start) -> None:
    run = start("--demo").wait_until_up()
    shop = run.pid_of("streamlab", "shop")
    assert shop
    consumers = until(lambda: children_of(shop), 60, "the shop's consumers")
    assert set(consumers) <= set(run.processes())

    run.process.kill()
    run.process.wait()
    until(lambda: not run.processes(), 60, "nothing is left")


def test_starting_works_after_everything_was_killed_at_once(start) -> None:
    run = start().wait_until_up()
    with the_data(run) as client:
        client.set("kept", "1")
    for pid in run.processes():
        os.kill(pid, signal.SIGKILL)
    run.process.wait()
    until(lambda: not run.processes(), 60)

    again = start().wait_until_up()
    with the_data(again) as client:
        assert client.get("kept") == b"1"

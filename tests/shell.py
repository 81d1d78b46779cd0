"""Runs `python -m streamlab` as a user does: a process of its own, nothing shared but the server."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from streamlab.cli import main

REPOSITORY = Path(__file__).parent.parent


class Shell:
    """`shell("topics", "--json")` runs a command to its end; `shell.start(...)` leaves it running."""

    def __init__(self, url: str, directory: Path):
        self.directory = directory
        self._environment = os.environ | {
            "STREAMLAB_URL": url,
            "PYTHONPATH": str(REPOSITORY),
            "COLUMNS": "200",
        }
        self._started: list[subprocess.Popen[str]] = []

    def __call__(
        self, *arguments: str, stdin: bytes = b"", timeout: float = 180
    ) -> subprocess.CompletedProcess:
        done = subprocess.run(
            self._command(arguments),
            input=stdin,
            capture_output=True,
            cwd=self.directory,
            env=self._environment,
            timeout=timeout,
        )
        done.stdout, done.stderr = done.stdout.decode(), done.stderr.decode()
        return done

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            self._command(arguments),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=self.directory,
            env=self._environment,
            text=True,
        )
        self._started.append(process)
        return process

    def stop_all(self) -> None:
        for process in self._started:
            if process.poll() is None:
                process.kill()
            process.communicate()

    def _command(self, arguments: tuple[str, ...]) -> list[str]:
        return [sys.executable, "-m", "streamlab", *arguments]


class ShellHere(Shell):
    """`shell(...)` runs in this process, which is several times as quick; `shell.start(...)` in one of its own."""

    def __init__(self, url: str, directory: Path, capsys: pytest.CaptureFixture[str]):
        super().__init__(url, directory)
        self._capsys = capsys

    def __call__(
        self, *arguments: str, stdin: bytes = b"", timeout: float = 180
    ) -> subprocess.CompletedProcess:
        handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        self._capsys.readouterr()
        try:
            code = self._run(arguments, stdin)
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
        said = self._capsys.readouterr()
        return subprocess.CompletedProcess(arguments, code, said.out, said.err)

    def _run(self, arguments: tuple[str, ...], stdin: bytes) -> int:
        with pytest.MonkeyPatch.context() as patched, pytest.raises(SystemExit) as ended:
            patched.chdir(self.directory)
            patched.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
            for name in ("STREAMLAB_URL", "COLUMNS"):
                patched.setenv(name, self._environment[name])
            main(list(arguments))
        return int(ended.value.code or 0)

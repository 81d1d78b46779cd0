"""A command in a terminal of its own, so that a test sees what a user sees and presses keys."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time

from tests.shell import REPOSITORY


class Terminal:
    """`with Terminal(url, "top") as terminal: terminal.until("orders"); terminal.press("q")`."""

    def __init__(self, url: str, *arguments: str, columns: int = 120, lines: int = 40):
        self._ours, theirs = pty.openpty()
        self.resize(columns, lines)
        environment = os.environ | {
            "STREAMLAB_URL": url,
            "PYTHONPATH": str(REPOSITORY),
            "TERM": "xterm-256color",
        }
        environment.pop("COLUMNS", None)
        environment.pop("LINES", None)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "streamlab", *arguments],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=environment,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(theirs)
        self.seen = ""  # all of it, control sequences included

    def resize(self, columns: int, lines: int) -> None:
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def press(self, keys: str) -> None:
        os.write(self._ours, keys.encode())

    def until(self, text: str, timeout_s: float = 60.0) -> str:
        """What was shown since the last time, up to where the text is in it. Fails when it never comes."""
        deadline, fresh = time.monotonic() + timeout_s, ""
        while text not in fresh:
            assert time.monotonic() < deadline, f"{text!r} was never shown; seen: {fresh[-2000:]!r}"
            if self._shows_something():
                fresh += self._read()
        return fresh

    def end(self, timeout_s: float = 60.0) -> int:
        """The exit code. What is still shown is read, or it would never end."""
        deadline = time.monotonic() + timeout_s
        while self.process.poll() is None:
            assert time.monotonic() < deadline, "it does not end"
            if self._shows_something():
                self._read()
        return self.process.returncode

    def echoes(self) -> bool:
        """Whether keys are shown as they are pressed, as in a terminal that nobody changed."""
        return bool(termios.tcgetattr(self._ours)[3] & termios.ECHO)

    def _shows_something(self) -> bool:
        """Within a moment. poll() and not select(), which knows no descriptors from 1,024 on."""
        waiting = select.poll()
        waiting.register(self._ours, select.POLLIN)
        return bool(waiting.poll(100))

    def _read(self) -> str:
        with contextlib.suppress(OSError):  # the other side was closed
            text = os.read(self._ours, 65_536).decode(errors="replace")
            self.seen += text
            return text
        return ""

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *exc: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._ours)

"""What the parts say: all of it into a file each, what matters to the terminal too."""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path
from typing import TextIO

_IMPORTANT = re.compile(rb"\b(WARNING|ERROR|CRITICAL|FATAL)\b")
_ONLY_FILED = re.compile(rb"\bWARNING (django\.request|py\.warnings): ")
"""A page that was not found, and advice of one library to another."""
_LARGEST_FILE = 10_000_000  # bytes; one older file is kept beside it
_BURST = 5  # lines of one part on the terminal
_BURST_S = 10.0  # in so many seconds


def important(line: bytes) -> bool:
    """What happened, in one line. How Python came to it, the traceback below, is for the file.

    >>> important(b"2026-01-01 00:00:00 WARNING celery: lost the connection")
    True
    >>> important(b"redis.exceptions.ConnectionError: no"), important(b"WARNING django.request: Not Found: /x")
    (False, False)
    >>> important(b"INFO: 200 OK, 0 errors")
    False
    """
    return bool(_IMPORTANT.search(line)) and not _ONLY_FILED.search(line)


class Terminal:
    """Lines for the person who watches. Nobody watching any more is no reason to stop."""

    def __init__(self, stream: TextIO | None = None):
        self._stream = stream or sys.stdout

    def say(self, line: str = "") -> None:
        try:
            print(line, file=self._stream, flush=True)
        except (OSError, ValueError):
            pass


class Journal:
    """One part's log file; knows which of its lines the terminal should see."""

    def __init__(self, name: str, directory: Path, terminal: Terminal):
        self.name = name
        self.path = directory / f"{name}.log"
        self._terminal = terminal
        self._file = self.path.open("ab", buffering=0)
        self._unfinished = b""
        self._shown: list[float] = []  # when the last lines went to the terminal

    def feed(self, data: bytes) -> None:
        """Take in what the part wrote; a line need not be whole yet."""
        self._file.write(data)
        *lines, self._unfinished = (self._unfinished + data).split(b"\n")
        self._unfinished = self._unfinished[-65536:]
        for line in lines:
            if important(line):
                self._show(line)
        if self._file.tell() > _LARGEST_FILE:
            self._rotate()

    def note(self, text: str) -> None:
        """A line of the supervisor's own about this part, to both."""
        self._terminal.say(f"{self.name:<8} | {text}")
        self._file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} supervisor: {text}\n".encode())

    def close(self) -> None:
        self._file.close()

    def _show(self, line: bytes) -> None:
        now = time.monotonic()
        self._shown = [then for then in self._shown if now - then < _BURST_S]
        if len(self._shown) < _BURST:
            self._terminal.say(f"{self.name:<8} | {line.decode(errors='replace').rstrip()[:400]}")
        elif len(self._shown) == _BURST:
            self._terminal.say(f"{self.name:<8} | more in {self.path}")
        else:
            return
        self._shown.append(now)

    def _rotate(self) -> None:
        self._file.close()
        self.path.replace(self.path.with_suffix(".log.1"))
        self._file = self.path.open("ab", buffering=0)

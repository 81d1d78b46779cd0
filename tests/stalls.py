"""Machines that stand still for a moment: noticing it, and making a machine do it.

A test whose times are shorter than such a moment is marked `short_times`. Should it fail while this process was not run
for a while, that says nothing, and it counts as skipped; what fails on a machine that runs has failed.

    python -m tests.stalls 2.5 10 .venv/bin/python -m pytest tests/integration

runs a command and stops all its processes for 2.5 s about every 10 s, so that tests that lean on a quick machine fail.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

NOTICED_S = 0.2
"""Shorter ones disturb no test."""
_LOOK_EVERY_S = 0.02


class Stalls:
    """`with Stalls() as stalls:` measures for how long at a stretch this process was not run."""

    def __init__(self) -> None:
        self.longest_s = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, name="stalls", daemon=True)

    def __enter__(self) -> Stalls:
        self._thread.start()
        return self

    def __exit__(self, *how: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        before = time.monotonic()
        while not self._over.wait(_LOOK_EVERY_S):
            now = time.monotonic()
            self.longest_s = max(self.longest_s, now - before - _LOOK_EVERY_S)
            before = now

    @property
    def noticed(self) -> bool:
        return self.longest_s > NOTICED_S


def run_with_stalls(command: list[str], stall_s: float, every_s: float) -> int:
    """The exit code of the command."""
    running = subprocess.Popen(command)
    draw = random.Random(7)
    try:
        while True:
            try:
                return running.wait(draw.uniform(0.5, 1.5) * every_s)
            except subprocess.TimeoutExpired:
                _stand_still(running.pid, stall_s)
    finally:
        running.terminate()
        running.wait()


def _stand_still(ancestor: int, stall_s: float) -> None:
    """Those that a test has stopped itself stay so."""
    stopped: list[int] = []
    while fresh := [
        pid for pid in _family(ancestor) if pid not in stopped
    ]:  # until nobody is left to have children
        for pid in fresh:
            _signal(pid, signal.SIGSTOP)
        stopped += fresh
    time.sleep(stall_s)
    for pid in reversed(stopped):
        _signal(pid, signal.SIGCONT)


def _family(ancestor: int) -> list[int]:
    """It and all its descendants that run, ancestors first."""
    children: dict[int, list[int]] = {}
    runs: set[int] = set()
    for path in Path("/proc").iterdir():
        if path.name.isdigit():
            try:
                state, parent = (path / "stat").read_text().rpartition(")")[2].split()[:2]
            except OSError:
                continue
            children.setdefault(int(parent), []).append(int(path.name))
            if state not in "TZX":
                runs.add(int(path.name))
    found, next_ones = [ancestor], [ancestor]
    while next_ones:
        next_ones = [child for pid in next_ones for child in children.get(pid, [])]
        found += next_ones
    return [pid for pid in found if pid in runs]


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


if __name__ == "__main__":
    sys.exit(run_with_stalls(sys.argv[3:], float(sys.argv[1]), float(sys.argv[2])))

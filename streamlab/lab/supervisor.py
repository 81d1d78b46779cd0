"""Keeps child processes running: starts what is wanted, restarts what ended, stops what is wanted no more.

A child that ends is started again after 0.5 s, then 1, 2, 4, ... 15 s; one that ran for 30 s begins with 0.5 s
again. No child outlives its supervisor, not even one that is killed: the system ends them (Linux).
"""

from __future__ import annotations

import logging
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ..processes import dies_with_parent

log = logging.getLogger(__name__)

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 15.0
HEALTHY_AFTER_S = 30.0
LEAVE_WITHIN_S = 10.0
"""A child that is not wanted any more and does not end within this is killed."""


class ChildState(NamedTuple):
    """One child, for whoever wants to know."""

    name: str
    pid: int | None  # None: it does not run now
    restarts: int


class _Child:
    def __init__(self, name: str, command: Sequence[str]):
        self.name, self.command = name, command
        self.process: subprocess.Popen[bytes] | None = None
        self.starts = 0
        self.failures = 0  # in a row
        self.started_at = self.start_after = 0.0  # monotonic

    def start(self, now: float, environment: Mapping[str, str]) -> None:
        self.starts += 1
        self.started_at = now
        self.process = subprocess.Popen(
            self.command,
            stdin=subprocess.DEVNULL,
            env=dict(environment),
            start_new_session=True,  # Ctrl-C is for the supervisor, which stops them in good order
            preexec_fn=dies_with_parent(signal.SIGTERM),
        )

    def reap(self, now: float) -> None:
        """Notice that it ended, and when it may start again."""
        if self.process is None or self.process.poll() is None:
            return
        self.failures = 0 if now - self.started_at >= HEALTHY_AFTER_S else self.failures + 1
        pause = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** max(0, self.failures - 1))
        log.warning("%s ended with %s; it starts again in %.1f s.", self.name, self.process.returncode, pause)
        self.process, self.start_after = None, now + pause


class Supervisor:
    """Call `tick` often, from the main thread: children end with the thread that started them."""

    def __init__(self, environment: Mapping[str, str]):
        self._environment = environment
        self._children: dict[str, _Child] = {}
        self._leaving: dict[subprocess.Popen[bytes], float] = {}  # until when it may take its time: monotonic

    def want(self, commands: Mapping[str, Sequence[str]]) -> None:
        """From now on these children, by name, and no others."""
        for name in self._children.keys() - commands.keys():
            process = self._children.pop(name).process
            if process is not None and process.poll() is None:
                process.terminate()
                self._leaving[process] = time.monotonic() + LEAVE_WITHIN_S
        for name, command in commands.items():
            if name not in self._children:
                self._children[name] = _Child(name, command)

    def tick(self) -> None:
        now = time.monotonic()
        self._leaving = {process: end for process, end in self._leaving.items() if process.poll() is None}
        for process, end in self._leaving.items():
            if now > end:
                process.kill()
        for child in self._children.values():
            child.reap(now)
            if child.process is None and now >= child.start_after:
                child.start(now, self._environment)

    @property
    def commands(self) -> dict[str, list[str]]:
        """Of what is wanted now, by name."""
        return {child.name: list(child.command) for child in self._children.values()}

    def states(self) -> list[ChildState]:
        return [
            ChildState(child.name, child.process.pid if child.process else None, max(0, child.starts - 1))
            for child in self._children.values()
        ]

    def stop(self, timeout_s: float) -> None:
        """Ask all to end, and kill those that have not within the time."""
        self.want({})
        deadline = time.monotonic() + timeout_s
        for process in self._leaving:
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                log.warning("Process %d did not end in time and is killed.", process.pid)
                process.kill()
                process.wait()
        self._leaving = {}

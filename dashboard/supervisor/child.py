"""One part as a process: started, listened to, ended with everything it started itself, started again."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from dashboard.supervisor.backoff import Backoff
from dashboard.supervisor.groups import ProcessGroups
from dashboard.supervisor.guardian import signal_group
from dashboard.supervisor.journal import Journal
from dashboard.supervisor.parts import Part
from streamlab.processes import dies_with_parent


class Child:
    """A part and its present process.

    Each process leads a group of its own, which its children join. When the leader ends, the rest of the
    group is asked to end too, and killed before the leader is started again: two generations never run side
    by side.
    """

    def __init__(
        self, part: Part, journal: Journal, groups: ProcessGroups, env: Mapping[str, str], directory: Path
    ):
        self.part = part
        self.journal = journal
        self.backoff = Backoff()
        self.starts = 0
        self.last_status: int | None = None  # how the last process ended
        self._groups = groups
        self._env = env
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None
        self._group: int | None = None  # may outlive the process
        self._started_at = 0.0
        self._start_due = 0.0  # monotonic

    @property
    def output(self) -> int | None:
        """The file to listen to, while there is one."""
        return self._process.stdout.fileno() if self._process and self._process.stdout else None

    @property
    def running(self) -> bool:
        return self._process is not None

    @property
    def gone(self) -> bool:
        """Neither the process nor anything it started is left."""
        return self._process is None and not self._group_lives()

    def start_if_due(self, now: float) -> bool:
        """Start the process if it is not there and its waiting time is over. True: it was started."""
        if self._process is not None or now < self._start_due:
            return False
        if self._group is not None and signal_group(self._group, signal.SIGKILL):
            self._start_due = now + 0.1  # until they are really gone
            return False
        self._forget_group()
        self._process = subprocess.Popen(
            self.part.command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=dict(self._env),
            cwd=self._directory,
            start_new_session=True,
            preexec_fn=dies_with_parent(signal.SIGTERM),
        )
        assert self._process.stdout is not None
        os.set_blocking(self._process.stdout.fileno(), False)
        self._group = self._process.pid
        self._groups.add(self._group)
        self._started_at = now
        self.starts += 1
        return True

    def listen(self) -> None:
        """Take in what the process has written since."""
        fd = self.output
        while fd is not None:
            try:
                data = os.read(fd, 65536)
            except BlockingIOError:
                return
            if not data:
                return
            self.journal.feed(data)

    def reap(self, now: float) -> float | None:
        """Once for each process that ended: seconds until the next one starts. Else None."""
        if self._process is None or self._process.poll() is None:
            return None
        self._end_of_process()
        delay = self.backoff.ended(now - self._started_at)
        self._start_due = now + delay
        if self._group is not None:
            signal_group(self._group, signal.SIGTERM)
        return delay

    def terminate(self) -> None:
        """Ask the leader to end; it knows best how to end its own children."""
        if self._process is not None:
            self._process.terminate()
        elif self._group is not None:
            signal_group(self._group, signal.SIGTERM)

    def settle(self) -> None:
        """One step of the way out: once the leader has gone, ask the rest of its group."""
        if self._process is not None and self._process.poll() is not None:
            self._end_of_process()
            if self._group is not None:
                signal_group(self._group, signal.SIGTERM)

    def kill(self) -> None:
        """End the whole group, now."""
        if self._group is not None:
            signal_group(self._group, signal.SIGKILL)
        if self._process is not None:
            self._process.wait()
            self._end_of_process()

    def describe_end(self) -> str:
        status = self.last_status
        if status is None:
            return "ended"
        return (
            f"was ended by {signal.Signals(-status).name}" if status < 0 else f"ended with exit code {status}"
        )

    def _end_of_process(self) -> None:
        assert self._process is not None and self._process.stdout is not None
        self.listen()
        self.last_status = self._process.returncode
        self._process.stdout.close()
        self._process = None

    def _group_lives(self) -> bool:
        if self._group is None:
            return False
        if signal_group(self._group, 0):
            return True
        self._forget_group()
        return False

    def _forget_group(self) -> None:
        if self._group is not None:
            self._groups.remove(self._group)
            self._group = None


def wait_until_gone(children: list[Child], timeout_s: float) -> None:
    """Let the children end, and kill what is left after `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        for child in children:
            child.listen()
            child.settle()
        if all(child.gone for child in children):
            return
        time.sleep(0.02)
    for child in children:
        child.kill()

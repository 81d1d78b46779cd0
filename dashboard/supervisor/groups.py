"""The process groups of the parts, and the guardian that is told of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from dashboard.supervisor import guardian


class ProcessGroups:
    """Which groups are ours now. A guardian that was killed is started again with the same list."""

    def __init__(self, lock_fd: int):
        self._lock_fd = lock_fd
        self._groups: set[int] = set()
        self._guardian = self._start_guardian()

    def add(self, group: int) -> None:
        self._groups.add(group)
        self._tell(f"+{group}")

    def remove(self, group: int) -> None:
        self._groups.discard(group)
        self._tell(f"-{group}")

    def watch(self) -> None:
        """Start the guardian again if it has gone."""
        if self._guardian.poll() is None:
            return
        self._guardian = self._start_guardian()
        for group in self._groups:
            self._tell(f"+{group}")

    def close(self) -> None:
        """Let the guardian go, after everything has ended."""
        assert self._guardian.stdin is not None
        try:
            self._guardian.stdin.close()
        except BrokenPipeError:
            pass  # it is gone already
        try:
            self._guardian.wait(guardian.MERCY_S + 1)
        except subprocess.TimeoutExpired:
            self._guardian.kill()
            self._guardian.wait()

    def _start_guardian(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-I", "-S", str(Path(guardian.__file__))],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
            pass_fds=(self._lock_fd,),
            start_new_session=True,
            cwd="/",
        )

    def _tell(self, line: str) -> None:
        assert self._guardian.stdin is not None
        try:
            self._guardian.stdin.write(line + "\n")
            self._guardian.stdin.flush()
        except BrokenPipeError:
            pass  # watch() starts another one and tells it everything

"""One supervisor a directory."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

from dashboard.supervisor.problem import Problem

_HANDOVER_S = 12.0


class DirectoryLock:
    """A locked file with our process id in it.

    The guardian inherits the open file, so the lock of a killed supervisor ends only when its parts are gone
    too. A new supervisor waits for that; one that finds a *living* supervisor gives up at once.
    """

    def __init__(self, directory: Path):
        self._path = directory / "supervisor.lock"
        self.fd = -1  # while not taken

    def take(self) -> None:
        """Raises Problem when another supervisor runs here, or when the directory can't be written."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self.fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise Problem(f"{self._path.parent} can't be written: {error.strerror}.") from error
        deadline = time.monotonic() + _HANDOVER_S
        while not self._try():
            holder = self._holder()
            if holder is not None and _alive(holder):
                raise Problem(
                    f"Streamlab already runs in {self._path.parent} (process {holder}); stop it first."
                )
            if time.monotonic() > deadline:
                raise Problem(
                    f"What is left of an earlier Streamlab still uses {self._path.parent}; stop it first."
                )
            time.sleep(0.1)
        os.truncate(self.fd, 0)
        os.pwrite(self.fd, str(os.getpid()).encode(), 0)

    def release(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def _try(self) -> bool:
        try:
            fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    def _holder(self) -> int | None:
        try:
            return int(os.pread(self.fd, 20, 0))
        except ValueError:
            return None


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True

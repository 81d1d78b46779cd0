"""A member of a group that writes down all it reads and commits: in a thread, or as a process of its own.

    python -m tests.faults.group_member URL TOPIC GROUP FILE

One line each: `read partition offset`, before the commit that covers it, and `commit partition epoch owner offset ms`
for every commit that the server took.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import streamlab
from streamlab.consumer import Consumer
from streamlab.errors import StreamlabError
from streamlab.groups import offsets

SESSION_MS = 1_500
QUICK = {
    "auto_offset_reset": "earliest",
    "session_timeout_ms": SESSION_MS,
    "heartbeat_interval_ms": 200,
    "metadata_max_age_ms": 200,
    "auto_commit_interval_ms": 30,
    "max_poll_records": 50,
}


class Committed(NamedTuple):
    """A commit that the server took."""

    partition: int
    epoch: int  # owner epoch
    owner: str
    offset: int
    ms: int  # server time


def note_commits(told: Callable[[Committed], None]) -> Callable[[], None]:
    """Have every commit of this process told from now on. Returns what ends that."""
    real = offsets.commit

    def noting(connection, group_id, commits):  # type: ignore[no-untyped-def]
        results = real(connection, group_id, commits)
        for p, done in results.items():
            if not isinstance(done, Exception):
                told(
                    Committed(p.partition, commits[p].owner_epoch, commits[p].owner, commits[p].offset, done)
                )
        return results

    offsets.commit = noting

    def end() -> None:
        offsets.commit = real

    return end


class MemberThread(threading.Thread):
    """Polls until it is told to stop; `silent` it no longer says that it lives, and goes on polling."""

    def __init__(self, make: Callable[[], Consumer], read: Callable[[int, int], None]):
        super().__init__(daemon=True)
        self._make = make
        self._read = read
        self._stopping = threading.Event()
        self._silenced = threading.Event()
        self.error: Exception | None = None

    def run(self) -> None:
        consumer = self._make()
        silent = False
        try:
            while not self._stopping.is_set():
                for partition, records in consumer.poll(20).items():
                    for record in records:
                        self._read(partition.partition, record.offset)
                if self._silenced.is_set() and not silent and consumer._assignment.membership:
                    consumer._assignment.membership.end()
                    silent = True
        except Exception as error:
            self.error = error
        finally:
            consumer.close()

    def fall_silent(self) -> None:
        self._silenced.set()

    def stop(self) -> None:
        self._stopping.set()


def main(url: str, topic: str, group: str, path: str) -> None:
    over = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: over.set())
    with Path(path).open("a", buffering=1 << 20) as file, streamlab.connect(url) as broker:
        lock = threading.Lock()

        def write(line: str) -> None:
            with lock:
                file.write(line + "\n")
                file.flush()

        note_commits(lambda c: write(f"commit {c.partition} {c.epoch} {c.owner} {c.offset} {c.ms}"))
        consumer = broker.consumer(topic, group_id=group, **QUICK)
        write("ready")
        while not over.is_set():
            try:
                polled = consumer.poll(50)
            except StreamlabError as error:
                if not error.retriable:
                    raise
                continue
            lines = [f"read {p.partition} {r.offset}" for p, records in polled.items() for r in records]
            if lines:
                write("\n".join(lines))
        consumer.close()


if __name__ == "__main__":
    main(*sys.argv[1:])

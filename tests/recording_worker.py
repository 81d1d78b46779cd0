"""A worker as a process of its own that writes down what it handled: python -m tests.recording_worker.

Arguments: server URL, topic, group, file, ordering. The file's name is its client id. A record's value is its number,
and the number says what becomes of it: see `fate`. One line an attempt that succeeded: member id, attempt, number.
Written before the handler returns, so that a kill at any moment leaves at worst a repeat.
"""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

import streamlab
from streamlab import Permanent, RetryPolicy
from streamlab.delivery.running import run_until_stopped

MAX_ATTEMPTS = 4


def fate(number: int) -> str:
    """recovers: fails twice, then succeeds. exhausted: fails always. rejected: fails for good at once."""
    if number % 500 == 7:
        return "exhausted"
    if number % 500 == 9:
        return "rejected"
    return "recovers" if number % 10 == 3 else "succeeds"


def failures(number: int) -> int:
    """How many attempts at a record fail."""
    return {"succeeds": 0, "recovers": 2, "rejected": 1, "exhausted": MAX_ATTEMPTS}[fate(number)]


def main(url: str, topic: str, group: str, path: str, ordering: str = "none") -> None:
    logging.basicConfig(level=logging.ERROR)
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def handle(record, context):
        number = int(record.value)
        if fate(number) == "rejected":
            raise Permanent(f"record {number} can never be handled")
        if context.attempt <= failures(number):
            raise RuntimeError(f"record {number} cannot be handled now")
        os.write(file, b"%s %d %d\n" % (context.member_id.encode(), context.attempt, number))

    with streamlab.connect(url) as broker:
        worker = broker.worker(
            topic,
            group_id=group,
            client_id=Path(path).name,
            handler=handle,
            ordering=ordering,
            concurrency=2,
            retry=RetryPolicy(base_ms=100, cap_ms=400, max_attempts=MAX_ATTEMPTS),
            session_timeout_ms=2_000,
            heartbeat_interval_ms=300,
            auto_commit_interval_ms=300,
        )
        run_until_stopped([worker])


if __name__ == "__main__":
    main(*sys.argv[1:])

"""A record that kills whoever handles it is found out and given up, and nothing that was near it."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from streamlab.broker import Broker
from tests.builders import a_topic, numbered, produce
from tests.waiting import until
from tests.workers import GROUP, letters, settled

pytestmark = pytest.mark.faults

ROOT = Path(__file__).resolve().parents[2]
RECORDS, DEADLY = 40, b"17"
PROGRAM = """
    import os, signal, sys
    import streamlab
    from streamlab import RetryPolicy
    from streamlab.delivery.running import run_until_stopped

    url, topic, group, deadly = sys.argv[1:]

    def handle(record, context):
        if context.attempt == 1:
            raise RuntimeError("not yet")
        if record.value == deadly.encode():
            os.kill(os.getpid(), signal.SIGKILL)

    with streamlab.connect(url) as broker:
        worker = broker.worker(
            topic,
            group_id=group,
            handler=handle,
            concurrency=4,
            retry=RetryPolicy(base_ms=500, jitter="none", max_attempts=3),
            session_timeout_ms=1_000,
            heartbeat_interval_ms=100,
            auto_commit_interval_ms=50,
        )
        run_until_stopped([worker])
"""


def test_of_all_that_a_dying_worker_had_in_hand_only_the_deadly_record_is_given_up(
    redis_url: str, broker: Broker
) -> None:
    topic, deaths = a_topic(broker), 0
    produce(broker, topic, numbered(RECORDS))
    command = [sys.executable, "-c", textwrap.dedent(PROGRAM), redis_url, topic, GROUP, DEADLY.decode()]
    worker = subprocess.Popen(command, cwd=ROOT)

    def all_settled_by_somebody() -> bool:
        nonlocal worker, deaths
        if worker.poll() is not None:
            deaths += 1
            worker = subprocess.Popen(command, cwd=ROOT)
        return settled(broker, topic, RECORDS)

    try:
        until(all_settled_by_somebody, 120)
    finally:
        worker.terminate()
        worker.wait(30)
    assert [(letter.value, letter.error_class) for letter in letters(broker, topic)] == [
        (DEADLY, "streamlab.delivery.verdicts.WorkerLost")
    ]
    assert 2 <= deaths <= 5  # a session that runs out on a machine that stands still counts like a death

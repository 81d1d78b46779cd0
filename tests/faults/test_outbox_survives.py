"""The relay of the outbox, killed again and again: each event is in the log once."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import streamlab
from streamlab.embedded import EmbeddedServer
from tests.builders import read, values
from tests.streamlab_up import ROOT

pytestmark = pytest.mark.faults

EVENTS = 6_000
FILL = f"""
from dashboard.outbox.publish import as_json
from dashboard.outbox.models import OutboxEvent
OutboxEvent.objects.bulk_create(
    [OutboxEvent(topic="things", key=b"k%d" % (n % 50), value=b"%d" % n, headers=[]) for n in range({EVENTS})]
)
"""


def manage(env: dict[str, str], *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_relay_that_is_killed_at_any_moment_loses_nothing_and_doubles_nothing(tmp_path: Path):
    chance = random.Random(7)
    with EmbeddedServer(tmp_path / "redis") as server:
        env = os.environ | {"STREAMLAB_URL": str(server.url), "STREAMLAB_VAR": str(tmp_path / "var")}
        manage(env, "migrate", "--verbosity", "0")
        manage(env, "shell", "-c", FILL)
        with streamlab.connect(server.url) as broker:
            broker.admin().create_topics({"things": {"num_partitions": 3}})
            for _ in range(5):
                relay = subprocess.Popen([sys.executable, "manage.py", "relay_outbox"], cwd=ROOT, env=env)
                deadline = time.monotonic() + 60
                before = total(broker)
                while total(broker) == before and before < EVENTS and time.monotonic() < deadline:
                    time.sleep(0.01)
                time.sleep(chance.uniform(0, 0.3))
                relay.send_signal(signal.SIGKILL)
                relay.wait()
            manage(env, "relay_outbox", "--once")
            with broker.consumer("things", auto_offset_reset="earliest") as consumer:
                found = values(read(consumer, EVENTS))
            assert total(broker) == EVENTS
        assert sorted(map(int, found)) == list(range(EVENTS))


def total(broker) -> int:
    return sum(edge.log_end for edge in broker.admin().list_partition_offsets("things").values())

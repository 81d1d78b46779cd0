"""The projector is killed in the middle, again and again: the tables end as if it had not been."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from streamlab.broker import Broker
from streamlab.events import Journal
from tests.stories import START_MS, Life
from tests.waiting import until

pytestmark = [pytest.mark.faults, pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[2]
LIVES, KILLS = 6_000, 3


def manage(var: Path, url: str, *words: str) -> subprocess.Popen[bytes]:
    environment = os.environ | {"STREAMLAB_VAR": str(var), "STREAMLAB_URL": url, "DATABASE_URL": ""}
    environment["STREAMLAB_HISTORY_DAYS"] = "0"  # what is told is of 2023
    return subprocess.Popen([sys.executable, "manage.py", *words], cwd=ROOT, env=environment)


def count(var: Path, what: str) -> int:
    with closing(sqlite3.connect(f"file:{var}/streamlab.sqlite3?mode=ro", uri=True)) as database:
        return int(database.execute(what).fetchone()[0])


def test_killed_at_random_moments_it_applies_every_event_once(tmp_path, redis_url, broker: Broker):
    assert manage(tmp_path, redis_url, "migrate", "-v", "0").wait(120) == 0
    with Journal(broker.connection) as journal:
        for n in range(LIVES):
            for event in Life(offset=n, at_ms=START_MS + n).fails().dies().is_replayed().recovers().events:
                journal.write(event)
        journal.flush(120)
    rng = random.Random(3)
    for kill in range(1, KILLS + 1):
        process = manage(tmp_path, redis_url, "project")
        try:
            enough = LIVES * 4 * kill // (KILLS + 2) - rng.randrange(2_000)
            until(lambda n=enough: count(tmp_path, "SELECT count(*) FROM projections_recordevent") >= n, 120)
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait(60)
    assert manage(tmp_path, redis_url, "project", "--once").wait(180) == 0
    assert count(tmp_path, "SELECT count(*) FROM projections_recordevent") == LIVES * 4
    assert count(tmp_path, "SELECT applied FROM projections_ledger") == LIVES * 4, "none was applied twice"
    assert count(tmp_path, "SELECT count(*) FROM projections_deadletter WHERE state = 'recovered'") == LIVES
    assert count(tmp_path, "SELECT sum(recovered) FROM projections_failuregroup") == LIVES

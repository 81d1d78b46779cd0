"""How many events a second can the dashboard's tables keep up with, on SQLite?

The topic of events is filled with lives of records: attempts, deaths, replays, recoveries. Then the projector, in a
process of its own as `manage.py project --once`, brings them all into an empty database in a file, with one transaction
a batch. Reading, decoding, rows, indices, counts of failure groups and the commit are all in the figure; the start of
the process is not: it is measured by a run that finds nothing. Where that would be most of it, as on a busy machine,
nothing is taken off: the figure is too low then, and not any figure.

    python -m benchmarks projections
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from streamlab.connection import Connection
from streamlab.events import (
    DeadLetterReplayed,
    Event,
    Journal,
    RecordDeadLettered,
    RecordRecovered,
    RecordRetried,
)

from .findings import Figure, Finding, Outcome
from .rounds import spread
from .scale import Scale
from .server import Server

PART = "projections"
TARGET_PER_S = 5_000.0
ERRORS = 20
"""Kinds of failures, each of which becomes one group."""
START_MS = 1_700_000_000_000
TIMEOUT_S = 600.0
ROOT = Path(__file__).resolve().parent.parent


def run(server: Server, scale: Scale) -> Outcome:
    measured = spread([measure(server, scale.projected) for _ in range(scale.rounds)])
    what = "history into the tables on SQLite"
    said = f"{measured.median:,.0f} events/s ({measured.low:,.0f}–{measured.high:,.0f})"
    finding = Finding(PART, what, said, f"≥ {TARGET_PER_S:,.0f} events/s", measured.median >= TARGET_PER_S)
    return Outcome([finding], [Figure(PART, what, measured, "events/s")], [])


def measure(server: Server, count: int) -> float:
    """Events a second."""
    server.empty()
    with tempfile.TemporaryDirectory(prefix="streamlab-bench-") as folder:
        _manage(server, folder, "migrate", "-v", "0")
        start_s = _manage(server, folder, "project", "--once")
        _tell(server, count)
        took_s = _manage(server, folder, "project", "--once")
        return count / (took_s - start_s if took_s > 2 * start_s else took_s)


def _manage(server: Server, folder: str, *words: str) -> float:
    """Seconds that it took."""
    environment = os.environ | {"STREAMLAB_VAR": folder, "STREAMLAB_URL": server.url, "DATABASE_URL": ""}
    started = time.monotonic()
    subprocess.run(
        [sys.executable, "manage.py", *words],
        cwd=ROOT,
        env=environment,
        check=True,
        timeout=TIMEOUT_S,
        stdout=subprocess.DEVNULL,
    )
    return time.monotonic() - started


def _tell(server: Server, count: int) -> None:
    connection = Connection(server.url)
    with Journal(connection, capacity=count + 10) as journal:
        written = 0
        for number in range(count):
            for event in _life(number):
                if written == count:
                    break
                journal.write(event)
                written += 1
        journal.flush(TIMEOUT_S)
    connection.close()


def _life(number: int) -> list[Event]:
    """Three failed attempts; then every second record recovers, the others die, are replayed, and recover."""
    now, error = START_MS + 3 * number, number % ERRORS
    who = {
        "group": f"group-{number % 3}",
        "topic": "orders",
        "partition": number % 12,
        "offset": number // 12,
        "record_id": f"record-{number}",
        "key": "MTc4NDE=",
        "member": "bench",
    }
    why = {
        "exception": f"shop.errors.Error{error}",
        "message": f"no stock for order {number}",
        "call_site": f"shop/orders.py:step_{error}",
    }
    letter = {"dlq_topic": "orders.dlq", "dlq_partition": number % 12, "dlq_offset": number}
    events: list[Event] = [
        RecordRetried(
            at_ms=now + n, attempt=n, due_ms=now + n + 1, started_ms=now + n, took_ms=1.0, **who, **why
        )
        for n in (1, 2, 3)
    ]
    if number % 2:
        return [*events, RecordRecovered(at_ms=now + 4, attempt=4, **who)]
    return [
        *events,
        RecordDeadLettered(at_ms=now + 4, attempt=4, cause="exhausted", **who, **why, **letter),
        DeadLetterReplayed(at_ms=now + 5, attempt=4, replays=1, target="group", **who, **letter),
        RecordRecovered(at_ms=now + 6, attempt=5, replays=1, **who),
    ]

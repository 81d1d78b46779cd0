"""How long does a page take at the server, with few topics and with very many?

The broker's keys are fabricated as for the snapshot: topics of 10 partitions, each read by 10 groups. A real sampler
looks at them once a second while real pages are asked for, one after the other, by somebody who is signed in. What is
timed is the whole answer over loopback, so the web process's reading of a new snapshot is in it.

    python -m benchmarks pages
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from streamlab import keys
from streamlab.connection import Connection

from .findings import Figure, Finding, Outcome
from .rounds import Spread
from .scale import Scale
from .server import Server
from .snapshot import BEHIND, PARTITIONS_A_TOPIC, Fabric
from .web import Dashboard, dashboard, wait_for

PART = "pages"
LIMITS_MS = {50: 50.0, 1_000: 200.0}
"""By number of topics: what 95 of 100 answers of every page stay below."""
GROUPS = BEHIND | {f"{name}-too": by for name, by in BEHIND.items()}
MEASURED_SNAPSHOTS = 3
PAGES = {
    "overview": "/",
    "topics": "/topics/",
    "topics, sorted and filtered": "/topics/?sort=-lag&q=topic-00",
    "topic": "/topics/topic-0000/",
    "messages": "/topics/topic-0000/messages/",
    "groups": "/groups/",
    "group": "/groups/group-2/",
    "clients": "/clients/",
    "schemas": "/schemas/",
    "retries": "/retries/",
    "dead letters": "/dead-letters/",
    "history": "/history/",
    "alerts": "/alerts/",
    "operations": "/operations/",
    "audit": "/audit/",
    "lab": "/lab/",
}


def run(server: Server, scale: Scale) -> Outcome:
    findings, figures = [], []
    for topics in scale.page_topics:
        for page, took_ms in measure(server, topics, scale.page_turns).items():
            spread = Spread(_percentile(took_ms, 50), min(took_ms), _percentile(took_ms, 95))
            who = f"{page}, {topics:,} topics × {len(GROUPS)} groups"
            figures.append(Figure(PART, who, spread, "ms"))
            limit = LIMITS_MS.get(topics)
            findings.append(
                Finding(
                    PART,
                    who,
                    f"{spread.high:,.1f} ms (median {spread.median:,.1f})",
                    f"p95 ≤ {limit:g} ms" if limit else "",
                    spread.high <= limit if limit else None,
                )
            )
    return Outcome(findings, figures, ["pages: the figure is the 95th percentile of the answers."])


def measure(server: Server, topics: int, turns: int) -> dict[str, list[float]]:
    """Times in ms by page; pages take turns."""
    with fabricated(server, topics) as (web, _):
        took: dict[str, list[float]] = {page: [] for page in PAGES}
        for path in PAGES.values():
            web.get(path)
        for _ in range(turns):
            for page, path in PAGES.items():
                started = time.monotonic()
                web.get(path)
                took[page].append((time.monotonic() - started) * 1000)
        return took


@contextmanager
def fabricated(server: Server, topics: int) -> Iterator[tuple[Dashboard, Fabric]]:
    """A dashboard on topics that the sampler has looked at a few times, and what makes them move."""
    server.empty()
    connection = Connection(server.url)
    fabric = Fabric(connection.private_client(timeout_s=120), topics * PARTITIONS_A_TOPIC, GROUPS)
    fabric.weave()
    with dashboard(server.url) as web:
        wait_for(lambda: _snapshots(connection) > MEASURED_SNAPSHOTS, "the sampler has looked around")
        yield web, fabric
    connection.close()


def _snapshots(connection: Connection) -> int:
    return int(connection.client.get(keys.SNAPSHOT_SEQ) or 0)


def _percentile(values: list[float], percent: int) -> float:
    """
    >>> _percentile([1.0, 2.0, 3.0, 4.0], 50), _percentile([1.0, 2.0, 3.0, 4.0], 95)
    (2.0, 4.0)
    """
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]

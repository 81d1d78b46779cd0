"""How much is measured: enough to mean something, or just enough to see that it runs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """Counts of one run. With FULL every measurement stays below 64 MB of AOF, where Redis would begin to rewrite it
    in the middle of a measurement."""

    rounds: int  # turns of each contestant
    produced: int  # records a turn, sent by us
    added: int  # records a turn, sent one an entry
    consumed: int  # records a turn, read by us
    read_one_by_one: int  # records a turn, read one an entry
    latency_s: float  # length of one latency measurement, after its warm-up
    warm_up_s: float  # of the latency measurement; not counted
    latency_rounds: int
    snapshot_partitions: tuple[int, ...]
    handled: int = 100_000  # records a turn, through a worker
    projected: int = 50_000  # events a turn, into the dashboard's tables
    page_topics: tuple[int, ...] = (50, 1_000)
    page_turns: int = 40  # answers of each page
    sockets: int = 500
    sockets_s: float = 20.0
    browser_turns: int = 10  # page loads, and dead letters


FULL = Scale(5, 1_500_000, 500_000, 500_000, 200_000, 10.0, 2.0, 3, (1_000, 10_000))
QUICK = Scale(2, 50_000, 20_000, 100_000, 20_000, 2.0, 0.5, 1, (1_000,), handled=20_000, projected=5_000,
    page_topics=(50,), page_turns=2, sockets=20, sockets_s=3.0,
    browser_turns=2,
)  # fmt: skip

"""How attempts went at records that had failed before: when they were planned, when they began, how they ended."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import NamedTuple

from .columns import Column, Columns
from .figures import Figure, count, duration, spell_duration, unknown

EDGES_MS = (2, 5, 10, 20, 50, 100, 1_000, 10_000)
NOBODY_PLANNED = "No attempt was planned within the last hour"


class Attempt(NamedTuple):
    """What one attempt ended with. Times are ms since 1970; None: the event does not say."""

    kind: str  # record.retried, record.recovered, record.dead_lettered, record.released
    number: int  # 1: the first one
    at_ms: int  # when it was over
    planned_ms: int | None
    started_ms: int | None
    due_ms: int | None  # when the next one is due

    @property
    def late_ms(self) -> int | None:
        if self.planned_ms is None or self.started_ms is None:
            return None
        return max(0, self.started_ms - self.planned_ms)


@dataclass(frozen=True)
class Lateness:
    """How much later than planned attempts began."""

    attempts: Figure
    median: Figure
    p95: Figure
    worst: Figure
    columns: Columns | None  # how many began how late; None when none was planned


def lateness(attempts: Iterable[Attempt]) -> Lateness:
    """
    >>> found = lateness(Attempt("record.recovered", 2, late, 0, late, None) for late in (5, 20, 30))
    >>> found.median.plain, found.worst.plain, [c.value for c in found.columns.columns]
    ('20 ms', '30 ms', ['0', '1', '0', '1', '1', '0', '0', '0', '0'])
    """
    late = sorted(a.late_ms for a in attempts if a.late_ms is not None)

    def at(share: float) -> Figure:
        if not late:
            return unknown(NOBODY_PLANNED)
        return duration(late[min(len(late) - 1, int(share * len(late)))])

    planned = count(len(late), "planned attempts looked at")
    return Lateness(planned, at(0.5), at(0.95), at(1.0), _columns(late) if late else None)


def _columns(late_ms: Sequence[int]) -> Columns:
    counts = [0] * (len(EDGES_MS) + 1)
    for ms in late_ms:
        counts[bisect_left(EDGES_MS, ms)] += 1
    labels = [*(f"≤ {spell_duration(edge)}" for edge in EDGES_MS), f"> {spell_duration(EDGES_MS[-1])}"]
    columns = [
        Column(
            label, f"{n:,}", f"{n:,} of {len(late_ms):,} attempts began {label} after they were due", share
        )
        for label, n, share in zip(labels, counts, (n / max(counts) for n in counts), strict=True)
    ]
    told = ", ".join(f"{label}: {n:,}" for label, n in zip(labels, counts, strict=True))
    return Columns(f"Attempts by how much later than planned they began. {told}", columns)


@dataclass(frozen=True)
class AttemptRow:
    """All first attempts, all second ones, …"""

    number: int
    made: Figure
    wait: Figure  # from the failure before it until it was due: the backoff, in the middle
    spread: str  # the shortest and the longest of them, which is the jitter: "1.6 s to 2.4 s"
    late: Figure  # how much later than that it began, in the middle
    handled: Figure
    again: Figure
    died: Figure


@dataclass
class _Sums:
    made: int = 0
    handled: int = 0
    again: int = 0
    died: int = 0
    waits_ms: list[int] = field(default_factory=list)
    late_ms: list[int] = field(default_factory=list)


def by_number(attempts: Iterable[Attempt]) -> list[AttemptRow]:
    """
    >>> [first, second] = by_number([
    ...     Attempt("record.retried", 1, 1_000, None, 900, 3_000),
    ...     Attempt("record.recovered", 2, 3_300, 3_000, 3_200, None)])
    >>> first.again.text, first.handled.text, second.wait.plain, second.late.plain, second.handled.text
    ('1', '—', '2 s', '200 ms', '1')
    """
    sums: dict[int, _Sums] = defaultdict(_Sums)
    for attempt in attempts:
        _add(sums, attempt)
    return [_row(number, found) for number, found in sorted(sums.items()) if found.made]


def _add(sums: dict[int, _Sums], attempt: Attempt) -> None:
    if attempt.kind == "record.released":  # it was given back, nobody knows how it would have ended
        return
    own = sums[attempt.number]
    own.made += 1
    own.handled += attempt.kind == "record.recovered"
    own.died += attempt.kind == "record.dead_lettered"
    if attempt.late_ms is not None:
        own.late_ms.append(attempt.late_ms)
    if attempt.kind == "record.retried":
        own.again += 1
        if attempt.due_ms is not None:
            sums[attempt.number + 1].waits_ms.append(max(0, attempt.due_ms - attempt.at_ms))


def _row(number: int, found: _Sums) -> AttemptRow:
    nothing = "It waits for nothing" if number == 1 else "The failure before it is longer ago"
    waits = sorted(found.waits_ms)
    return AttemptRow(
        number=number,
        made=count(found.made, "attempts"),
        wait=duration(median(waits) if waits else None, nothing),
        spread=f"{spell_duration(waits[0])} to {spell_duration(waits[-1])}" if waits else "",
        late=duration(median(found.late_ms) if found.late_ms else None, "Nobody planned it"),
        handled=count(
            found.handled if number > 1 else None,
            "records",
            "A record that goes well at once leaves no event",
        ),
        again=count(found.again, "records were to be tried again"),
        died=count(found.died, "records"),
    )

"""What so many records a second take: a table of arithmetic. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from streamlab.what_if import capacity
from streamlab.what_if.capacity import Demand, Estimate

from .figures import byte_rate, duration, percent, rate, size, spell_duration
from .words import plural


@dataclass(frozen=True)
class CapacityRow:
    name: str
    arithmetic: str
    makes: str


@dataclass(frozen=True)
class CapacityView:
    headline: str
    rows: list[CapacityRow]
    assumed: Sequence[str]


def of_capacity(wanted: Demand, times: float) -> CapacityView:
    """`times`: of what comes in now."""
    found = capacity.estimate(wanted)
    servers = (
        "one server is enough" if found.masters == 1 else f"{plural(found.masters, 'master')} of a cluster"
    )
    memory = f"{size(found.memory_bytes).plain} of memory" if wanted.retention_s > 0 else "memory without end"
    return CapacityView(
        f"{_times(times)}, {rate(wanted.rate).plain}: {servers}, {memory}",
        [CapacityRow(*row) for row in (*_of_servers(wanted, found), *_of_programs(wanted, found))],
        (
            f"Records of {size(wanted.record_bytes).plain}, {_number(wanted.records_a_batch)} in a batch, as now: "
            "larger batches before anything else make it cheaper.",
            f"{plural(wanted.groups, 'group')} read{'s' if wanted.groups == 1 else ''} everything.",
            "A server is to stay half idle: it has one core for commands, and is not filled evenly. Measured on one "
            f"machine: a batch of one record takes it {capacity.BATCH_US:g} µs, one of 136 records 81 µs.",
            "Programs: 1.9 µs a record to send and 0.5 µs to read, handlers on top.",
            "Estimates from arithmetic, not measured here; a test with your own records says more.",
        ),
    )


def _times(times: float) -> str:
    return "As much as now" if times == 1 else f"{_number(times)} times as much as now"


def _number(value: float) -> str:
    return f"{value:,.3g}" if value < 1000 else f"{value:,.0f}"


_Row = tuple[str, str, str]


def _of_servers(wanted: Demand, found: Estimate) -> list[_Row]:
    batches, groups = rate(found.batches).plain, plural(wanted.groups, "group")
    kept = wanted.retention_s > 0
    memory = (
        f"{byte_rate(found.memory_bytes / wanted.retention_s).plain} × {spell_duration(wanted.retention_s * 1000)}"
        if kept
        else "kept for ever"
    )
    return [
        ("Batches", f"{rate(wanted.rate).plain} / {_number(wanted.records_a_batch)} records", batches),
        (
            "Server, appends",
            f"{batches} × {_us(found.append_cores, found.batches)}",
            _cores(found.append_cores),
        ),
        ("Server, reads", f"{batches} × {groups} × {capacity.READ_US:g} µs", _cores(found.read_cores)),
        (
            "Servers",
            f"{_cores(found.cores)} / {percent(capacity.BUSY_SHARE).plain}",
            plural(found.masters, "server"),
        ),
        (
            "Network in",
            f"{rate(wanted.rate).plain} × {size(wanted.record_bytes).plain}",
            byte_rate(found.network_in).plain,
        ),
        ("Network out", f"as much × {groups}", byte_rate(found.network_out).plain),
        ("Memory", memory, size(found.memory_bytes).plain if kept else "grows without end"),
        ("Append-only file", "and again while it is rewritten", byte_rate(found.file_rate).plain),
    ]


def _of_programs(wanted: Demand, found: Estimate) -> list[_Row]:
    comes, groups = rate(wanted.rate).plain, plural(wanted.groups, "group")
    rows = [
        ("Producers", f"{comes} × {capacity.PRODUCER_US:g} µs", _cores(found.producer_cores)),
        (
            "Consumers, reading only",
            f"{comes} × {groups} × {capacity.CONSUMER_US:g} µs",
            _cores(found.consumer_cores),
        ),
    ]
    if found.handlers is not None and wanted.handler_ms is not None:
        handlers = f"{comes} × {duration(wanted.handler_ms).plain}"
        rows.append(("Handlers at once, a group", handlers, _number(max(1.0, found.handlers))))
    by = "ten a master, one for each handler"
    if found.handlers is None:
        by = "ten a master; more for handlers, whose time is not known"
    return [*rows, ("Partitions, at least", by, f"{found.partitions:,}")]


def _us(cores: float, batches: float) -> str:
    return f"{cores / batches * 1e6:.0f} µs" if batches else "—"


def _cores(cores: float) -> str:
    """
    >>> _cores(0.004), _cores(1.15)
    ('0.4 % of a core', '1.15 cores')
    """
    return f"{percent(cores).plain} of a core" if cores < 1 else f"{_number(cores)} cores"

"""What `streamlab top` shows, as a pure function of a snapshot and the size of the terminal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Any, Generic, NamedTuple, TypeVar

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from ..metrics.snapshot import GroupSnapshot, Snapshot, TopicSnapshot
from .output import UNKNOWN, duration, safe, size

Row = TypeVar("Row", GroupSnapshot, TopicSnapshot)

GAP = 2
"""Spaces between columns."""
LEAST_NAME = 8
"""The first column, a name, is cut before any other is dropped, but not below this."""


class Order(StrEnum):
    LAG = "lag"  # groups by lag, topics by rate
    RATE = "rate"
    NAME = "name"

    @property
    def next(self) -> Order:
        """
        >>> Order.LAG.next, Order.NAME.next
        (<Order.RATE: 'rate'>, <Order.LAG: 'lag'>)
        """
        orders = list(Order)
        return orders[(orders.index(self) + 1) % len(orders)]


class Column(NamedTuple, Generic[Row]):
    head: str
    width: int  # at least, head included
    keep: int  # the lowest goes first where the terminal is narrow
    text: Callable[[Row], str]


class Shown(NamedTuple):
    """What somebody chose to see."""

    order: Order = Order.LAG
    internal: bool = False  # topics whose name starts with __
    source: str = "sampler"  # or "own": nobody samples, so we look ourselves
    trouble: str = ""  # why the figures are old


def rate(value: float | None) -> str:
    """
    >>> rate(None), rate(0.0), rate(3.21), rate(12345.6)
    ('-', '0', '3.2', '12,346')
    """
    if value is None:
        return UNKNOWN
    return f"{value:.1f}" if 0 < value < 100 else f"{value:,.0f}"


def count(value: int | None) -> str:
    return UNKNOWN if value is None else f"{value:,}"


GROUPS: tuple[Column[GroupSnapshot], ...] = (
    Column("GROUP", 20, 9, lambda g: safe(g.group)),
    Column("STATE", 11, 6, lambda g: g.state),
    Column("MEMBERS", 7, 3, lambda g: count(len(g.members))),
    Column("LAG", 11, 8, lambda g: count(g.lag)),
    Column("TIME-LAG", 12, 7, lambda g: duration(g.time_lag_ms)),
    Column("RECORDS/S", 9, 5, lambda g: rate(g.consumed_rate)),
    Column("LOST", 7, 2, lambda g: count(sum(p.lost for p in g.partitions))),
    Column("ASSIGNOR", 18, 1, lambda g: safe(g.assignor)),
)
TOPICS: tuple[Column[TopicSnapshot], ...] = (
    Column("TOPIC", 20, 9, lambda t: safe(t.topic)),
    Column("PARTITIONS", 10, 4, lambda t: count(len(t.partitions))),
    Column("RECORDS", 12, 6, lambda t: count(t.records)),
    Column("SIZE", 10, 5, lambda t: size(t.size_bytes)),
    Column("RECORDS/S", 9, 8, lambda t: rate(t.rate)),
    Column("BYTES/S", 10, 7, lambda t: UNKNOWN if t.byte_rate is None else size(round(t.byte_rate))),
    Column("MAX/MEAN", 8, 2, lambda t: f"{t.skew.max_over_mean:.2f}" if t.skew else UNKNOWN),
    Column("GROUPS", 6, 1, lambda t: count(len(t.groups))),
)
_TEXT_COLUMNS = {"GROUP", "STATE", "ASSIGNOR", "TOPIC"}
_STYLES = {"Stable": "green", "Empty": "dim", "Assigning": "yellow", "Reconciling": "yellow", "Dead": "dim"}


def fitting(columns: Sequence[Column[Any]], width: int) -> list[tuple[Column[Any], int]]:
    """The columns that fit side by side, with their widths; the first one takes what is left.

    >>> [column.head for column, _ in fitting(GROUPS, 34)]
    ['GROUP', 'LAG']
    """
    shown = list(columns)
    while True:
        rest = sum(column.width + GAP for column in shown[1:])
        if width - rest >= LEAST_NAME or len(shown) == 1:
            return [(shown[0], max(1, width - rest)), *((column, column.width) for column in shown[1:])]
        shown.remove(min(shown[1:], key=lambda column: column.keep))


def table(columns: Sequence[Column[Row]], rows: Sequence[Row], width: int, lines: int) -> list[Text]:
    """The heads and as many rows as fit into so many lines; the last line says how many there are besides."""
    if lines < 2:  # the heads alone say nothing
        return []
    chosen = fitting(columns, width)
    drawn = [Text(_line([column.head for column, _ in chosen], chosen), style="bold")]
    room = lines - 1
    shown = rows if len(rows) <= room else rows[: max(0, room - 1)]
    for row in shown:
        text = Text(_line([column.text(row) for column, _ in chosen], chosen))
        state = getattr(row, "state", None)
        if state in _STYLES:
            text.highlight_words([state], _STYLES[state])
        drawn.append(text)
    if len(shown) < len(rows) and room > 0:
        drawn.append(Text(_cut(f"… and {len(rows) - len(shown)} more", width), style="dim"))
    return drawn


def _line(cells: Sequence[str], chosen: Sequence[tuple[Column[Any], int]]) -> str:
    parts = []
    for cell, (column, width) in zip(cells, chosen, strict=True):
        cut = _cut(cell, width)
        space = " " * (width - cell_len(cut))
        parts.append(cut + space if column.head in _TEXT_COLUMNS else space + cut)
    return (" " * GAP).join(parts).rstrip()


def _cut(text: str, width: int) -> str:
    """
    >>> _cut("notifications", 8), _cut("日本語", 4), _cut("abc", 3)
    ('notific…', '日…', 'abc')
    """
    if cell_len(text) <= width:
        return text
    return set_cell_size(text, max(0, width - 1)).rstrip() + "…" if width > 0 else ""


def groups_of(snapshot: Snapshot, order: Order) -> list[GroupSnapshot]:
    def key(group: GroupSnapshot) -> Any:
        figure = group.lag if order is Order.LAG else group.consumed_rate if order is Order.RATE else 0
        return -(figure or 0), group.group

    return sorted(snapshot.groups.values(), key=key)


def topics_of(snapshot: Snapshot, shown: Shown) -> list[TopicSnapshot]:
    found = [topic for topic in snapshot.topics.values() if shown.internal or not topic.internal]
    by_name = shown.order is Order.NAME
    return sorted(found, key=lambda t: (0.0 if by_name else -(t.rate or 0.0), t.topic))


def heading(snapshot: Snapshot, width: int, shown: Shown) -> list[Text]:
    server = snapshot.server
    memory = size(server.used_memory_bytes)
    if server.max_memory_bytes:
        memory += f" of {size(server.max_memory_bytes)}"
    facts = [
        f"{server.engine} {server.version}",
        memory,
        f"{rate(server.ops_rate)} commands/s",
        f"{server.clients} clients",
    ]
    if server.cpu_share is not None:
        facts.append(f"{server.cpu_share:.0%} of a core")
    rates = [topic.rate for topic in snapshot.topics.values()]
    appended = None if None in rates else sum(r for r in rates if r is not None)
    lags = [group.lag for group in snapshot.groups.values() if group.lag is not None]
    total = f"{len(snapshot.topics)} topics, {rate(appended)} records/s in · {len(snapshot.groups)} groups"
    behind = f", {count(sum(lags))} behind" if lags else ""
    return [Text(_cut(" · ".join(facts), width)), Text(_cut(total + behind, width))]


def footing(snapshot: Snapshot, width: int, shown: Shown, keys_work: bool) -> Text:
    if shown.trouble:
        return Text(_cut(safe(shown.trouble), width), style="bold red")
    parts = ["q quits · s sorts · i internal topics"] if keys_work else []
    parts.append(f"by {shown.order}")
    if shown.source == "own":
        parts.append("no sampler runs: looked at directly")
    return Text(_cut(" · ".join(parts), width), style="dim")


def screen(snapshot: Snapshot, width: int, height: int, shown: Shown, keys_work: bool = True) -> list[Text]:
    """At most `height` lines of at most `width` cells."""
    groups, topics = groups_of(snapshot, shown.order), topics_of(snapshot, shown)
    room = max(0, height - 5)  # the heading's two lines, two empty ones, the footing
    groups_room = min(len(groups) + 1, max(room - len(topics) - 1, room // 2))
    lines = heading(snapshot, width, shown)
    for part in (
        table(GROUPS, groups, width, groups_room),
        table(TOPICS, topics, width, room - groups_room),
    ):
        lines += [Text(""), *part] if part else []
    lines = lines[: max(0, height - 1)]
    return [*lines, footing(snapshot, width, shown, keys_work)][:height]


def as_json(snapshot: Snapshot, shown: Shown) -> dict[str, Any]:
    """The same figures for scripts; what is not known is null."""
    return {
        "as_of_ms": snapshot.as_of_ms,
        "source": shown.source,
        "server": {
            "engine": snapshot.server.engine,
            "version": snapshot.server.version,
            "used_memory_bytes": snapshot.server.used_memory_bytes,
            "max_memory_bytes": snapshot.server.max_memory_bytes,
            "clients": snapshot.server.clients,
            "ops_rate": snapshot.server.ops_rate,
            "cpu_share": snapshot.server.cpu_share,
        },
        "groups": [
            {
                "group": g.group,
                "state": g.state,
                "members": len(g.members),
                "lag": g.lag,
                "time_lag_ms": g.time_lag_ms,
                "consumed_rate": g.consumed_rate,
                "lost": sum(p.lost for p in g.partitions),
                "purged": sum(p.purged for p in g.partitions),
                "assignor": g.assignor,
            }
            for g in groups_of(snapshot, shown.order)
        ],
        "topics": [
            {
                "topic": t.topic,
                "partitions": len(t.partitions),
                "records": t.records,
                "size_bytes": t.size_bytes,
                "rate": t.rate,
                "byte_rate": t.byte_rate,
                "max_over_mean": t.skew.max_over_mean if t.skew else None,
                "groups": t.groups,
            }
            for t in topics_of(snapshot, shown)
        ],
    }

"""The flow picture: topics on the left, groups on the right, a band for each pair with the records that pass.

Pure geometry: everything a template needs to draw an SVG, in user units. The widest rate gets MAX_WIDTH.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import log10

from streamlab.metrics.snapshot import GroupSnapshot, Snapshot, TopicSnapshot

from . import groups
from .figures import Figure, count, rate
from .words import Status, plural

MOST_NODES = 7
"""On each side; beyond that the picture says how many are left out."""
WIDTH, ROW, NODE_HEIGHT, NODE_WIDTH = 760, 56, 40, 220
MIN_STROKE, MAX_STROKE = 1.5, 14.0


@dataclass(frozen=True)
class Node:
    name: str
    x: int
    y: int
    rate: Figure
    detail: str
    status: Status | None = None

    @property
    def middle(self) -> int:
        return self.y + NODE_HEIGHT // 2

    @property
    def line_1(self) -> int:
        return self.y + 17

    @property
    def line_2(self) -> int:
        return self.y + 32

    @property
    def text_x(self) -> int:
        return self.x + 14

    @property
    def rate_x(self) -> int:
        return self.x + NODE_WIDTH - 10

    @property
    def short(self) -> str:
        """The name as far as it fits."""
        return self.name if len(self.name) <= 18 else self.name[:17] + "…"


@dataclass(frozen=True)
class Edge:
    key: str  # tells edges apart from one update to the next
    path: str  # SVG path data
    width: str  # of the stroke, in user units
    moving: bool
    title: str


@dataclass(frozen=True)
class Flow:
    topics: list[Node]
    groups: list[Node]
    edges: list[Edge]
    height: int
    left_out: str

    @property
    def view_height(self) -> int:
        return self.height + 2

    width = WIDTH
    node_width = NODE_WIDTH
    node_height = NODE_HEIGHT


def picture(snapshot: Snapshot, statuses: groups.Statuses) -> Flow | None:
    """None when there is nothing to draw."""
    all_topics = [t for t in snapshot.topics.values() if not t.internal]
    if not all_topics:
        return None
    read = {name: set(groups.topics(group)) for name, group in snapshot.groups.items()}
    topics = sorted(
        sorted(_worth_drawing(all_topics, read), key=lambda t: (-(t.rate or 0), -t.records, t.topic))[
            :MOST_NODES
        ],
        key=lambda t: t.topic,
    )
    names = {t.topic for t in topics}
    readers = [g for g in snapshot.groups.values() if names & read[g.group]]
    chosen = sorted(sorted(readers, key=_busiest_first)[:MOST_NODES], key=lambda g: g.group)
    rows = max(len(topics), len(chosen), 1)
    left = {t.topic: _topic_node(t, _y(i, len(topics), rows)) for i, t in enumerate(topics)}
    right = {g.group: _group_node(g, statuses.of(g), _y(i, len(chosen), rows)) for i, g in enumerate(chosen)}
    pairs = [(t, g) for t in topics for g in chosen if t.topic in read[g.group]]
    most = max((groups.rate_on(g, t.topic) or 0 for t, g in pairs), default=0)
    edges = [_edge(left[t.topic], right[g.group], groups.rate_on(g, t.topic), most) for t, g in pairs]
    return Flow(
        list(left.values()),
        list(right.values()),
        edges,
        rows * ROW,
        _left_out(all_topics, topics, readers, chosen),
    )


def _worth_drawing(topics: list[TopicSnapshot], read: Mapping[str, set[str]]) -> list[TopicSnapshot]:
    """Topics that something passes or somebody reads; all of them where there is none such."""
    by_anybody: set[str] = set().union(*read.values())
    return [t for t in topics if t.rate or t.topic in by_anybody] or topics


def _busiest_first(group: GroupSnapshot) -> tuple[bool, float, int, str]:
    return groups.is_idle(group), -(group.consumed_rate or 0), -(group.lag or 0), group.group


def _y(index: int, of: int, rows: int) -> int:
    """Spreads the shorter side over the height of the longer one."""
    return round((index + 0.5) * rows * ROW / of - NODE_HEIGHT / 2)


def _topic_node(topic: TopicSnapshot, y: int) -> Node:
    return Node(topic.topic, 0, y, rate(topic.rate), plural(len(topic.partitions), "partition"))


def _group_node(group: GroupSnapshot, status: Status, y: int) -> Node:
    lag = count(group.lag).text
    return Node(group.group, WIDTH - NODE_WIDTH, y, rate(group.consumed_rate), f"lag {lag}", status)


def _edge(topic: Node, group: Node, per_s: float | None, most: float) -> Edge:
    x1, x2 = NODE_WIDTH, WIDTH - NODE_WIDTH
    bend = (x2 - x1) // 2
    passing = rate(per_s)
    y1, y2 = topic.middle, group.middle
    return Edge(
        key=f"{topic.name}/{group.name}",
        path=f"M{x1} {y1} C{x1 + bend} {y1} {x2 - bend} {y2} {x2} {y2}",
        width=f"{_stroke(per_s or 0, most):.1f}",
        moving=bool(per_s),
        title=f"{topic.name} to {group.name}: {passing.plain if passing.known else 'rate not known yet'}",
    )


def _stroke(per_s: float, most: float) -> float:
    """Logarithmic, so that a quiet pair can still be seen beside a busy one.

    >>> _stroke(0, 100), _stroke(100, 100)
    (1.5, 14.0)
    """
    if per_s <= 0 or most <= 0:
        return MIN_STROKE
    return MIN_STROKE + (MAX_STROKE - MIN_STROKE) * log10(1 + 9 * per_s / most)


def _left_out(
    topics: list[TopicSnapshot],
    drawn: list[TopicSnapshot],
    readers: list[GroupSnapshot],
    chosen: list[GroupSnapshot],
) -> str:
    missing = [
        f"{n} more {noun}"
        for n, noun in ((len(topics) - len(drawn), "topics"), (len(readers) - len(chosen), "groups"))
        if n
    ]
    return f"The busiest are drawn; {' and '.join(missing)} not." if missing else ""

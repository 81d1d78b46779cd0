"""The flow picture: producers on the left, topics in the middle, groups on the right, and a band for each pair with the
records that pass a second.

Pure geometry: everything a template needs to draw an SVG, in user units. Each band ends at a port of its own on the
right, where its rate stands, so that no two rates cover each other. The widest rate gets MAX_STROKE.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import log10
from typing import Any, TypeVar

from streamlab.metrics.snapshot import GroupSnapshot, Snapshot, TopicSnapshot

from . import groups
from .figures import Figure, count, rate
from .words import Status, plural

MOST_NODES = 7
"""In each column; beyond that the picture says how many are left out."""
WIDTH, NODE_WIDTH, NODE_HEIGHT, GAP, PORT = 1180, 216, 40, 14, 17
COLUMNS = (0, (WIDTH - NODE_WIDTH) // 2, WIDTH - NODE_WIDTH)
"""Left edges of producers, topics and groups."""
MIN_STROKE, MAX_STROKE = 1.5, 10.0

T = TypeVar("T")
Sent = Mapping[str, Mapping[str, float | None]]
"""Client id of producers -> topic -> records a second."""


@dataclass
class Node:
    name: str
    rate: Figure
    detail: str
    status: Status | None = None
    x: int = 0
    y: int = 0
    height: int = NODE_HEIGHT

    @property
    def line_1(self) -> int:
        return self.y + self.height // 2 - 3

    @property
    def line_2(self) -> int:
        return self.line_1 + 15

    @property
    def text_x(self) -> int:
        return self.x + 13

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
    label: str  # "54.6/s"; "" while it is not known
    label_x: int
    label_y: int


@dataclass(frozen=True)
class Flow:
    producers: list[Node]
    topics: list[Node]
    groups: list[Node]
    edges: list[Edge]
    height: int
    left_out: str

    @property
    def view_height(self) -> int:
        return self.height + 2

    @property
    def middle(self) -> int:
        return self.height // 2

    width = WIDTH
    node_width = NODE_WIDTH


@dataclass(frozen=True)
class _Pair:
    left: Node
    right: Node
    per_s: float | None


def picture(snapshot: Snapshot, statuses: groups.Statuses, sent: Sent | None = None) -> Flow | None:
    """None when there is nothing to draw."""
    all_topics = [t for t in snapshot.topics.values() if not t.internal]
    if not all_topics:
        return None
    sent = sent or {}
    read = {name: set(groups.topics(group)) for name, group in snapshot.groups.items()}
    worth = _worth_drawing(all_topics, [*read.values(), *(set(to) for to in sent.values())])
    topics = _most(worth, lambda t: (-(t.rate or 0), -t.records, t.topic), lambda t: t.topic)
    names = {t.topic for t in topics}
    readers = [g for g in snapshot.groups.values() if names & read[g.group]]
    chosen = _most(readers, _busiest_first, lambda g: g.group)
    senders = [client for client, to in sent.items() if names & set(to)]
    producers = _most(senders, lambda client: (-_rate_of(sent[client]), client), lambda client: client)
    left = {client: Node(client, rate(_rate_of(sent[client])), "producer") for client in producers}
    middle = {t.topic: _topic_node(t) for t in topics}
    right = {g.group: _group_node(g, statuses.of(g)) for g in chosen}
    into = [
        _Pair(left[client], middle[topic], per_s)
        for client in producers
        for topic, per_s in sorted(sent[client].items())
        if topic in names
    ]
    out = [
        _Pair(middle[t.topic], right[g.group], groups.rate_on(g, t.topic))
        for t in topics
        for g in chosen
        if t.topic in read[g.group]
    ]
    columns = (list(left.values()), list(middle.values()), list(right.values()))
    height = _place(columns, into + out)
    most = max((pair.per_s or 0 for pair in into + out), default=0)
    return Flow(
        *columns,
        _edges(into, most) + _edges(out, most),
        height,
        _left_out(
            (len(senders) - len(producers), "producer"),
            (len(all_topics) - len(topics), "topic"),
            (len(readers) - len(chosen), "group"),
        ),
    )


def _most(found: Sequence[T], first: Callable[[T], Any], name: Callable[[T], str]) -> list[T]:
    """The first MOST_NODES by one order, in the order of their names, so that they stay where they are."""
    return sorted(sorted(found, key=first)[:MOST_NODES], key=name)


def _rate_of(to: Mapping[str, float | None]) -> float:
    return sum(per_s or 0 for per_s in to.values())


def _worth_drawing(topics: list[TopicSnapshot], used: Sequence[set[str]]) -> list[TopicSnapshot]:
    """Topics that something passes, or somebody reads or writes; all of them where there is none such."""
    by_anybody: set[str] = set().union(*used)
    return [t for t in topics if t.rate or t.topic in by_anybody] or topics


def _busiest_first(group: GroupSnapshot) -> tuple[bool, float, int, str]:
    return groups.is_idle(group), -(group.consumed_rate or 0), -(group.lag or 0), group.group


def _topic_node(topic: TopicSnapshot) -> Node:
    return Node(topic.topic, rate(topic.rate), plural(len(topic.partitions), "partition"))


def _group_node(group: GroupSnapshot, status: Status) -> Node:
    return Node(group.group, rate(group.consumed_rate), f"lag {count(group.lag).text}", status)


def _place(columns: Sequence[list[Node]], pairs: Sequence[_Pair]) -> int:
    """Gives every node its place: each column in the middle of the highest one, whose height comes back."""
    for x, column in zip(COLUMNS, columns, strict=True):
        for node in column:
            node.x = x
            ports = max(sum(p.right is node for p in pairs), sum(p.left is node for p in pairs) // 2)
            node.height = max(NODE_HEIGHT, ports * PORT + 6)
    highest = max(_height(column) for column in columns)
    for column in columns:
        spare = (highest - _height(column)) / (len(column) or 1)
        y = spare / 2
        for node in column:
            node.y = round(y)
            y += node.height + GAP + spare
    return highest


def _height(column: list[Node]) -> int:
    return max(sum(node.height + GAP for node in column) - GAP, NODE_HEIGHT)


def _edges(pairs: Sequence[_Pair], most: float) -> list[Edge]:
    made = []
    for pair in pairs:
        leaving = sorted((p for p in pairs if p.left is pair.left), key=lambda p: p.right.y)
        coming = sorted((p for p in pairs if p.right is pair.right), key=lambda p: p.left.y)
        y1 = _port(pair.left, leaving.index(pair), len(leaving))
        y2 = _port(pair.right, coming.index(pair), len(coming))
        made.append(_edge(pair, y1, y2, most))
    return made


def _port(node: Node, index: int, of: int) -> int:
    """Where a band meets a node's side: they share it out evenly.

    >>> [_port(Node("a", rate(1), "", height=60), n, 3) for n in range(3)]
    [10, 30, 50]
    """
    return round(node.y + node.height * (index + 0.5) / of)


def _edge(pair: _Pair, y1: int, y2: int, most: float) -> Edge:
    x1, x2 = pair.left.x + NODE_WIDTH, pair.right.x
    bend = (x2 - x1) // 2
    passing = rate(pair.per_s)
    told = passing.plain if passing.known else "rate not known yet"
    if passing.known and pair.left.x == COLUMNS[0]:
        told += ", by what the producer says of its last 30 s"
    return Edge(
        key=f"{pair.left.name}{'→' if pair.left.x == COLUMNS[0] else '/'}{pair.right.name}",
        path=f"M{x1} {y1} C{x1 + bend} {y1} {x2 - bend} {y2} {x2} {y2}",
        width=f"{_stroke(pair.per_s or 0, most):.1f}",
        moving=bool(pair.per_s),
        title=f"{pair.left.name} to {pair.right.name}: {told}",
        label=passing.plain if passing.known else "",
        label_x=x2 - 8,
        label_y=y2 + 4,
    )


def _stroke(per_s: float, most: float) -> float:
    """Logarithmic, so that a quiet pair can still be seen beside a busy one.

    >>> _stroke(0, 100), _stroke(100, 100)
    (1.5, 10.0)
    """
    if per_s <= 0 or most <= 0:
        return MIN_STROKE
    return MIN_STROKE + (MAX_STROKE - MIN_STROKE) * log10(1 + 9 * per_s / most)


def _left_out(*missing: tuple[int, str]) -> str:
    """
    >>> _left_out((0, "producer"), (1, "topic"), (2, "group"))
    'The busiest are drawn; 1 more topic and 2 more groups not.'
    """
    told = [f"{n} more {noun}{'s' if n > 1 else ''}" for n, noun in missing if n]
    return f"The busiest are drawn; {' and '.join(told)} not." if told else ""

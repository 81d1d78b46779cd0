"""Topics: every log at a glance, with the groups that read it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dashboard.presenters import commands, groups, topics
from dashboard.presenters.words import plural
from streamlab.metrics.snapshot import Snapshot, TopicSnapshot

from . import trouble
from .database import fresh_connection
from .moments import Moment
from .page import Address, MenuEntry, Page
from .table import Column, link, listing


def _columns(snapshot: Snapshot, dead: Mapping[str, int]) -> tuple[Column, ...]:
    def oldest(topic: TopicSnapshot) -> int | None:
        known = [groups.time_lag_on(g, topic.topic) for g in groups.reading(snapshot, topic.topic)]
        return max((ms for ms in known if ms is not None), default=None)

    return (
        Column("name", "Topic", lambda t: t.topic, numeric=False),
        Column("rate", "Rate in", lambda t: t.rate, title="Records appended a second"),
        Column("records", "Records", lambda t: t.records, title="Records kept now"),
        Column("size", "Size", lambda t: t.size_bytes, title="Bytes kept now", secondary=True),
        Column("partitions", "Partitions", lambda t: len(t.partitions), secondary=True),
        Column(
            "skew",
            "Skew",
            lambda t: t.skew and t.skew.max_over_mean,
            title="Fullest partition over the mean",
            secondary=True,
        ),
        Column("age", "Time lag", oldest, title="Age of the oldest record that a group has not read yet"),
        Column(
            "dead", "Dead", lambda t: dead.get(t.topic, 0), title="Dead letters of its records, of all groups"
        ),
    )


@fresh_connection
def context(moment: Moment, address: Address) -> dict[str, Any]:
    snapshot = moment.snapshot
    with_internal = address.query.get("internal") == "1"
    hidden = sum(t.internal for t in snapshot.topics.values())
    shown = [t for t in snapshot.topics.values() if with_internal or not t.internal]
    dead = {} if moment.past else trouble.dead_by_topic()
    found = listing(shown, address, _columns(snapshot, dead), text=lambda t: t.topic, default_sort="name")
    readers = {g.group for t in found.rows for g in groups.reading(snapshot, t.topic)}
    statuses = groups.Statuses(moment.trends(readers))
    lines = moment.sparklines("topic", [t.topic for t in found.rows], "rate")
    failing = trouble.of_topics(moment, found.rows)
    return {
        "list": found,
        "rows": [
            (
                topics.row(
                    snapshot,
                    t,
                    statuses,
                    failing.dead.get(t.topic, 0) if failing.known else None,
                    failing.retrying.get(t.topic),
                ),
                lines[t.topic],
            )
            for t in found.rows
        ],
        "summary": plural(found.total, "topic"),
        "internal": with_internal,
        "hidden": hidden,
        "play_command": commands.PLAY_WITH_KEY,
        "internal_href": link(address, internal=None if with_internal else "1", page=None),
        "clear_href": link(address, q=None, page=None),
    }


PAGE = Page(
    name="topics",
    pattern="topics/",
    title=lambda address: "Topics",
    parts=("summary", "list"),
    context=context,
    winds=True,
    menu=MenuEntry("Topics", "", "t", "topics"),
)

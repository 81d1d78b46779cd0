"""One group: its members, who owns which partition, and how far each one is."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import Any

from dashboard.broker import broker
from dashboard.charts import Chart, Legend, Line
from dashboard.presenters import clients, commands, commits, epochs, groups, latency, rebalances, standing
from dashboard.presenters.figures import count, duration
from dashboard.projections.models import Rebalance
from streamlab.errors import StreamlabError
from streamlab.groups import offsets
from streamlab.metrics import commit_windows
from streamlab.metrics.positions import GroupPartition
from streamlab.metrics.snapshot import GroupSnapshot
from streamlab.model import TopicPartition

from . import advisor, marks, running
from .database import fresh_connection
from .moments import Gone, Moment
from .page import Address, Page
from .table import Column, link, listing

MOST_REBALANCES = 20
MOST_COMMITS = 12
"""Partitions whose commits are told, of those in the table: each draws as much as three rows of it."""
COLUMNS = (
    Column("partition", "Partition", attrgetter("topic", "partition"), numeric=False),
    Column("lag", "Lag", lambda p: p.lag, title="Records that the group has not read yet"),
    Column("time-lag", "Time lag", lambda p: p.time_lag_ms, title="Age of the oldest record not read yet"),
    Column("rate", "Rate out", lambda p: p.consumed_rate, title="Records committed a second"),
    Column("commit", "Last commit", lambda p: p.commit_ms, title="When the group committed last"),
)


def _group(moment: Moment, address: Address) -> GroupSnapshot:
    name = address.args["group"]
    try:
        return moment.snapshot.groups[name]
    except KeyError:
        raise Gone(f"There is no group “{name}”.") from None


def _rebalances(moment: Moment, group: str) -> list[Rebalance]:
    """One more than is shown, if there is one."""
    found = Rebalance.objects.filter(group=group)
    if moment.past:
        found = found.filter(at_ms__lte=moment.as_of_ms)
    return list(found.order_by("-at_ms", "-pk")[: MOST_REBALANCES + 1])


def _windows(moment: Moment, group: GroupSnapshot) -> standing.Windows | None:
    """The last commits of each partition; None for an earlier moment, of which they are not kept."""
    if moment.past:
        return None
    try:
        return commit_windows.read(broker().connection, group.group)
    except StreamlabError:
        return None


def _commits(
    moment: Moment, group: GroupSnapshot, shown: Sequence[GroupPartition], windows: standing.Windows
) -> list[commits.CommitRow]:
    places = [TopicPartition(p.topic, p.partition) for p in shown]
    try:
        found = offsets.fetch(broker().connection, group.group, places) if places else {}
    except StreamlabError:
        return []
    return commits.rows(group, found, windows, moment.read_at_ms)


def _members(moment: Moment, group: GroupSnapshot) -> list[tuple[groups.MemberRow, clients.ClientRow | None]]:
    """Each member with what its client measures; None where it is not known."""
    known = {} if moment.past else running.members_of(group.group)
    return [
        (row, clients.row(known[row.member_id], moment.read_at_ms) if row.member_id in known else None)
        for row in groups.member_rows(group)
    ]


def _latency(moment: Moment, group: GroupSnapshot) -> latency.Latency | None:
    """None for an earlier moment, whose clients are not kept, and where no member tells."""
    if moment.past:
        return None
    return latency.latency(running.clients().values(), group.group, groups.topics(group), moment.read_at_ms)


@fresh_connection
def context(moment: Moment, address: Address) -> dict[str, Any]:
    group = _group(moment, address)
    row = groups.row(group, moment.trends([group.group])[group.group])
    windows = _windows(moment, group)
    heading = row.trend.direction
    found = standing.of_group(group, windows, moment.as_of_ms, heading) if windows is not None else None
    advice = advisor.inline(moment, group=group.group)
    heard_of = _rebalances(moment, group.group)
    changes = rebalances.rows(heard_of[:MOST_REBALANCES], moment.read_at_ms)
    partitions = listing(
        group.partitions,
        address,
        COLUMNS,
        text=lambda p: f"{p.topic}/{p.partition}",
        default_sort="partition",
    )
    newest = max((p.commit_ms for p in group.partitions if p.commit_ms is not None), default=None)
    return {
        "group": row,
        "advice": advice,
        "cause": standing.explained(found, advice) if found else None,
        "paused": group.paused,
        "epoch": count(group.epoch, "changes of membership or subscription so far"),
        "start_command": commands.start_again(group.group),
        "assignor": group.assignor,
        "gone_unread": groups.gone_unread(group),
        "lost": groups.lost(group),
        "purged": group.partitions.purged,
        "standing": found,
        "latency": _latency(moment, group),
        "catches_up": duration(
            row.trend.closes_in_ms, "The lag is not falling" if group.lag else "Nothing waits"
        ),
        "last_commit": duration(
            None if newest is None else max(0, moment.as_of_ms - newest), groups.NOTHING_COMMITTED
        ),
        "members": _members(moment, group),
        "matrices": groups.matrices(group, sorted({p.topic for p in partitions.rows})),
        "list": partitions,
        "clear_href": link(address, q=None, page=None),
        "rows": [
            (p, found.of(f"{p.topic}/{p.partition}") if found else None)
            for p in groups.partition_rows(group, partitions.rows, moment.as_of_ms)
        ],
        "commits": _commits(moment, group, partitions.rows[:MOST_COMMITS], windows)
        if windows is not None
        else [],
        "commits_more": max(0, partitions.total - MOST_COMMITS),
        "commits_past": windows is None,
        "rebalances": changes,
        "earlier_rebalances": len(heard_of) > MOST_REBALANCES,
        "timeline": epochs.timeline(changes, moment.read_at_ms),
        "marks": marks.of_experiments(moment, group=group.group),
        "lag_legend": [Legend("lag", row.lag, 0)],
        "time_lag_legend": [Legend("time lag", row.time_lag, 0)],
    }


def charts(moment: Moment, address: Address) -> list[Chart]:
    name = _group(moment, address).group
    return [
        Chart(
            "lag",
            "Lag",
            "records",
            (Line("lag", "group", name, "lag"),),
            f"Records that {name} has not read yet, over the last 15 minutes.",
            area=True,
            floor=10,
        ),
        Chart(
            "time-lag",
            "Time lag",
            "s",
            (Line("time lag", "group", name, "time_lag_ms", 0.001),),
            f"Age in seconds of the oldest record that {name} has not read yet, over the last 15 minutes.",
            area=True,
            floor=1,
        ),
    ]


PAGE = Page(
    name="group",
    pattern="groups/<path:group>/",
    title=lambda address: address.args["group"],
    parts=(
        "figures",
        "standing",
        "lag-legend",
        "time-lag-legend",
        "members",
        "latency",
        "partitions",
        "commits",
        "rebalances",
        "marks",
    ),
    context=context,
    winds=True,
    charts=charts,
    under="groups",
)

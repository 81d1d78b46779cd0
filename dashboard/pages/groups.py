"""Groups: who reads, how far behind, how old, and which way it goes."""

from __future__ import annotations

from typing import Any

from dashboard.presenters import commands, groups
from dashboard.presenters.words import SEVERITY, plural
from streamlab.metrics.snapshot import GroupSnapshot

from .moments import Moment
from .page import Address, MenuEntry, Page
from .table import Column, link, listing

BEFORE_STATUS = (Column("name", "Group", lambda g: g.group, numeric=False),)
AFTER_STATUS = (
    Column(
        "state", "State", lambda g: g.state, numeric=False, title="State of its membership", secondary=True
    ),
    Column("members", "Members", lambda g: len(g.members)),
    Column("lag", "Lag", lambda g: g.lag, title="Records not yet read"),
    Column("age", "Time lag", lambda g: g.time_lag_ms, title="Age of the oldest record not yet read"),
    Column("rate", "Rate out", lambda g: g.consumed_rate, title="Records committed a second"),
)


def _columns(moment: Moment) -> tuple[Column, ...]:
    """The columns; the status of a group depends on where its lag is heading at this moment."""

    def severity(group: GroupSnapshot) -> tuple[int, int]:
        trends = moment.trends(moment.snapshot.groups)  # all at once; a moment reads them only once
        return SEVERITY[groups.status(group, trends[group.group]).tone], -(group.lag or 0)

    status = Column("status", "Status", severity, numeric=False, title="What wants attention first")
    return (*BEFORE_STATUS, status, *AFTER_STATUS)


def context(moment: Moment, address: Address) -> dict[str, Any]:
    snapshot = moment.snapshot
    found = listing(
        list(snapshot.groups.values()), address, _columns(moment), text=lambda g: g.group, default_sort="name"
    )
    trends = moment.trends([g.group for g in found.rows])
    lines = moment.sparklines("group", trends, "lag")
    return {
        "list": found,
        "rows": [(groups.row(g, trends[g.group]), lines[g.group]) for g in found.rows],
        "consume_command": commands.consume(),
        "summary": plural(found.total, "group"),
        "clear_href": link(address, q=None, page=None),
    }


PAGE = Page(
    name="groups",
    pattern="groups/",
    title=lambda address: "Groups",
    parts=("summary", "list"),
    context=context,
    winds=True,
    menu=MenuEntry("Groups", "", "g", "groups"),
)

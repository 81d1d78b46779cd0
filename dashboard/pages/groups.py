"""Groups: who reads, how far behind, how old, and which way it goes."""

from __future__ import annotations

from typing import Any

from dashboard.presenters import groups
from dashboard.presenters.words import SEVERITY, plural

from .moments import Moment
from .page import Address, MenuEntry, Page
from .table import Column, link, listing

COLUMNS = (
    Column("name", "Group", lambda g: g.group, numeric=False),
    Column("status", "Status", lambda g: _severity(g), numeric=False, title="What wants attention first"),
    Column(
        "state", "State", lambda g: g.state, numeric=False, title="State of its membership", secondary=True
    ),
    Column("members", "Members", lambda g: len(g.members)),
    Column("lag", "Lag", lambda g: g.lag, title="Records not yet read"),
    Column("age", "Time lag", lambda g: g.time_lag_ms, title="Age of the oldest record not yet read"),
    Column("rate", "Rate out", lambda g: g.consumed_rate, title="Records committed a second"),
)


def _severity(group: Any) -> tuple[int, int]:
    return SEVERITY[groups.status(group).tone], -(group.lag or 0)


def context(moment: Moment, address: Address) -> dict[str, Any]:
    snapshot = moment.snapshot
    found = listing(
        list(snapshot.groups.values()), address, COLUMNS, text=lambda g: g.group, default_sort="name"
    )
    trends = moment.trends([g.group for g in found.rows])
    lines = moment.sparklines("group", trends, "lag")
    return {
        "list": found,
        "rows": [(groups.row(g, trends[g.group]), lines[g.group]) for g in found.rows],
        "summary": plural(found.total, "group"),
        "clear_href": link(address, q=None, page=None),
    }


PAGE = Page(
    name="groups",
    pattern="groups/",
    title=lambda address: "Groups",
    parts=("summary", "list"),
    context=context,
    menu=MenuEntry("Groups", "", "g", "groups"),
)

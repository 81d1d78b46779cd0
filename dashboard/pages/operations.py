"""Operations: everything that was asked for, by whom, and what came of it."""

from __future__ import annotations

from typing import Any

from dashboard.operations import life
from dashboard.operations.models import Operation, State
from dashboard.operations.registry import KINDS
from dashboard.presenters import operations

from .database import fresh_connection, page_of
from .moments import Moment
from .page import Address, MenuEntry, Page
from .table import link


@fresh_connection
def context(moment: Moment, address: Address) -> dict[str, Any]:
    everything = Operation.objects.select_related("created_by", "confirmed_by")
    wanted, state = address.query.get("q", "").strip(), address.query.get("state", "")
    found = everything.filter(life.search(wanted)) if wanted else everything
    found = found.filter(state=state) if state in State.values else found
    listed = page_of(found, address)
    return {
        "list": listed,
        "rows": [operations.row(operation, moment.read_at_ms) for operation in listed.rows],
        "kinds": KINDS.values(),
        "states": [(value, link(address, state=value, page=None), value == state) for value in State.values],
        "all_href": link(address, state=None, q=None, page=None),
        "filtered": bool(wanted or state),
        "summary": listed.counted("operation"),
    }


PAGE = Page(
    name="operations",
    pattern="operations/",
    title=lambda address: "Operations",
    parts=("summary", "list"),
    context=context,
    measured=False,
    menu=MenuEntry("Operations", "Work", "p", "operations"),
)

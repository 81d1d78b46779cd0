"""The audit trail: who did what, when, from where. It outlives what it tells of, such as drafts nobody confirmed."""

from __future__ import annotations

from typing import Any

from django.db.models import Q

from dashboard.audit.models import Entry
from dashboard.operations.models import Operation

from .database import fresh_connection, page_of
from .moments import Moment
from .page import Address, MenuEntry, Page
from .table import link


def found(address: Address) -> Any:
    """The entries that the address asks for, newest first."""
    wanted = address.query.get("q", "").strip()
    entries = Entry.objects.all()
    if wanted:
        fields = ("who", "action", "subject", "origin")
        some = Q()
        for field in fields:
            some |= Q(**{f"{field}__icontains": wanted})
        entries = entries.filter(some)
    return entries


@fresh_connection
def context(moment: Moment, address: Address) -> dict[str, Any]:
    listed = page_of(found(address), address)
    numbers = {entry.operation for entry in listed.rows if entry.operation is not None}
    return {
        "list": listed,
        "kept": set(Operation.objects.filter(pk__in=numbers).values_list("pk", flat=True)),
        "summary": listed.counted("entry", "entries"),
        "all_href": link(address, q=None, page=None),
        "export_query": address.query.urlencode(),
    }


PAGE = Page(
    name="audit",
    pattern="audit/",
    title=lambda address: "Audit",
    parts=("summary", "list"),
    context=context,
    measured=False,
    menu=MenuEntry("Audit", "Work", "a", "audit"),
)

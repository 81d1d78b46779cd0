"""One operation: what it would do, how far it is, what came of it."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.urls import reverse

from dashboard.audit.models import Entry
from dashboard.masking.operations import shown_preview, shown_spec
from dashboard.operations.kind import Kind, Since
from dashboard.operations.models import Operation, State
from dashboard.operations.registry import KINDS
from dashboard.operations.since import since
from dashboard.presenters import operations
from dashboard.presenters.figures import clock
from dashboard.presenters.payload import visible

from .database import fresh_connection
from .moments import Gone, Moment
from .page import Address, Page

MOST_ENTRIES = 50
LONGEST_QUERY = 2_000
"""Characters of an address that fills a form in: some servers take no longer ones."""


def _operation(address: Address) -> Operation:
    try:
        found = Operation.objects.select_related("created_by", "confirmed_by", "undoes")
        return found.get(pk=int(address.args["number"]))
    except (Operation.DoesNotExist, OverflowError):
        raise Gone(f"There is no operation {address.args['number']}; drafts are kept for a day.") from None


def _for_people(shown: dict[str, Any]) -> dict[str, Any]:
    """A preview or result: what it quotes made visible, its cells with whether their column holds numbers."""
    shown = _visible({name: part for name, part in shown.items() if name != "data"})
    table = shown.get("table")
    if not table:
        return shown
    numeric = table.get("numeric") or [False] * len(table["heads"])
    rows = [list(zip(row, numeric, strict=True)) for row in table["rows"]]
    return {
        **shown,
        "table": {**table, "heads": list(zip(table["heads"], numeric, strict=True)), "rows": rows},
    }


def _visible(shown: Any) -> Any:
    match shown:
        case str():
            return visible(shown)
        case list() | tuple():
            return [_visible(part) for part in shown]
        case dict():
            return {name: _visible(part) for name, part in shown.items()}
    return shown


def _result(operation: Operation, later: Since | None) -> dict[str, Any]:
    shown = _for_people(operation.result)
    return {**shown, "facts": later.facts} if later else shown


def _trail(operation: Operation) -> dict[str, Any]:
    found = Entry.objects.filter(operation=operation.pk).order_by("-id")
    newest = list(found[: MOST_ENTRIES + 1])
    return {
        "trail": newest[:MOST_ENTRIES][::-1],
        "trail_more": found.count() - MOST_ENTRIES if len(newest) > MOST_ENTRIES else 0,
    }


def _entered_href(operation: Operation, kind: Kind | None) -> str:
    """Of a draft: its form, filled in as it was; "" where the form cannot be, or would show what records hold."""
    if kind is None or kind.contents is not None or operation.state != State.DRAFT or operation.undoes_id:
        return ""
    entered = kind.form.entered(operation.spec)
    if entered is None:
        return ""
    said = urlencode({name: value for name, value in entered.items() if value not in (None, "", False)})
    return f"{reverse('operation-new', args=[kind.name])}?{said}" if len(said) <= LONGEST_QUERY else ""


LEADING = ("experiment", "start-load", "change-load")
"""Kinds whose pages lead on to what was set going."""


def _load_name(operation: Operation) -> str:
    """Of the load that was started or changed; "" before that."""
    if operation.kind not in LEADING or operation.state != State.DONE:
        return ""
    return operation.subject.removeprefix("load ") if operation.subject.startswith("load ") else ""


def _dropped_by(operation: Operation) -> str:
    """Who dropped a preview that nobody had confirmed; "" when that is not what became of it."""
    if operation.state != State.CANCELLED or operation.confirmed_at is not None:
        return ""
    found = Entry.objects.filter(operation=operation.pk, action="operation.cancelled").order_by("-id").first()
    return found.who if found and found.who else "somebody"


@fresh_connection
def context(moment: Moment, address: Address) -> dict[str, Any]:
    operation = _operation(address)
    kind = KINDS.get(operation.kind)
    undo = operation.undone_by.order_by("-id").first()
    later = since(operation)
    silent = operations.silence(operation, moment.read_at_ms)
    return {
        "operation": operation,
        "error": visible(operation.error),
        "row": operations.row(operation, moment.read_at_ms),
        "kind": kind,
        "command": visible(kind.command(shown_spec(kind.name, operation.spec))) if kind else "",
        "preview": _for_people(shown_preview(operation)),
        "result": _result(operation, later),
        "since": later,
        "since_at": clock(moment.read_at_ms),
        "entered_href": _entered_href(operation, kind),
        "typed_name": operation.subject.partition(" ")[2],
        "share": operations.share_done(operation),
        "steps": operations.steps(operation),
        "eta": "" if silent else operations.time_left(operation, moment.read_at_ms),
        "silent": silent,
        "left_over": operations.left_over(operation),
        "dropped_by": _dropped_by(operation),
        "leading": LEADING,
        "load_name": _load_name(operation),
        "undone_by": undo,
        "can_undo": bool(
            kind and operation.state == "done" and kind.undo(operation.spec, operation.result.get("data", {}))
        ),
        **_trail(operation),
    }


PAGE = Page(
    name="operation",
    pattern="operations/<int:number>/",
    title=lambda address: f"Operation {address.args['number']}",
    parts=("headline", "leads", "progress", "outcome", "trail"),
    context=context,
    measured=False,
    under="operations",
)

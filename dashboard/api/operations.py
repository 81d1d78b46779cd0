"""Operations: draft (which previews), confirm, cancel, take back. All kinds through one set of addresses.

The fields are those of the kind's form, and the form judges them, so page and API accept the same and mean the same. A
field that is not given is what the page would have filled in; a field that the kind does not know is refused, for a
typing mistake in a filter would otherwise widen it.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any, Literal

from django import forms
from django.http import HttpRequest, HttpResponse
from ninja import Field, Query, Router, Schema, Status

from dashboard.access.caller import NotAllowed
from dashboard.access.scopes import OPERATIONS_WRITE
from dashboard.audit import trail
from dashboard.broker import broker
from dashboard.masking.operations import shown_preview, shown_spec
from dashboard.operations import life
from dashboard.operations.kind import Form, Kind
from dashboard.operations.models import Operation, State
from dashboard.operations.registry import KINDS
from dashboard.operations.since import since
from dashboard.pages.moments import Gone

from .body import Body
from .door import actor, caller, operates, reads
from .fields import valid
from .numbered import numbered
from .paging import Page, Paging, page_of
from .problems import AskedWrongly

router = Router(tags=["Operations"])
StateName = Literal["draft", "queued", "running", "done", "cancelled", "failed", "undone"]
Value = str | int | float | bool | dict[str, Any] | list[Any] | None


class KindField(Schema):
    name: str
    label: str
    help: str
    required: bool
    type: str = Field(description="text, integer, number, boolean, time, choice or json")
    choices: list[str] | None = Field(description="Of a choice, as things are now; null: any.")
    initial: Any = Field(description="What it is when it is not given.")


class OperationKind(Schema):
    name: str
    title: str
    about: str
    role: str
    dangerous: bool = Field(description="Confirming it needs the name of what is destroyed.")
    resumable: bool


class OperationKindInFull(OperationKind):
    fields: list[KindField]


class Table(Schema):
    heads: list[str]
    rows: list[list[Any]]
    left_out: int = 0


class Effect(Schema):
    """What it would do, or what it did."""

    effect: str
    facts: list[list[str]] = Field(default_factory=list)
    commands: list[list[str]] = Field(default_factory=list, description="To go on in a shell: words, line.")
    table: Table | None = None
    warnings: list[str] = Field(default_factory=list)
    blocked: str = Field("", description="Why it cannot be confirmed as things are.")
    undo: str = Field("", description="How it could be taken back.")


class Since(Schema):
    """What is known now of what it set going, such as letters that recover after their replay."""

    facts: list[list[str]]
    settled: bool = Field(description="Nothing more can come of it.")


class OperationInShort(Schema):
    number: int
    kind: str
    subject: str
    state: StateName
    effect: str
    created_at: datetime
    created_by: str | None
    done: int
    total: int | None


class OperationInFull(OperationInShort):
    spec: dict[str, Any]
    preview: Effect
    previewed_at: datetime | None
    confirm_with: str = Field(description='What "typed" must say to confirm it; "": nothing.')
    confirmed_at: datetime | None
    confirmed_by: str | None
    started_at: datetime | None
    finished_at: datetime | None
    note: str
    result: Effect | None = Field(description="As it was when it ended.")
    since: Since | None = Field(description="Null: the result says all that is known.")
    error: str
    undoes: int | None = Field(description="The operation that this one takes back.")
    can_undo: bool
    command: str = Field(description='The same in a shell; "": there is no such command.')


class Draft(Body):
    kind: str = Field(max_length=40, description="One of /operations/kinds.")
    fields: dict[str, Value] = Field({}, description="Fields of the kind; times in ISO 8601.")


class Confirmation(Body):
    typed: str = Field("", max_length=300, description="The name of what is destroyed, for dangerous kinds.")
    previewed_at: datetime | None = Field(
        None, description="Of the preview that is confirmed: refused when there is a newer one. Null: any."
    )


class OperationQuery(Paging):
    q: str = Field("", max_length=300, description="In kind, subject, who drafted it; or a number.")
    state: StateName | None = None


@router.get(
    "/operations/kinds", auth=reads, response=list[OperationKind], operation_id="list_operation_kinds"
)
def kinds(request: HttpRequest) -> object:
    """Everything that can be asked for."""
    return [_kind(kind) for kind in KINDS.values()]


@router.get(
    "/operations/kinds/{name}", auth=reads, response=OperationKindInFull, operation_id="get_operation_kind"
)
def kind(request: HttpRequest, name: str, entity: str = "", setting: str = "") -> object:
    """One kind with its fields.

    Those of `configure` depend on the `entity`, such as `group:revenue`, those of `experiment` also on the `setting`.
    """
    found = _known(name)
    asked = {name: value for name, value in (("entity", entity), ("setting", setting)) if value}
    form = found.form(initial=asked, broker=broker())
    return {**_kind(found), "fields": [_field(form, name) for name in form.fields]}


@router.get("/operations", auth=reads, response=Page[OperationInShort], operation_id="list_operations")
def operations(request: HttpRequest, query: Query[OperationQuery]) -> object:
    """Operations, the newest first."""
    found = Operation.objects.select_related("created_by", "confirmed_by")
    found = found.filter(life.search(query.q)) if query.q else found
    found = found.filter(state=query.state) if query.state else found
    return page_of(found, query, _short)


@router.post("/operations", auth=operates, response={201: OperationInFull}, operation_id="draft_operation")
def draft(request: HttpRequest, body: Draft, response: HttpResponse) -> object:
    """Preview an operation and keep it as a draft. Nothing is changed before it is confirmed."""
    wanted = KINDS.get(body.kind)
    if wanted is None:
        raise AskedWrongly({"kind": [f"There is no operation {body.kind}; /operations/kinds lists them."]})
    _allow(request, wanted)
    form = valid(_filled(wanted, body.fields))
    made = life.draft(wanted, form.spec(), actor(request))
    response.headers["Location"] = f"/api/v1/operations/{made.pk}"
    return Status(201, _full(made))


@router.get("/operations/{int:number}", auth=reads, response=OperationInFull, operation_id="get_operation")
def operation(request: HttpRequest, number: int) -> object:
    """One operation: what it would do, how far it is, what came of it."""
    return _full(_operation(number))


@router.post(
    "/operations/{int:number}/preview",
    auth=operates,
    response=OperationInFull,
    operation_id="preview_operation",
)
def preview(request: HttpRequest, number: int) -> object:
    """Look again at what a draft would do now."""
    found = _mine(request, number)
    life.preview_again(found, actor(request))
    return _full(found)


@router.post(
    "/operations/{int:number}/confirm",
    auth=operates,
    response=OperationInFull,
    operation_id="confirm_operation",
)
def confirm(request: HttpRequest, number: int, body: Confirmation) -> object:
    """Let it be carried out. It fails, changing nothing, when the broker is no longer as the preview saw it."""
    found = _mine(request, number)
    life.confirm(found, actor(request), body.typed, body.previewed_at)
    return _full(found)


@router.post(
    "/operations/{int:number}/cancel",
    auth=operates,
    response=OperationInFull,
    operation_id="cancel_operation",
)
def cancel(request: HttpRequest, number: int) -> object:
    """Stop it at its next step; what was done until then stays done."""
    found = _mine(request, number)
    life.cancel(found, actor(request))
    return _full(found)


@router.post(
    "/operations/{int:number}/undo",
    auth=operates,
    response={201: OperationInFull},
    operation_id="undo_operation",
)
def undo(request: HttpRequest, number: int, response: HttpResponse) -> object:
    """Draft the operation that takes this one back; it is to be confirmed like any other."""
    made = life.undo(_mine(request, number), actor(request))
    response.headers["Location"] = f"/api/v1/operations/{made.pk}"
    return Status(201, _full(made))


def _known(name: str) -> Kind:
    if name not in KINDS:
        raise Gone(f"There is no operation {name}; /operations/kinds lists them.")
    return KINDS[name]


def _operation(number: int) -> Operation:
    found = Operation.objects.select_related("created_by", "confirmed_by")
    return numbered(found, number, f"There is no operation {number}; drafts are kept for a day.")


def _mine(request: HttpRequest, number: int) -> Operation:
    """One that the caller may move on. Raises NotAllowed."""
    found = _operation(number)
    _allow(request, _known(found.kind))
    return found


def _allow(request: HttpRequest, wanted: Kind) -> None:
    try:
        caller(request).require(wanted.role, OPERATIONS_WRITE)
    except NotAllowed:
        trail.record(actor(request), "operation.refused", wanted.name)
        raise


def _filled(wanted: Kind, given: dict[str, Value]) -> Form:
    """The kind's form as the page would send it. Raises AskedWrongly."""
    fields = {name: value for name, value in given.items() if value is not None}
    blank = wanted.form(initial=fields, broker=broker())
    if unknown := sorted(set(fields) - set(blank.fields)):
        has = ", ".join(blank.fields)
        raise AskedWrongly(
            {f"fields.{name}": [f"{wanted.name} has no such field; it has {has}."] for name in unknown}
        )
    for name, value in fields.items():
        if isinstance(value, (dict, list)) and not isinstance(blank.fields[name], forms.JSONField):
            raise AskedWrongly({f"fields.{name}": ["It is text or a number, not a list or an object."]})
    shown = {name: blank.get_initial_for_field(field, name) for name, field in blank.fields.items()}
    return wanted.form({name: value for name, value in shown.items() if value is not None}, broker=broker())


def _kind(found: Kind) -> dict[str, Any]:
    shown = {name: getattr(found, name) for name in ("name", "title", "about", "dangerous", "resumable")}
    return {**shown, "role": found.role.value}


_TYPES: tuple[tuple[type[forms.Field], str], ...] = (
    (forms.JSONField, "json"),
    (forms.FloatField, "number"),
    (forms.IntegerField, "integer"),
    (forms.BooleanField, "boolean"),
    (forms.DateTimeField, "time"),
    (forms.ChoiceField, "choice"),
)


def _field(form: Form, name: str) -> dict[str, Any]:
    field = form.fields[name]
    offered: Any = field.choices if isinstance(field, forms.ChoiceField) else None
    choices = None if offered is None else [str(value) for value, _ in offered]
    return {
        "name": name,
        "label": str(field.label or name),
        "help": str(field.help_text),
        "required": field.required,
        "type": next(
            (word for kind, word in _TYPES if type(field) is kind or isinstance(field, kind)), "text"
        ),
        "choices": choices,
        "initial": form.get_initial_for_field(field, name),
    }


def _short(found: Operation) -> dict[str, Any]:
    return {
        "number": found.pk,
        "kind": found.kind,
        "subject": found.subject,
        "state": found.state,
        "effect": found.result.get("effect") or found.preview.get("effect", ""),
        "created_at": found.created_at,
        "created_by": found.created_by.get_username() if found.created_by else None,
        "done": found.done,
        "total": found.total,
    }


def _full(found: Operation) -> dict[str, Any]:
    wanted, spec = KINDS.get(found.kind), shown_spec(found.kind, found.spec)
    done, later = found.state == State.DONE, since(found)
    return {
        **_short(found),
        "spec": spec,
        "preview": shown_preview(found),
        "previewed_at": found.previewed_at,
        "confirm_with": life.typed_name(found) if wanted else "",
        "confirmed_at": found.confirmed_at,
        "confirmed_by": found.confirmed_by.get_username() if found.confirmed_by else None,
        "started_at": found.started_at,
        "finished_at": found.finished_at,
        "note": found.note,
        "result": found.result or None,
        "since": asdict(later) if later else None,
        "error": found.error,
        "undoes": found.undoes_id,
        "can_undo": bool(wanted and done and wanted.undo(found.spec, found.result.get("data", {}))),
        "command": wanted.command(spec) if wanted else "",
    }

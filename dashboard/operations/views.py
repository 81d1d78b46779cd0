"""The few addresses that change something: ask for an operation, confirm, cancel, take back.

All are POSTs of an operator with a CSRF token; looking at operations is a page like any other.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.dateparse import parse_datetime
from django.views.decorators.http import require_http_methods, require_POST

from dashboard.access.roles import has_role
from dashboard.audit import trail
from dashboard.audit.trail import actor_of
from dashboard.broker import broker
from dashboard.pages.registry import menu
from streamlab.delivery.dead_letter import LetterAddress
from streamlab.errors import StreamlabError

from . import life
from .kind import Kind
from .life import ConfirmedAlready, NotNow
from .models import Operation
from .registry import KINDS

Step = Callable[[HttpRequest, Operation], HttpResponse]


def allow(request: HttpRequest, kind: Kind, what: str) -> None:
    """Raises PermissionDenied, and leaves a trail, unless this person may do such a thing."""
    if not has_role(request.user, kind.role):
        trail.record(actor_of(request), "operation.refused", what)
        raise PermissionDenied(f"This needs the role {kind.role}. Ask an Admin for it.")


@require_http_methods(["GET", "HEAD", "POST"])
def new(request: HttpRequest, name: str) -> HttpResponse:
    """The form of a kind, filled in from the query; POST previews what it says and keeps that as a draft."""
    kind = KINDS.get(name)
    if kind is None:
        raise Http404(f"There is no operation “{name}”.")
    allow(request, kind, kind.name)
    status = 200
    try:
        form = kind.form(request.POST or None, initial=_initial(request), broker=broker())
        if request.method == "POST":
            if form.is_valid():
                operation = life.draft(kind, form.spec(), actor_of(request))
                return redirect("operation", operation.pk)
            status = 422
    except StreamlabError as error:
        return render(request, "pages/operation/cannot.html", _shell(kind, reason=str(error)), status=503)
    shell = _shell(kind, form=form, nothing="" if form.is_bound else nothing_to_choose(form))
    return render(request, kind.template, shell, status=status)


NOTHING = {
    "dlq": "No record has died yet. One that a worker gives up can be chosen here within two seconds.",
    "group": "No consumer group has ever been here. One is made by the first consumer that subscribes.",
    "topic": "There is no topic yet. One is made when something is first sent to it.",
}
"""What to say of a field that offers no choice, by its name."""


def _initial(request: HttpRequest) -> dict[str, str]:
    """What the address fills in; what is given several times, such as picked letters, in one text."""
    return {name: " ".join(filter(None, request.GET.getlist(name))) for name in request.GET}


def nothing_to_choose(form: forms.BaseForm) -> str:
    """Why the form cannot be filled in now; "" when it can."""
    for name, field in form.fields.items():
        choices: Any = getattr(field, "choices", None)  # lazy ones have no type that says so
        if isinstance(field, forms.ChoiceField) and field.required and not any(choices):
            return NOTHING.get(name, f"There is nothing to choose for “{field.label}” yet.")
    return ""


@require_POST
def replay_now(request: HttpRequest) -> HttpResponse:
    """One click: replay one dead letter to its group, without the page in between. The button says all that it does."""
    kind = KINDS["replay"]
    letter = request.POST.get("letter", "")
    allow(request, kind, f"replay {letter}")
    try:
        where = LetterAddress.parse(letter)
        spec = {"dlq": where.topic, "letters": [letter], "to": "group", "guard": 100.0}
        operation = life.draft(kind, spec, actor_of(request))
        life.confirm(operation, actor_of(request))
    except (ValueError, NotNow, StreamlabError) as reason:
        messages.error(request, str(reason))
        return redirect("dead-letters")
    messages.success(request, f"Operation {operation.pk} replays it.")
    return redirect("letter", where.topic, where.partition, where.offset)


def _shell(kind: Kind, **more: object) -> dict[str, object]:
    return {"title": kind.title, "menu": menu(), "current": kind.menu, "kind": kind, **more}


def _step(step: Step) -> Callable[[HttpRequest, int], HttpResponse]:
    """A POST that moves one operation on; whoever may not, or comes too late, is told."""

    @require_POST
    @wraps(step)
    def view(request: HttpRequest, number: int) -> HttpResponse:
        operation = get_object_or_404(Operation, pk=number)
        allow(request, life.kind_of(operation), f"{step.__name__} {operation.kind}: {operation.subject}")
        try:
            return step(request, operation)
        except (NotNow, StreamlabError) as reason:
            messages.error(request, str(reason))
            return redirect("operation", operation.pk)

    return view


@_step
def confirm(request: HttpRequest, operation: Operation) -> HttpResponse:
    with suppress(ConfirmedAlready):
        seen = parse_datetime(request.POST.get("seen", ""))
        life.confirm(operation, actor_of(request), request.POST.get("typed", ""), seen)
    return redirect("operation", operation.pk)


@_step
def preview(request: HttpRequest, operation: Operation) -> HttpResponse:
    life.preview_again(operation, actor_of(request))
    return redirect("operation", operation.pk)


@_step
def cancel(request: HttpRequest, operation: Operation) -> HttpResponse:
    life.cancel(operation, actor_of(request))
    return redirect("operation", operation.pk)


@_step
def undo(request: HttpRequest, operation: Operation) -> HttpResponse:
    return redirect("operation", life.undo(operation, actor_of(request)).pk)


@_step
def again(request: HttpRequest, operation: Operation) -> HttpResponse:
    """The same once more, as a new draft against the broker as it is now."""
    return redirect("operation", life.draft(life.kind_of(operation), operation.spec, actor_of(request)).pk)

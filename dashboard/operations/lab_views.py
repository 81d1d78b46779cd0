"""Addresses of the lab that change something with one click, and loads as files.

Each click is an operation like any other: previewed, kept, run by a worker, in the audit trail. The button says all
that it does, so there is no page in between. Only to stop an experiment is no operation: it stops one.
"""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import urlencode

import msgspec
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from dashboard.audit.trail import actor_of
from dashboard.broker import broker
from streamlab.errors import StreamlabError
from streamlab.lab.loads.desired import Loads
from streamlab.lab.loads.files import MOST_BYTES, changed, exported, imported
from streamlab.lab.scenarios import SCENARIOS, scenario

from . import life, stopping
from .kinds.load_fields import differences
from .life import NotNow
from .models import ACTIVE, Operation
from .registry import KINDS
from .views import allow

WAIT_S = 2.0
"""So long a click waits for its effect, so that the next page shows it."""
_NOT_FIELDS = ("csrfmiddlewaretoken", "do", "name", "story")


@require_POST
def now(request: HttpRequest) -> HttpResponse:
    """One click: `do` is start, change or stop; further fields are places of the load."""
    do, name = request.POST.get("do", ""), request.POST.get("name", "")
    kind = KINDS.get(f"{do}-load")
    allow(request, kind or KINDS["start-load"], f"{do} load {name}")
    if kind is None:
        raise Http404(f"There is no “{do}”.")
    try:
        spec = _spec(do, name, {p: v for p, v in request.POST.items() if p not in _NOT_FIELDS})
        operation = life.draft(kind, spec, actor_of(request))
        life.confirm(operation, actor_of(request))
        _await(operation)
    except (NotNow, StreamlabError) as reason:
        return _answer(request, name, str(reason), failed=True)
    if operation.error:
        return _answer(request, name, operation.error, failed=True)
    return _answer(request, name, operation.result.get("effect") or f"Operation {operation.pk} does it.")


def _answer(request: HttpRequest, name: str, says: str, failed: bool = False) -> HttpResponse:
    """Back to where the click was made: to the load, or to the step of a story, which may stay where it is."""
    if "application/json" in request.headers.get("Accept", ""):
        return JsonResponse({"says": says}, status=409 if failed else 200)
    (messages.error if failed else messages.success)(request, says)
    step = request.POST.get("story", "")
    if step and name in SCENARIOS:
        return redirect(f"{reverse('story', args=[name])}?{urlencode({'step': step})}")
    return redirect("load", name) if name in SCENARIOS or not failed else redirect("lab")


def _spec(do: str, name: str, fields: dict[str, Any]) -> dict[str, Any]:
    """Raises StreamlabError."""
    if do == "start":
        return {"load": msgspec.to_builtins(changed(scenario(name).load, fields))}
    if do == "stop":
        return {"name": name}
    load = Loads(broker().connection).require(name).load
    found = differences(load, changed(load, fields))
    if not found:
        raise NotNow("That is what it does already.")
    return {"name": name, "changes": {place: after for place, (_, after) in found.items()}}


def _await(operation: Operation) -> None:
    deadline = time.monotonic() + WAIT_S
    while operation.state in ACTIVE and time.monotonic() < deadline:
        time.sleep(0.05)
        operation.refresh_from_db()


@require_POST
def from_file(request: HttpRequest) -> HttpResponse:
    """A load from a file somebody was given: a draft, to be looked at and confirmed."""
    kind = KINDS["start-load"]
    allow(request, kind, "start a load from a file")
    file = request.FILES.get("file")
    try:
        if file is None:
            raise NotNow("Choose a file first.")
        load = imported(file.read(MOST_BYTES + 1))
        return redirect(
            "operation", life.draft(kind, {"load": msgspec.to_builtins(load)}, actor_of(request)).pk
        )
    except (NotNow, StreamlabError) as reason:
        messages.error(request, str(reason))
        return redirect("lab")


@require_POST
def stop_experiment(request: HttpRequest, id: str) -> HttpResponse:
    """Stop the one that runs, whoever started it and from where: its process puts the setting back."""
    allow(request, KINDS["experiment"], f"stop experiment {id}")
    try:
        stopping.stop_experiment(id, actor_of(request))
        messages.success(request, "It stops within a second or two, and puts the setting back.")
    except (NotNow, StreamlabError) as reason:
        messages.error(request, str(reason))
    return redirect("experiment", id)


@require_safe
def as_file(request: HttpRequest, name: str) -> HttpResponse:
    """A running load, else a scenario, as a file to keep or give to somebody."""
    try:
        desired = Loads(broker().connection).get(name)
    except StreamlabError:
        desired = None
    if desired is None and name not in SCENARIOS:
        raise Http404(f"There is no load “{name}”.")
    load = desired.load if desired else SCENARIOS[name].load
    answer = HttpResponse(exported(load), content_type="application/json")
    answer.headers["Content-Disposition"] = f'attachment; filename="{load.name}.load.json"'
    return answer

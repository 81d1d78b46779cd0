"""People: who may come in, and as what. Admins only."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from dashboard.access import people
from dashboard.access.forms import PersonForm, RoleForm
from dashboard.access.leaving import Held
from dashboard.access.models import User
from dashboard.access.needs import needs_role, person, show
from dashboard.access.people import NotPossible
from dashboard.access.roles import Role
from dashboard.audit import trail
from dashboard.audit.trail import actor_of
from dashboard.pages.database import page_of
from dashboard.pages.page import Address


@needs_role(Role.ADMIN)
@require_http_methods(["GET", "HEAD", "POST"])
def everybody(request: HttpRequest) -> HttpResponse:
    """The list with a form below; POST adds a person and shows their sign-in link, this once."""
    form, status = PersonForm(request.POST or None), 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            actor = actor_of(request)
            try:
                user = people.add(form.cleaned_data["username"], Role(form.cleaned_data["role"]), actor)
                return _shown(request, PersonForm(), 201, user, people.new_link(user, actor))
            except NotPossible as reason:
                form.add_error("username", str(reason))
    return _shown(request, form, status)


def _shown(
    request: HttpRequest, form: PersonForm, status: int = 200, user: User | None = None, path: str = ""
) -> HttpResponse:
    listed = page_of(people.everybody(), Address(reverse("people"), {}, request.GET))
    response = show(
        request,
        "access/people.html",
        "People",
        "people",
        status,
        form=form,
        list=listed,
        rows=[(one, people.shown_role(one), one.pk == person(request).pk) for one in listed.rows],
        roles=list(Role),
        link=request.build_absolute_uri(path) if path else "",
        link_of=user,
    )
    response.headers["Cache-Control"] = "no-store, private"
    return response


def _step(step: Callable[[HttpRequest, User], HttpResponse | None]) -> Callable[..., HttpResponse]:
    """Something about one person; what is not possible is told."""

    @needs_role(Role.ADMIN)
    @wraps(step)
    def view(request: HttpRequest, number: int) -> HttpResponse:
        user = get_object_or_404(User, pk=number)
        try:
            return step(request, user) or redirect("people")
        except NotPossible as reason:
            if request.method == "POST":
                trail.record(
                    actor_of(request), "person.refused", user.username, step=step.__name__, error=str(reason)
                )
            messages.error(request, str(reason))
            return redirect("people")

    return view


@require_POST
@_step
def change_role(request: HttpRequest, user: User) -> None:
    form = RoleForm(request.POST)
    if not form.is_valid():
        raise NotPossible("There is no such role.")
    people.change_role(user, Role(form.cleaned_data["role"]), actor_of(request))


@require_http_methods(["GET", "HEAD", "POST"])
@_step
def deactivate(request: HttpRequest, user: User) -> HttpResponse | None:
    """GET shows what would end, POST ends it."""
    actor = actor_of(request)
    if request.method == "POST":
        ended = people.set_active(user, False, actor)
        if ended is not None:
            messages.success(request, _told(user, ended))
        return None
    title, held = f"Deactivate {user.username}", people.what_ends(user, actor)
    return show(request, "access/deactivate.html", title, "people", who=user, held=held)


def _told(user: User, held: Held) -> str:
    return " ".join(filter(None, (f"{user.username} is deactivated.", held.ended and f"{held.ended}.")))


@require_POST
@_step
def activate(request: HttpRequest, user: User) -> None:
    people.set_active(user, True, actor_of(request))


@require_POST
@_step
def link(request: HttpRequest, user: User) -> HttpResponse:
    return _shown(request, PersonForm(), 201, user, people.new_link(user, actor_of(request)))

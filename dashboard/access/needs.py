"""What the pages about people, tokens and rules have in common."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import resolve

from dashboard.access.models import User
from dashboard.access.roles import Role, has_role
from dashboard.audit import trail
from dashboard.audit.trail import actor_of

View = Callable[..., HttpResponse]


def needs_role(role: Role) -> Callable[[View], View]:
    """403 for others; who tries to change something all the same leaves a trail."""

    def decorated(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **named: Any) -> HttpResponse:
            if not has_role(person(request), role):
                if request.method == "POST":
                    what = resolve(request.path).url_name or request.path
                    trail.record(actor_of(request), "access.refused", what)
                raise PermissionDenied(f"This needs the role {role}. Ask an Admin for it.")
            return view(request, *args, **named)

        return guarded

    return decorated


def person(request: HttpRequest) -> User:
    """Who is signed in; the middleware has let nobody else through."""
    user: User = request.user  # type: ignore[assignment]
    return user


def show(
    request: HttpRequest, template: str, title: str, current: str, status: int = 200, **context: Any
) -> HttpResponse:
    """A page that is no live page, in the frame that all have."""
    from dashboard.pages.registry import menu

    shell = {"title": title, "menu": menu(), "current": current}
    return render(request, template, {**shell, **context}, status=status)

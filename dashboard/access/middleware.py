"""Nobody without a role gets a page: signing in says who somebody is, the role says what for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from dashboard.access.roles import role_of


def no_role_needed(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """For views that a signed-in person without any role may call, such as signing out."""
    view.role_required = False  # type: ignore[attr-defined]
    return view


class RoleRequiredMiddleware:
    """403 for whoever is signed in and has no role; views that need no sign-in check by themselves."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]):
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], args: Any, kwargs: Any
    ) -> HttpResponse | None:
        if not getattr(view, "login_required", True) or not getattr(view, "role_required", True):
            return None
        if role_of(request.user) is not None:
            return None
        return render(request, "registration/no_role.html", status=403)

"""Signing in, by a one-time link or by name and password, and out."""

from __future__ import annotations

import math
from typing import Any

from django.contrib.auth import login
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView, LogoutView
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render, resolve_url
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from dashboard.access import signin_link, sockets
from dashboard.access.throttle import Buckets
from dashboard.audit.signing_in import signs_in_with

_BACKEND = "django.contrib.auth.backends.ModelBackend"
_WRONG = Buckets(per_s=1 / 30, burst=40)
"""Wrong passwords by address, whatever the names: one may be tried on many. Those of one name are counted by axes."""


class SignOut(LogoutView):
    def post(self, request: HttpRequest, *args: Any, **named: Any) -> HttpResponse:
        person = request.user.pk
        response = super().post(request, *args, **named)
        if person is not None:
            sockets.look_again(person)  # of their sessions only this one has ended
        return response


class SignIn(LoginView):
    def post(self, request: HttpRequest, *args: Any, **named: Any) -> HttpResponse:
        if wait_s := _WRONG.wait_s(_place(request), cost=0):
            response = render(request, "registration/locked.html", {"everybody": True}, status=429)
            response.headers["Retry-After"] = str(math.ceil(wait_s))
            return response
        return super().post(request, *args, **named)

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        signs_in_with(self.request, "password")
        return super().form_valid(form)

    def form_invalid(self, form: AuthenticationForm) -> HttpResponse:
        _WRONG.wait_s(_place(self.request))
        return super().form_invalid(form)


def _place(request: HttpRequest) -> str:
    return request.META.get("REMOTE_ADDR") or ""


@login_not_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def open_signin_link(request: HttpRequest, token: str) -> HttpResponse:
    """GET shows the button, POST signs in and goes to the first page; 410 when the link is spent."""
    if request.method == "POST":
        user = signin_link.redeem(token)
        if user is not None:
            signs_in_with(request, "sign-in link")
            login(request, user, backend=_BACKEND)
            return HttpResponseRedirect(resolve_url("/"))
        link = None
    else:
        link = signin_link.find(token)
    status = 200 if link else 410
    response = render(request, "registration/signin_link.html", {"link": link}, status=status)
    # The address is the secret, so it goes nowhere. Not "no-referrer": browsers then post with "Origin: null".
    response.headers["Referrer-Policy"] = "strict-origin"
    return response

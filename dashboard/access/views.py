"""Signing in by a one-time link. Signing in by name and password, and out, is Django's own."""

from __future__ import annotations

from django.contrib.auth import login
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render, resolve_url
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from dashboard.access import signin_link

_BACKEND = "django.contrib.auth.backends.ModelBackend"


@login_not_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def open_signin_link(request: HttpRequest, token: str) -> HttpResponse:
    """GET shows the button, POST signs in and goes to the first page; 410 when the link is spent."""
    if request.method == "POST":
        user = signin_link.redeem(token)
        if user is not None:
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

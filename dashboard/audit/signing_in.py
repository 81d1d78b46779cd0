"""Signing in and out leaves a trail too, a failed attempt above all."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.dispatch import receiver
from django.http import HttpRequest

from dashboard.access.models import User

from . import trail
from .trail import Actor


def _origin(request: HttpRequest | None) -> str:
    return (request.META.get("REMOTE_ADDR") or "") if request is not None else ""


_HOW = "streamlab.signs_in_with"
"""In a request's META, where no header can put it."""


def signs_in_with(request: HttpRequest, how: str) -> None:
    """Say how the person gets in, before `login()`: "password", "sign-in link"."""
    request.META[_HOW] = how


@receiver(user_logged_in)
def _signed_in(request: HttpRequest | None, user: User, **_: Any) -> None:
    how = request.META.get(_HOW) if request is not None else None
    said: dict[str, Any] = {"effect": f"by {how}"} if how else {}
    trail.record(Actor(user, _origin(request)), "session.opened", **said)


@receiver(user_logged_out)
def _signed_out(request: HttpRequest | None, user: User | None, **_: Any) -> None:
    if user is not None:
        trail.record(Actor(user, _origin(request)), "session.closed")


@receiver(user_login_failed)
def _refused(credentials: dict[str, Any], request: HttpRequest | None = None, **_: Any) -> None:
    """The name that was typed is kept as the subject: it may be no user's, or a password typed into the wrong box,
    so no more than its beginning."""
    typed = str(credentials.get("username") or "")
    known = User.objects.filter(username=typed).exists()
    trail.record(Actor(None, _origin(request)), "session.refused", typed if known else "an unknown name")

"""Writing to the audit trail. A write that is refused is worth a row as much as one that is done."""

from __future__ import annotations

from typing import Any, NamedTuple

from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest

from dashboard.access.models import User

from .models import Entry


class Actor(NamedTuple):
    """Who acts, and from where."""

    user: User | None  # None: nobody is signed in, or a job goes on by itself
    origin: str = ""
    channel: str = ""  # "api", "command line"; "": a page, or a job
    token: str = ""  # how the API token begins that was shown; "": none was
    reveals: bool = True  # False: it may not show what masking rules hide, whatever the person may


def actor_of(request: HttpRequest) -> Actor:
    user = request.user
    return Actor(None if isinstance(user, AnonymousUser) else user, request.META.get("REMOTE_ADDR") or "")


def record(
    actor: Actor, action: str, subject: str = "", operation: int | None = None, **detail: Any
) -> Entry:
    """Add a row. `detail` must be JSON."""
    who = actor.user.get_username() if actor.user else ""
    through = {"channel": actor.channel, "token": actor.token}
    return Entry.objects.create(
        user=actor.user,
        who=who,
        origin=actor.origin[:45],
        action=action,
        subject=subject[:300],
        operation=operation,
        detail=detail | {name: value for name, value in through.items() if value},
    )

"""Whose tokens somebody makes, sees and ends: their own, an Admin sees and ends everybody's. By page and API."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import Count, QuerySet
from django.utils import timezone

from dashboard.access import api_token
from dashboard.access.forms import TokenForm
from dashboard.access.models import ApiToken, User
from dashboard.access.roles import Role, has_role
from dashboard.audit import trail
from dashboard.audit.trail import Actor


class NotYours(Exception):
    """Raised for a token of somebody else; it is as if it were not there."""


def make(form: TokenForm, actor: Actor, asking: ApiToken | None = None) -> tuple[ApiToken, str]:
    """The row, and the token, which is known only now. `form` is valid.

    What the token `asking` makes lives no longer than that one and is revoked with it: who stole a token has not got
    another one when it is ended. Raises api_token.NotMade.
    """
    given = form.cleaned_data
    until = timezone.now() + timedelta(days=int(given["days"])) if given["days"] else None
    if asking is not None:
        until = _earlier(until, asking.expires_at)
    row, token = api_token.create(form.owner, given["name"], form.wanted(given), until, asking)
    trail.record(actor, "token.created", str(row), scopes=row.scopes)
    return row, token


def visible_to(viewer: User) -> QuerySet[ApiToken]:
    """The newest first, each with `others`, how many that it made would end with it."""
    others = Count("made", filter=api_token.alive("made__"))
    found = ApiToken.objects.select_related("owner", "made_with").annotate(others=others)
    found = found.order_by("-created_at", "-pk")
    return found if has_role(viewer, Role.ADMIN) else found.filter(owner=viewer)


def what_ends(row: ApiToken, viewer: User) -> list[ApiToken]:
    """With it, as things are, itself first; none when it is over already. Raises NotYours."""
    if not _may_end(row, viewer):
        raise NotYours("There is no such token of yours.")
    return api_token.ending_with(row)


def end(row: ApiToken, viewer: User, actor: Actor) -> list[ApiToken]:
    """What this ended, those made with it too; none when somebody did before. Raises NotYours, which leaves a trail."""
    if not _may_end(row, viewer):
        trail.record(actor, "access.refused", f"revoke {row.prefix}…")
        raise NotYours("There is no such token of yours.")
    ended = api_token.revoke(row)
    for one in ended:
        trail.record(actor, "token.revoked", str(one))
    return ended


def _may_end(row: ApiToken, viewer: User) -> bool:
    return row.owner_id == viewer.pk or has_role(viewer, Role.ADMIN)


def _earlier(one: datetime | None, other: datetime | None) -> datetime | None:
    """None: never."""
    return min((at for at in (one, other) if at is not None), default=None)

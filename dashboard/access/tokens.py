"""Whose tokens somebody sees and ends: their own, an Admin everybody's. By page and API."""

from __future__ import annotations

from django.db.models import QuerySet

from dashboard.access import api_token
from dashboard.access.models import ApiToken, User
from dashboard.access.roles import Role, has_role
from dashboard.audit import trail
from dashboard.audit.trail import Actor


class NotYours(Exception):
    """Raised for a token of somebody else; it is as if it were not there."""


def visible_to(viewer: User) -> QuerySet[ApiToken]:
    """The newest first."""
    found = ApiToken.objects.select_related("owner").order_by("-created_at", "-pk")
    return found if has_role(viewer, Role.ADMIN) else found.filter(owner=viewer)


def end(row: ApiToken, viewer: User, actor: Actor) -> bool:
    """False when somebody did so before. Raises NotYours, which leaves a trail."""
    if row.owner_id != viewer.pk and not has_role(viewer, Role.ADMIN):
        trail.record(actor, "access.refused", f"revoke {row.prefix}…")
        raise NotYours("There is no such token of yours.")
    ended = api_token.revoke(row)
    if ended:
        trail.record(actor, "token.revoked", str(row))
    return ended

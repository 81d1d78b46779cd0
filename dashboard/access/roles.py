"""Three roles, each a Django group. A role can do what the ones above it can.

Viewer    sees every page
Operator  also runs operations: replays, offset resets, experiments
Admin     also manages people and configuration
"""

from __future__ import annotations

from enum import StrEnum

from django.contrib.auth.models import AnonymousUser

from dashboard.access.models import User


class Role(StrEnum):
    VIEWER = "Viewer"
    OPERATOR = "Operator"
    ADMIN = "Admin"


_RANK = {role: rank for rank, role in enumerate(Role)}


def role_of(user: User | AnonymousUser) -> Role | None:
    """The highest role of a person; a superuser is an Admin; None: no role at all, so no page either."""
    return role_if_active(user) if isinstance(user, User) and user.is_active else None


def role_if_active(user: User) -> Role | None:
    """The role that somebody has, or would have if they were not deactivated."""
    if user.is_superuser:
        return Role.ADMIN
    names = {group.name for group in user.groups.all()}  # which a list of people has read for all of them
    return max((role for role in Role if role in names), key=_RANK.__getitem__, default=None)


def has_role(user: User | AnonymousUser, wanted: Role) -> bool:
    """Whether this person may do what `wanted` may."""
    role = role_of(user)
    return role is not None and _RANK[role] >= _RANK[wanted]

"""What templates know of the person who looks: whether to offer what the server would refuse."""

from __future__ import annotations

from django.http import HttpRequest

from .roles import Role, role_of


def roles(request: HttpRequest) -> dict[str, bool]:
    user = getattr(request, "user", None)
    if user is None:
        return {}
    role = role_of(user)
    return {"may_operate": role in (Role.OPERATOR, Role.ADMIN), "may_administer": role is Role.ADMIN}

"""What templates know of the person who looks: whether to offer what the server would refuse."""

from __future__ import annotations

from django.http import HttpRequest

from .roles import Role, has_role


def roles(request: HttpRequest) -> dict[str, bool]:
    user = getattr(request, "user", None)
    if user is None:
        return {}
    return {"may_operate": has_role(user, Role.OPERATOR), "may_administer": has_role(user, Role.ADMIN)}

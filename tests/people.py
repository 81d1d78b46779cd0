"""People with a role, for tests that sign somebody in."""

from __future__ import annotations

from django.contrib.auth.models import Group

from dashboard.access.models import User
from dashboard.access.roles import Role


def a_person(role: Role | None = Role.VIEWER, name: str = "") -> User:
    """The person of this name, made where there is none; by default called as the role is."""
    user, _ = User.objects.get_or_create(username=name or (role or "nobody").lower())
    if role:
        user.groups.add(Group.objects.get_or_create(name=role)[0])
    return user

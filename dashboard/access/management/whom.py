"""The person that a command is for."""

from __future__ import annotations

from django.core.management.base import CommandError

from dashboard.access import signin_link
from dashboard.access.models import User


def whom(name: str | None) -> User:
    """None: admin, made if there is none yet. Raises CommandError."""
    if name is None:
        return signin_link.first_user()
    try:
        return User.objects.get(username=name)
    except User.DoesNotExist:
        raise CommandError(
            f"There is no user {name!r}. Admins add people on the page People; without --user it is admin's."
        ) from None

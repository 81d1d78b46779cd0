"""One-time sign-in links: how the first person gets in without a password that somebody had to ship.

A link is made on the machine itself, lives 15 minutes and opens once. Opening it only shows a button; the
button's POST uses it up. So a chat program that previews the link, or a browser that prefetches it, burns
nothing.
"""

from __future__ import annotations

import hashlib
import secrets

from django.conf import settings
from django.contrib.auth.models import Group
from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from dashboard.access.models import SigninLink, User
from dashboard.access.roles import Role

FIRST_USER = "admin"


def create(user: User) -> str:
    """A fresh token for this person. What it opened before, used up or expired, is forgotten."""
    now = timezone.now()
    SigninLink.objects.filter(expires_at__lt=now).delete()
    token = secrets.token_urlsafe(32)
    SigninLink.objects.create(
        user=user, token_hash=_hash(token), expires_at=now + settings.SIGNIN_LINK_LIFETIME
    )
    return token


def find(token: str) -> SigninLink | None:
    """The link, if it could still sign somebody in. Uses nothing up."""
    return _open_links(token).select_related("user").first()


def redeem(token: str) -> User | None:
    """Use the link up and say whom it signs in; None when it was used, has expired or never was.

    Of two requests with the same token exactly one wins: the update compares and sets.
    """
    if not _open_links(token).update(used_at=timezone.now()):
        return None
    return SigninLink.objects.select_related("user").get(token_hash=_hash(token)).user


def path_of(token: str) -> str:
    return reverse("signin-link", args=[token])


@transaction.atomic
def first_user() -> User:
    """The person whom a fresh installation begins with: `admin`, an Admin without a password."""
    user, created = User.objects.get_or_create(username=FIRST_USER)
    if created:
        user.set_unusable_password()
        user.save(update_fields=["password"])
        user.groups.add(Group.objects.get_or_create(name=Role.ADMIN)[0])
    return user


def _open_links(token: str):  # type: ignore[no-untyped-def]
    return SigninLink.objects.filter(
        token_hash=_hash(token), used_at=None, expires_at__gt=timezone.now(), user__is_active=True
    )


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()

"""API tokens: made once, shown once, kept as a hash.

A token is 32 random bytes, so a plain hash is enough: nobody can try them all. It acts for its owner: it may do what
its scopes say, and no more than the owner's role allows. One that another token made ends with that one.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from dashboard.access.models import ApiToken, User
from dashboard.access.scopes import is_scope

PREFIX = "sl_"
_SHOWN = 10
_NOTED_EVERY = timedelta(minutes=1)


class NoSuchScope(ValueError):
    """Raised when a token is to have a scope that does not exist."""


class Ended(Exception):
    """Raised when the token that is to make another one was revoked or has expired meanwhile."""


@transaction.atomic
def create(
    owner: User,
    name: str,
    scopes: Iterable[str],
    expires_at: datetime | None = None,
    made_with: ApiToken | None = None,
) -> tuple[ApiToken, str]:
    """The row, and the token, which is known only now. Raises NoSuchScope, Ended."""
    # `revoke` waits for the row or comes first: no token slips in behind the revocation of the one that makes it.
    if (
        made_with is not None
        and in_force().select_for_update(of=("self",)).filter(pk=made_with.pk).first() is None
    ):
        raise Ended("The token that asks was revoked or has expired.")
    wanted = sorted(set(scopes))
    for scope in wanted:
        if not is_scope(scope):
            raise NoSuchScope(f"There is no scope {scope!r}.")
    token = PREFIX + secrets.token_urlsafe(32)
    row = ApiToken.objects.create(
        owner=owner,
        name=name,
        prefix=token[:_SHOWN],
        token_hash=_hash(token),
        scopes=wanted,
        expires_at=expires_at,
        made_with=made_with,
    )
    return row, token


def find(token: str) -> ApiToken | None:
    """The token's row if it is in force and its owner may come in; notes that it was used."""
    if not token.startswith(PREFIX):
        return None
    row = in_force().filter(token_hash=_hash(token)).select_related("owner").first()
    if row is not None:
        _note_use(row)
    return row


def in_force() -> QuerySet[ApiToken]:
    return ApiToken.objects.filter(alive(), owner__is_active=True)


def alive(of: str = "") -> Q:
    """Neither revoked nor expired. `of`: how a query comes to tokens, such as "api_tokens__"."""
    lasts = Q(**{f"{of}expires_at": None}) | Q(**{f"{of}expires_at__gt": timezone.now()})
    return lasts & Q(**{f"{of}revoked_at": None})


@transaction.atomic
def revoke(row: ApiToken) -> list[ApiToken]:
    """End it and all that were made with it, theirs too. Those that this ended; none when somebody did so before."""
    ended: list[ApiToken] = []
    level = [row.pk]
    while level:
        found = ApiToken.objects.select_for_update(of=("self",)).select_related("owner").filter(pk__in=level)
        ended += [one for one in found if one.revoked_at is None]
        ApiToken.objects.filter(pk__in=level, revoked_at=None).update(revoked_at=timezone.now())
        level = list(ApiToken.objects.filter(made_with__in=level).values_list("pk", flat=True))
    return ended


def _note_use(row: ApiToken) -> None:
    """Once a minute, so that a busy token does not write a row with each request."""
    now = timezone.now()
    if row.last_used_at is None or now - row.last_used_at > _NOTED_EVERY:
        ApiToken.objects.filter(pk=row.pk).update(last_used_at=now)


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()

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
MOST_A_PERSON = 50
"""Tokens in force of one owner."""
_SHOWN = 10
_NOTED_EVERY = timedelta(minutes=1)


class NoSuchScope(ValueError):
    """Raised when a token is to have a scope that does not exist."""


class NotMade(Exception):
    """Raised when somebody gets no token. Its text says why.

    ├─ Ended     the token that is to make another one was revoked or has expired, or the owner was deactivated
    └─ TooMany   the owner has as many as anybody may: one must be revoked first
    """


class Ended(NotMade):
    """Raised when who or what asks has lost the right to meanwhile."""


class TooMany(NotMade):
    """Raised for one more than MOST_A_PERSON."""


@transaction.atomic
def create(
    owner: User,
    name: str,
    scopes: Iterable[str],
    expires_at: datetime | None = None,
    made_with: ApiToken | None = None,
) -> tuple[ApiToken, str]:
    """The row, and the token, which is known only now. Raises NoSuchScope, Ended, TooMany."""
    _lock(owner)
    # `revoke` waits for the row or comes first: no token slips in behind the revocation of the one that makes it.
    if (
        made_with is not None
        and in_force().select_for_update(of=("self",)).filter(pk=made_with.pk).first() is None
    ):
        raise Ended("The token that asks was revoked or has expired.")
    if in_force().filter(owner=owner).count() >= MOST_A_PERSON:
        raise TooMany(f"{owner} has {MOST_A_PERSON} tokens; revoke one first.")
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
def revoke(*rows: ApiToken) -> list[ApiToken]:
    """End them and all that were made with them, theirs too. Those that this ended: none that was over before."""
    ended = ending_with(*rows, lock=True)
    ApiToken.objects.filter(pk__in=[row.pk for row in ended]).update(revoked_at=timezone.now())
    return ended


def ending_with(*rows: ApiToken, lock: bool = False) -> list[ApiToken]:
    """What `revoke` ends. `lock`: each is locked before those that it made are read, so that none slips in behind."""
    ending: list[ApiToken] = []
    seen, level = set[int](), {row.pk for row in rows}
    while level:
        found = ApiToken.objects.select_related("owner", "made_with").filter(alive(), pk__in=level)
        ending += found.select_for_update(of=("self",)) if lock else found
        seen |= level
        level = set(ApiToken.objects.filter(made_with__in=level).values_list("pk", flat=True)) - seen
    return ending


def _lock(owner: User) -> None:
    """Of one person's tokens one is made at a time, and none behind a deactivation. Raises Ended."""
    if not User.objects.select_for_update().filter(pk=owner.pk, is_active=True).exists():
        raise Ended(f"{owner} is deactivated.")


def _note_use(row: ApiToken) -> None:
    """Once a minute, so that a busy token does not write a row with each request."""
    now = timezone.now()
    if row.last_used_at is None or now - row.last_used_at > _NOTED_EVERY:
        ApiToken.objects.filter(pk=row.pk).update(last_used_at=now)


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()

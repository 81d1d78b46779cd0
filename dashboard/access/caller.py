"""Who calls an address meant for programs: somebody with a token, or somebody who is signed in.

    Authorization: Bearer <token>
    Authorization: Basic base64(<anything>:<token>)         as Confluent's clients send it

A session's cookie does as well, and then what changes something needs the CSRF token too, as any form does: a browser
sends cookies by itself. It never sends an Authorization header by itself, so a token needs nothing else.
"""

from __future__ import annotations

import base64
from copy import copy
from dataclasses import dataclass
from functools import cache

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import CsrfViewMiddleware

from dashboard.access import api_token
from dashboard.access.models import ApiToken, User
from dashboard.access.roles import Role, has_role
from dashboard.access.scopes import allows
from dashboard.access.throttle import Buckets

_SAFE = ("GET", "HEAD", "OPTIONS")
_WRONG = Buckets(per_s=1, burst=20)
"""Tokens that are none, by address: each costs a look into the database."""
BURST_S = 10
"""A caller may save up the calls of so many seconds."""


class NotSignedIn(Exception):
    """Raised when nobody, or nobody known, calls: 401. Its text says why."""


class NotAllowed(Exception):
    """Raised when the caller is known and may not: 403. Its text says why."""


@dataclass(frozen=True)
class Caller:
    user: User
    scopes: tuple[str, ...] | None  # None: a person in a browser, who may do what the role allows
    row: ApiToken | None = None  # the token; None: a person in a browser

    @property
    def token(self) -> str:
        """How the token begins; "": a person in a browser."""
        return self.row.prefix if self.row else ""

    def may(self, role: Role, scope: str) -> bool:
        return has_role(self.user, role) and (self.scopes is None or allows(self.scopes, scope))

    def require(self, role: Role, scope: str) -> None:
        """Raises NotAllowed."""
        if not has_role(self.user, role):
            raise NotAllowed(f"{self.user} would need the role {role}.")
        if self.scopes is not None and not allows(self.scopes, scope):
            raise NotAllowed(f"The token would need the scope {scope}.")


def caller_of(request: HttpRequest) -> Caller:
    """Raises NotSignedIn, NotAllowed, TooOften."""
    header = request.headers.get("Authorization", "")
    if header:
        address = request.META.get("REMOTE_ADDR") or ""
        _WRONG.take(address, cost=0)
        row = api_token.find(_token_in(header))
        if row is None:
            _WRONG.take(address)
            raise NotSignedIn("The token is unknown, expired or revoked.")
        return Caller(row.owner, tuple(row.scopes), row)
    user: User | AnonymousUser = request.user
    if not isinstance(user, User) or not user.is_active:
        raise NotSignedIn(
            "Send a token: Authorization: Bearer <token>, or Basic with the token as the password."
        )
    if request.method not in _SAFE:
        _check_csrf(request)
    return Caller(user, None)


def pace(caller: Caller) -> None:
    """Count a call. Raises TooOften."""
    if per_s := settings.API_RATE:
        _calls(per_s).take(f"{caller.user.pk}:{caller.token}")


@cache
def _calls(per_s: float) -> Buckets:
    return Buckets(per_s, per_s * BURST_S)


def _token_in(header: str) -> str:
    scheme, _, rest = header.partition(" ")
    if scheme.lower() == "bearer":
        return rest.strip()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(rest.strip(), validate=True).decode().partition(":")[2]
        except ValueError:  # no base64, not even ASCII, or no UTF-8 inside
            return ""
    return ""


class _Csrf(CsrfViewMiddleware):
    def _reject(self, request: HttpRequest, reason: str) -> str:
        return reason


def _check_csrf(request: HttpRequest) -> None:
    # Of a POST Django would look for the token in a form, and the body, once read as one, cannot be read as JSON.
    asked = copy(request)
    asked.method = "PUT"
    check = _Csrf(lambda request: HttpResponse())
    check.process_request(asked)
    problem = check.process_view(asked, lambda request: HttpResponse(), (), {})
    if problem:
        raise NotAllowed(f"The header X-CSRFToken has no CSRF token of this session: {problem}")

"""Who may call what. Each route names a role and a scope; nothing is open.

A session needs the role; an API token needs its owner's role and the scope. With a session's cookie, what changes
something needs the CSRF token too (`caller_of`).
"""

from __future__ import annotations

from django.http import HttpRequest
from ninja.security.base import AuthBase

from dashboard.access.caller import Caller, NotAllowed, caller_of, pace
from dashboard.access.roles import Role
from dashboard.access.scopes import (
    ALERTS_WRITE,
    API_READ,
    MASKING_WRITE,
    OPERATIONS_WRITE,
    PEOPLE_WRITE,
    RECORDS_READ,
    RECORDS_REVEAL,
    TOKENS_WRITE,
)
from dashboard.audit import trail
from dashboard.audit.trail import Actor

_REFUSAL_AUDITED = (
    OPERATIONS_WRITE,
    ALERTS_WRITE,
    RECORDS_REVEAL,
    MASKING_WRITE,
    PEOPLE_WRITE,
    TOKENS_WRITE,
)


class Token(AuthBase):
    """What a route needs."""

    openapi_type = "http"
    openapi_scheme = "bearer"
    openapi_description = "An API token, made on the page Tokens or by `manage.py api_token create`."

    def __init__(self, role: Role, scope: str):
        self.role, self.scope = role, scope
        super().__init__()

    def __call__(self, request: HttpRequest) -> Caller:
        """Raises NotSignedIn, NotAllowed, TooOften."""
        caller = caller_of(request)
        pace(caller)
        try:
            caller.require(self.role, self.scope)
        except NotAllowed:
            if self.scope in _REFUSAL_AUDITED:
                trail.record(actor_of(request, caller), "api.refused", f"{request.method} {request.path}")
            raise
        return caller


reads = Token(Role.VIEWER, API_READ)
reads_records = Token(Role.VIEWER, RECORDS_READ)
reveals = Token(Role.ADMIN, RECORDS_REVEAL)
operates = Token(Role.OPERATOR, OPERATIONS_WRITE)
rules_alerts = Token(Role.OPERATOR, ALERTS_WRITE)
tells = Token(Role.ADMIN, ALERTS_WRITE)
"""Makes channels: they send what the broker knows to somewhere else."""
administers = Token(Role.ADMIN, API_READ)
"""Reads what only Admins see."""
masks = Token(Role.ADMIN, MASKING_WRITE)
manages_people = Token(Role.ADMIN, PEOPLE_WRITE)
handles_tokens = Token(Role.VIEWER, TOKENS_WRITE)


def caller(request: HttpRequest) -> Caller:
    """Who calls, once the route has let them in."""
    known: Caller = request.auth  # type: ignore[attr-defined]
    return known


def actor_of(request: HttpRequest, caller: Caller) -> Actor:
    reveals = caller.may(Role.ADMIN, RECORDS_REVEAL)
    return Actor(caller.user, request.META.get("REMOTE_ADDR") or "", "api", caller.token, reveals)


def actor(request: HttpRequest) -> Actor:
    return actor_of(request, caller(request))

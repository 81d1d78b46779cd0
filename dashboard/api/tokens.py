"""API tokens: one's own, for an Admin everybody's. They are listed and revoked; no token makes another one."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from ninja import Field, Query, Router, Schema, Status

from dashboard.access import tokens as access
from dashboard.access.models import ApiToken
from dashboard.access.tokens import NotYours
from dashboard.pages.moments import Gone

from .door import actor, caller, reads, revokes
from .paging import Page, Paging, page_of

router = Router(tags=["Tokens"])
_MOST_NUMBER = 2**63 - 1


class TokenOut(Schema):
    number: int
    owner: str
    name: str = Field(description="What it is for.")
    prefix: str = Field(description="How it begins; the token itself is not kept.")
    scopes: list[str]
    created_at: str = Field(description="ISO 8601, UTC, as all times here.")
    expires_at: str | None = Field(description="null: never.")
    last_used_at: str | None = Field(description="To the minute; null: never.")
    revoked_at: str | None = Field(description="null: it was not.")


@router.get("/tokens", auth=reads, response=Page[TokenOut], operation_id="list_tokens")
def tokens(request: HttpRequest, query: Query[Paging]) -> object:
    """Tokens of one's own, an Admin's: everybody's; the newest first."""
    return page_of(access.visible_to(caller(request).user), query, _out)


@router.delete("/tokens/{int:number}", auth=revokes, response={204: None}, operation_id="revoke_token")
def revoke(request: HttpRequest, number: int) -> object:
    """It opens nothing any more; also the one that asks. Once more does no harm."""
    found = ApiToken.objects.select_related("owner").filter(pk=min(number, _MOST_NUMBER)).first()
    try:
        if found is None:
            raise NotYours("There is no such token of yours.")
        access.end(found, caller(request).user, actor(request))
    except NotYours as reason:
        raise Gone(str(reason)) from reason
    return Status(204, None)


def _out(row: ApiToken) -> dict[str, Any]:
    times = ("created_at", "expires_at", "last_used_at", "revoked_at")
    return {
        "number": row.pk,
        "owner": row.owner.get_username(),
        **{name: getattr(row, name) for name in ("name", "prefix", "scopes")},
        **{name: (at := getattr(row, name)) and at.isoformat() for name in times},
    }

"""API tokens: one's own, for an Admin everybody's. A token makes others that may no more and end with it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from django.http import HttpRequest, HttpResponse
from ninja import Field, Query, Router, Schema, Status
from pydantic import StringConstraints

from dashboard.access import tokens as access
from dashboard.access.api_token import Ended, TooMany
from dashboard.access.caller import NotSignedIn
from dashboard.access.forms import TokenForm
from dashboard.access.models import ApiToken
from dashboard.access.scopes import INGEST
from dashboard.access.tokens import NotYours
from dashboard.audit import trail
from dashboard.pages.moments import Gone

from .body import Body
from .door import actor, caller, handles_tokens, reads
from .fields import valid
from .numbered import numbered
from .paging import Page, Paging, page_of
from .problems import AskedWrongly

router = Router(tags=["Tokens"])
MOST_CHARS, MOST_SCOPES = 256, 200
"""Of a scope: the longest topic's. More scopes than these nobody names one by one."""


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
    made_with: str | None = Field(
        description="How the token begins that made it; null: a person did, or a command."
    )


class TokenIn(Body):
    name: str = Field(description="What it is for.")
    scopes: list[Annotated[str, StringConstraints(max_length=MOST_CHARS)]] = Field(
        max_length=MOST_SCOPES, description="None that the token that asks does not have itself."
    )
    days: Literal[7, 30, 90, 365] | None = Field(
        90,
        description="How long it lives, at most as long as the token that asks; null: as long as that one.",
    )


class MadeToken(TokenOut):
    token: str = Field(description="Shown this once.")


@router.get("/tokens", auth=reads, response=Page[TokenOut], operation_id="list_tokens")
def tokens(request: HttpRequest, query: Query[Paging]) -> object:
    """Tokens of one's own, an Admin's: everybody's; the newest first."""
    return page_of(access.visible_to(caller(request).user), query, _out)


@router.post("/tokens", auth=handles_tokens, response={201: MadeToken}, operation_id="create_token")
def create(request: HttpRequest, body: TokenIn, response: HttpResponse) -> object:
    """Make a token for oneself, which may no more than the one that asks, ends when it ends and is revoked with it."""
    asking = caller(request)
    form = TokenForm(_as_form(body), owner=asking.user, held=asking.scopes)
    try:
        valid(form, "", called={"ingest": "scopes"})
    except AskedWrongly as wrong:
        if form.beyond:
            trail.record(
                actor(request), "token.refused", body.name.strip(), scopes=form.beyond, error=str(wrong)
            )
        raise
    if missing := set(body.scopes) - set(form.wanted(form.cleaned_data)):
        raise AskedWrongly({"scopes": [f"{min(missing)} is no scope, or none that your role allows."]})
    try:
        row, token = access.make(form, actor(request), asking.row)
    except Ended as reason:
        raise NotSignedIn(str(reason)) from reason
    except TooMany as reason:
        raise AskedWrongly({"body": [str(reason)]}) from reason
    response.headers["Cache-Control"] = "no-store, private"
    return Status(201, {**_out(row), "token": token})


@router.delete("/tokens/{int:number}", auth=handles_tokens, response={204: None}, operation_id="revoke_token")
def revoke(request: HttpRequest, number: int) -> object:
    """It opens nothing any more, nor what was made with it; also the one that asks. Once more does no harm."""
    found = numbered(ApiToken.objects.select_related("owner"), number, "There is no such token of yours.")
    try:
        access.end(found, caller(request).user, actor(request))
    except NotYours as reason:
        raise Gone(str(reason)) from reason
    return Status(204, None)


def _as_form(body: TokenIn) -> dict[str, Any]:
    """As the page's form sends it: topics to send events to stand in a field of their own."""
    topics = [scope.removeprefix(INGEST) for scope in body.scopes if scope.startswith(INGEST)]
    scopes = [scope for scope in body.scopes if not scope.startswith(INGEST)]
    return {"name": body.name, "scopes": scopes, "ingest": ", ".join(topics), "days": str(body.days or "")}


def _out(row: ApiToken) -> dict[str, Any]:
    times = ("created_at", "expires_at", "last_used_at", "revoked_at")
    return {
        "number": row.pk,
        "owner": row.owner.get_username(),
        "made_with": row.made_with.prefix if row.made_with else None,
        **{name: getattr(row, name) for name in ("name", "prefix", "scopes")},
        **{name: (at := getattr(row, name)) and at.isoformat() for name in times},
    }

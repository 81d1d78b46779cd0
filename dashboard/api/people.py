"""People: who may come in, and as what. Admins only, as their page.

Sign-in links are not offered: one opens a whole session, which would outlive a token that has leaked and may do more.
"""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.http import HttpRequest
from ninja import Field, Query, Router, Schema, Status
from pydantic import StrictBool

from dashboard.access import people
from dashboard.access.forms import PersonForm
from dashboard.access.models import User
from dashboard.access.people import NotPossible
from dashboard.access.roles import Role
from dashboard.audit import trail
from dashboard.audit.trail import Actor

from .body import Body
from .door import actor, administers, manages_people
from .fields import valid
from .numbered import numbered
from .paging import Page, Paging, page_of
from .problems import AskedWrongly

router = Router(tags=["People"])


class Person(Schema):
    number: int
    name: str
    role: str = Field(description="Of somebody who is deactivated: the one they would have. Empty: none.")
    active: bool
    tokens: int = Field(description="That are neither revoked nor expired.")


class PersonIn(Body):
    username: str
    role: Role


class PersonChange(Body):
    role: Role | None = Field(None, description="Viewer, Operator or Admin; empty: as it is.")
    active: StrictBool | None = Field(
        None,
        description="false ends sessions, sockets, tokens and sign-in links at once and for good: true revives none.",
    )


@router.get("/people", auth=administers, response=Page[Person], operation_id="list_people")
def everybody(request: HttpRequest, query: Query[Paging]) -> object:
    """People by name."""
    return page_of(people.everybody(), query, _out)


@router.post("/people", auth=manages_people, response={201: Person}, operation_id="add_person")
def add(request: HttpRequest, body: PersonIn) -> object:
    """Add a person. A sign-in link lets them in: from the page People or `manage.py signin_link --user`."""
    given = valid(PersonForm(body.model_dump()), "").cleaned_data
    try:
        made = people.add(given["username"], Role(given["role"]), actor(request))
    except NotPossible as reason:
        raise AskedWrongly({"username": [str(reason)]}) from reason
    return Status(201, _out(_person(made.pk)))


@router.patch("/people/{int:number}", auth=manages_people, response=Person, operation_id="change_person")
def change(request: HttpRequest, number: int, body: PersonChange) -> object:
    """Change a role, deactivate, activate. An Admin is always left: 409 for the last one, and for oneself."""
    found, who = _person(number), actor(request)
    try:
        with transaction.atomic():
            _change(found, body, who)
    except NotPossible as reason:
        trail.record(who, "person.refused", found.username, step="api", error=str(reason))
        raise
    return _out(_person(number))


def _change(found: User, body: PersonChange, who: Actor) -> None:
    """Raises NotPossible."""
    if body.role is not None:
        people.change_role(found, body.role, who)
    if body.active is not None:
        people.set_active(found, body.active, who)


def _person(number: int) -> User:
    """As `everybody` finds them. Raises Gone."""
    return numbered(people.everybody(), number, f"There is nobody with the number {number}.")


def _out(person: Any) -> dict[str, Any]:
    return {
        "number": person.pk,
        "name": person.username,
        "role": people.shown_role(person),
        "active": person.is_active,
        "tokens": person.tokens,
    }

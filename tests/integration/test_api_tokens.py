"""Tokens for programs: made once, kept as a hash, held to their scopes and to their owner's role."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO

import pytest
from django.contrib.auth.models import Group
from django.core.management import CommandError, call_command
from django.utils import timezone

from dashboard.access import api_token
from dashboard.access.caller import Caller
from dashboard.access.models import ApiToken, User
from dashboard.access.roles import Role

pytestmark = pytest.mark.django_db


def a_person(role: Role | None = Role.OPERATOR, name: str = "ada") -> User:
    user = User.objects.create_user(name)
    if role:
        user.groups.add(Group.objects.get_or_create(name=role)[0])
    return user


def test_a_token_is_found_by_itself_and_by_nothing_that_is_stored():
    row, token = api_token.create(a_person(), "ci", ["schemas:read"])
    assert api_token.find(token) == row
    assert token not in str(row.__dict__)
    for stored in (row.token_hash, row.prefix, token[:-1], token + "x", ""):
        assert api_token.find(stored) is None


def test_a_token_ends_when_it_expires_is_revoked_or_its_owner_leaves():
    owner = a_person()
    _, expired = api_token.create(owner, "", ["api:read"], timezone.now() - timedelta(seconds=1))
    assert api_token.find(expired) is None
    row, revoked = api_token.create(owner, "", ["api:read"], timezone.now() + timedelta(days=1))
    assert api_token.find(revoked)
    assert api_token.revoke(row) and not api_token.revoke(row)
    assert api_token.find(revoked) is None
    _, token = api_token.create(owner, "", ["api:read"])
    User.objects.filter(pk=owner.pk).update(is_active=False)
    assert api_token.find(token) is None


def test_its_last_use_is_noted_once_a_minute():
    row, token = api_token.create(a_person(), "", ["api:read"])
    api_token.find(token)
    first = ApiToken.objects.get(pk=row.pk).last_used_at
    assert first is not None
    api_token.find(token)
    assert ApiToken.objects.get(pk=row.pk).last_used_at == first
    ApiToken.objects.filter(pk=row.pk).update(last_used_at=first - timedelta(minutes=2))
    api_token.find(token)
    assert ApiToken.objects.get(pk=row.pk).last_used_at > first - timedelta(minutes=2)


@pytest.mark.parametrize(
    ("scopes", "wanted", "may"),
    [
        (["schemas:read"], "schemas:read", True),
        (["schemas:read"], "schemas:write", False),
        (["schemas:write"], "schemas:read", True),
        (["ingest:orders"], "ingest:orders", True),
        (["ingest:orders"], "ingest:orders2", False),
        (["ingest:*"], "ingest:orders", True),
        (["ingest:*"], "ingest:__streamlab.events", False),
        ([], "schemas:read", False),
    ],
)
def test_a_scope_allows_what_it_says(scopes, wanted, may):
    assert Caller(a_person(), tuple(scopes)).may(Role.VIEWER, wanted) is may


def test_a_token_may_no_more_than_its_owner():
    viewer = Caller(a_person(Role.VIEWER), ("schemas:write",))
    assert viewer.may(Role.VIEWER, "schemas:read")
    assert not viewer.may(Role.OPERATOR, "schemas:write")
    assert not Caller(a_person(None, "eve"), ("schemas:read",)).may(Role.VIEWER, "schemas:read")


def command(*arguments: str) -> str:
    out = StringIO()
    call_command("api_token", *arguments, stdout=out)
    return out.getvalue().strip()


def test_the_command_makes_lists_and_revokes():
    a_person()
    token = command(
        "create", "--user", "ada", "--scope", "schemas:read", "--scope", "ingest:orders", "--days", "7"
    )
    row = api_token.find(token)
    assert row is not None and row.scopes == ["ingest:orders", "schemas:read"]
    listed = command("list")
    assert row.prefix in listed and token not in listed
    command("revoke", row.prefix)
    assert api_token.find(token) is None
    assert command("list") == ""


def test_the_command_without_a_person_makes_the_first_one():
    row = api_token.find(command("create", "--scope", "api:read"))
    assert row is not None and row.owner.username == "admin"


@pytest.mark.parametrize(
    "arguments",
    [
        ("create", "--scope", "root"),
        ("create", "--scope", "api:read", "--user", "nobody"),
        ("revoke", "sl_nothing"),
    ],
)
def test_the_command_refuses_what_makes_no_sense(arguments):
    with pytest.raises(CommandError):
        command(*arguments)

"""Tokens for programs: made once, kept as a hash, held to their scopes and to their owner's role."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO

import pytest
from django.contrib.auth.models import Group
from django.core.management import CommandError, call_command
from django.http import HttpResponse
from django.test import Client
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


# How often


def calls(
    token: str, times: int, path: str = "/api/v1/audit", address: str = "10.1.0.1"
) -> list[HttpResponse]:
    client = Client(headers={"Authorization": f"Bearer {token}"}, REMOTE_ADDR=address)
    return [client.get(path) for _ in range(times)]


@pytest.mark.parametrize("path", ["/api/v1/audit", "/schema-registry/subjects"])
def test_a_token_that_calls_too_often_is_asked_to_wait_and_no_other_one(settings, redis_url, path):
    settings.API_RATE, settings.STREAMLAB_URL = 1, redis_url
    owner = a_person()
    (_, busy), (_, other) = (api_token.create(owner, "", ["api:read", "schemas:read"]) for _ in "ab")
    first, last = calls(busy, 10, path), calls(busy, 5, path)
    assert {response.status_code for response in first} == {200}
    assert last[-1].status_code == 429 and int(last[-1].headers["Retry-After"]) >= 1
    assert "come again" in last[-1].content.decode()
    assert calls(other, 1, path)[0].status_code == 200


def test_guessing_tokens_is_slowed_down_for_that_place_only():
    _, right = api_token.create(a_person(), "", ["api:read"])
    guesses = [response.status_code for response in calls("sl_guess", 40, address="10.1.0.2")]
    assert guesses[0] == 401 and guesses[-1] == 429
    assert calls(right, 1, address="10.1.0.2")[0].status_code == 429
    assert calls(right, 1, address="10.1.0.3")[0].status_code == 200


@pytest.mark.parametrize("name", ["ada", " ada", "ada ", "\uff41da"])
def test_guessing_a_password_is_stopped_however_the_name_is_written(name):
    """A name is read without spaces around it, and wide letters as plain ones."""
    ada = a_person()
    ada.set_password("a long enough passphrase")
    ada.save()
    client = Client(REMOTE_ADDR="10.1.0.4")
    for n in range(8):
        client.post("/sign-in/", {"username": name if n % 2 else "ada", "password": "wrong"})
    for written in ("ada", name):
        reply = client.post("/sign-in/", {"username": written, "password": "a long enough passphrase"})
        assert reply.status_code == 429, written

"""People and tokens over the API: Admins add and change people, everybody makes and ends tokens of their own."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from dashboard.access import api_token
from dashboard.access.api_token import MOST_A_PERSON
from dashboard.access.models import ApiToken, User
from dashboard.access.roles import Role, role_of
from dashboard.audit.models import Entry
from tests.people import a_person
from tests.programs import Program, problem_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin(redis_url: str, settings: Settings) -> Program:
    settings.STREAMLAB_URL = redis_url
    return Program(Role.ADMIN, "people:write", "tokens:write")


# -- people ---------------------------------------------------------------------------------------------------------


def test_a_role_changes_and_somebody_is_let_go_and_back(admin):
    ann = Program(Role.VIEWER, "api:read", name="ann")
    number = ann.row.owner.pk
    listed = {one["name"]: one for one in admin.asks("/people")["items"]}
    expected = {"number": number, "name": "ann", "role": "Viewer", "active": True, "tokens": 1}
    assert listed["ann"] == expected
    path = f"/people/{number}"
    assert admin.does(path, {"role": "Operator"}, method="PATCH") == expected | {"role": "Operator"}
    gone = admin.does(path, {"active": False}, method="PATCH")
    assert (gone["role"], gone["active"], gone["tokens"]) == ("Operator", False, 0)
    assert problem_of(ann.get("/topics"), 401)
    admin.does(path, {"active": True, "role": "Viewer"}, method="PATCH")
    assert role_of(User.objects.get(pk=number)) is Role.VIEWER
    entries = Entry.objects.filter(subject="ann", action__startswith="person.").order_by("id")
    assert [e.action for e in entries] == [
        "person.role", "person.deactivated", "person.role", "person.activated",
    ]  # fmt: skip
    assert {(e.who, e.detail["channel"], e.detail["token"]) for e in entries} == {
        ("admin", "api", admin.row.prefix)
    }


def test_an_admin_is_always_left_and_of_two_changes_none_is_done_by_half(admin):
    path = f"/people/{admin.row.owner.pk}"
    assert "last Admin" in problem_of(admin.sends("PATCH", path, {"role": "Viewer"}), 409)["detail"]
    assert "themselves" in problem_of(admin.sends("PATCH", path, {"active": False}), 409)["detail"]
    a_person(Role.ADMIN, "eve")
    assert problem_of(admin.sends("PATCH", path, {"role": "Viewer", "active": False}), 409)
    assert role_of(User.objects.get(pk=admin.row.owner.pk)) is Role.ADMIN
    assert Entry.objects.filter(action="person.refused", who="admin").count() == 3
    assert not Entry.objects.filter(action="person.role").exists()


def test_what_makes_no_sense_of_people_is_refused(admin):
    assert problem_of(admin.sends("PATCH", "/people/99999999999999999999", {"active": False}), 404)
    assert problem_of(admin.sends("PATCH", f"/people/{admin.row.owner.pk}", {"role": "King"}), 422)


def test_a_person_is_added_as_on_the_page_and_gets_no_link(admin):
    grace = admin.does("/people", {"username": "grace", "role": "Operator"}, status=201)
    assert grace == {
        "number": grace["number"],
        "name": "grace",
        "role": "Operator",
        "active": True,
        "tokens": 0,
    }
    made = User.objects.get(username="grace")
    assert role_of(made) is Role.OPERATOR and not made.has_usable_password()
    assert not made.signin_links.exists()
    entry = Entry.objects.get(action="person.added")
    assert (entry.who, entry.subject, entry.detail["channel"]) == ("admin", "grace", "api")


@pytest.mark.parametrize(
    ("body", "where", "says"),
    [
        ({"username": "Admin", "role": "Viewer"}, "username", "somebody called"),
        ({"username": "a b", "role": "Viewer"}, "username", "valid username"),
        ({"username": "", "role": "Viewer"}, "username", "required"),
        ({"username": "x" * 151, "role": "Viewer"}, "username", "150"),
        ({"username": "x", "role": "King"}, "role", "Viewer"),
        ({"username": "x"}, "role", "required"),
    ],
)
def test_a_person_that_the_page_would_refuse_is_refused(admin, body, where, says):
    [error] = problem_of(admin.post("/people", body), 422)["errors"]
    assert error["where"] == where and says in error["says"]
    assert User.objects.count() == 1


def test_people_are_for_admins_and_changing_them_needs_the_scope(admin):
    body, path = {"role": "Admin"}, f"/people/{a_person(Role.VIEWER, 'ann').pk}"
    for role in (Role.VIEWER, Role.OPERATOR):
        program = Program(role, "people:write")
        assert "role Admin" in problem_of(program.get("/people"), 403)["detail"]
        assert problem_of(program.sends("PATCH", path, body), 403)
        assert problem_of(program.post("/people", {"username": "eve", "role": "Admin"}), 403)
    reader = Program(Role.ADMIN, "api:read", "masking:write")
    assert "scope people:write" in problem_of(reader.sends("PATCH", path, body), 403)["detail"]
    assert role_of(User.objects.get(username="ann")) is Role.VIEWER
    assert not User.objects.filter(username="eve").exists()
    assert Entry.objects.filter(action="api.refused").count() == 5


# -- tokens -----------------------------------------------------------------------------------------------------------


def test_everybody_lists_and_ends_their_own_tokens_and_an_admin_all(admin):
    ann, ben = (Program(Role.VIEWER, "tokens:write", name=name) for name in ("ann", "ben"))
    [mine] = ann.asks("/tokens")["items"]
    assert (mine["number"], mine["owner"], mine["scopes"]) == (ann.row.pk, "ann", ["tokens:write"])
    assert mine["revoked_at"] is None and mine["last_used_at"] is not None
    assert {one["owner"] for one in admin.asks("/tokens")["items"]} == {"admin", "ann", "ben"}
    assert problem_of(ann.sends("DELETE", f"/tokens/{ben.row.pk}"), 404)
    assert ben.asks("/tokens")["total"] == 1
    admin.does(f"/tokens/{ben.row.pk}", status=204, method="DELETE")
    admin.does(f"/tokens/{ben.row.pk}", status=204, method="DELETE")
    assert problem_of(ben.get("/tokens"), 401)
    ann.does(f"/tokens/{ann.row.pk}", status=204, method="DELETE")
    assert problem_of(ann.get("/tokens"), 401)
    ended = Entry.objects.filter(action="token.revoked").order_by("id")
    assert [(e.who, e.detail["channel"]) for e in ended] == [("admin", "api"), ("ann", "api")]
    assert Entry.objects.get(action="access.refused").who == "ann"


def test_a_token_tells_neither_itself_nor_its_hash(admin):
    told = admin.get("/tokens").content.decode()
    assert admin.row.token_hash not in told and admin._headers["Authorization"][7:] not in told


def a_child(parent: Program, **asked: object) -> Program:
    """What `parent` makes, in use."""
    made = parent.does("/tokens", {"name": "child", "scopes": ["tokens:write"], **asked}, status=201)
    return Program.with_token(made["token"])


def test_a_token_makes_another_for_its_owner_which_is_shown_once(admin):
    ann = Program(Role.VIEWER, "tokens:write", "records:read", name="ann")
    response = ann.post("/tokens", {"name": "report", "scopes": ["records:read", "api:read"], "days": 7})
    assert response.status_code == 201 and "no-store" in response.headers["Cache-Control"]
    made = response.json()
    row = api_token.find(made["token"])
    assert row is not None and (row.owner, row.made_with) == (ann.row.owner, ann.row)
    assert (made["scopes"], made["made_with"]) == (["api:read", "records:read"], ann.row.prefix)
    assert timedelta(days=6) < row.expires_at - timezone.now() <= timedelta(days=7)
    assert made["token"] not in ann.get("/tokens").content.decode()
    entry = Entry.objects.get(action="token.created")
    assert (entry.who, entry.detail["token"]) == ("ann", ann.row.prefix)
    assert made["token"] not in str(entry.__dict__)


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"scopes": ["api:read", "operations:write"]}, "has no operations:write"),
        ({"scopes": ["records:reveal"]}, "not one of the available choices"),
        ({"scopes": ["ingest:*"]}, "has no ingest:*"),
        ({"scopes": ["ingest:clicks"]}, "has no ingest:clicks"),
        ({"scopes": ["ingest:", "ingest:orders"]}, "is no scope"),
        ({"scopes": ["root"]}, "not one of the available choices"),
        ({"scopes": []}, "Choose at least one"),
        ({"name": ""}, "required"),
        ({"days": 100_000}, "7, 30, 90 or 365"),
    ],
)
def test_no_token_makes_one_that_may_more_or_that_the_page_would_refuse(admin, asked, says):
    ben = Program(Role.OPERATOR, "tokens:write", "ingest:orders", name="ben")
    refused = problem_of(ben.post("/tokens", {"name": "x", "scopes": ["ingest:orders"], **asked}), 422)
    assert says in refused["detail"]
    assert ApiToken.objects.filter(owner=ben.row.owner).count() == 1


def test_what_the_role_does_not_allow_is_not_given_though_the_token_has_it(admin):
    ann = Program(Role.VIEWER, "tokens:write", "ingest:*", "operations:write", name="ann")
    for scope in ("ingest:orders", "operations:write"):
        assert problem_of(ann.post("/tokens", {"name": "x", "scopes": [scope]}), 422)
    assert ApiToken.objects.filter(owner=ann.row.owner).count() == 1


@pytest.mark.parametrize("days", [7, 90, None])
def test_no_token_outlives_the_one_that_made_it(admin, days):
    ApiToken.objects.filter(pk=admin.row.pk).update(expires_at=timezone.now() + timedelta(days=2))
    made = a_child(admin, days=days)
    assert made.row.expires_at == ApiToken.objects.get(pk=admin.row.pk).expires_at


def test_what_a_token_made_ends_when_it_is_revoked(admin):
    """Else who stole it would have another one."""
    ann = Program(Role.VIEWER, "tokens:write", name="ann")
    child = a_child(ann)
    grandchild = a_child(child, days=None)
    kept = Program(Role.VIEWER, "tokens:write", name="ann")
    admin.does(f"/tokens/{ann.row.pk}", status=204, method="DELETE")
    for program in (ann, child, grandchild):
        assert problem_of(program.get("/tokens"), 401)
    assert kept.asks("/tokens")["total"] == 4
    ended = Entry.objects.filter(action="token.revoked", who="admin")
    assert {entry.subject for entry in ended} == {str(one.row) for one in (ann, child, grandchild)}
    with pytest.raises(api_token.Ended):
        api_token.create(ann.row.owner, "too late", ["api:read"], made_with=ann.row)


def test_nobody_makes_tokens_without_end(admin):
    for _ in range(MOST_A_PERSON - 1):
        api_token.create(admin.row.owner, "one of many", ["api:read"])
    refused = problem_of(admin.post("/tokens", {"name": "x", "scopes": ["api:read"]}), 422)
    assert f"{MOST_A_PERSON} tokens" in refused["detail"]


def test_a_person_who_is_signed_in_makes_one_as_on_the_page_and_not_without_the_csrf_token(admin):
    client = Client(enforce_csrf_checks=True)
    client.force_login(a_person(Role.VIEWER, "ann"))
    body = {"name": "x", "scopes": ["api:read"], "days": None}
    assert problem_of(client.post("/api/v1/tokens", body, "application/json"), 403)
    client.get("/tokens/")
    sent = {"X-CSRFToken": client.cookies["streamlab_csrf"].value}
    made = client.post("/api/v1/tokens", body, "application/json", headers=sent)
    assert made.status_code == 201 and made.json()["made_with"] is None
    assert api_token.find(made.json()["token"]).owner.username == "ann"


def test_making_and_revoking_need_the_scope(admin):
    reader = Program(Role.ADMIN, "api:read", "people:write")
    assert problem_of(reader.post("/tokens", {"name": "x", "scopes": ["api:read"]}), 403)
    refused = problem_of(reader.sends("DELETE", f"/tokens/{reader.row.pk}"), 403)
    assert "scope tokens:write" in refused["detail"] and reader.asks("/tokens")["total"] == 2
    assert problem_of(admin.sends("DELETE", "/tokens/99999999999999999999"), 404)

"""People and tokens over the API: Admins change people, everybody ends tokens of their own, nobody makes any."""

from __future__ import annotations

import pytest
from pytest_django import Settings

from dashboard.access import api_token
from dashboard.access.models import User
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
    assert (gone["role"], gone["active"]) == ("Operator", False)
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
    assert problem_of(admin.post("/people", {"username": "x"}), 405)


def test_people_are_for_admins_and_changing_them_needs_the_scope(admin):
    body, path = {"role": "Admin"}, f"/people/{a_person(Role.VIEWER, 'ann').pk}"
    for role in (Role.VIEWER, Role.OPERATOR):
        program = Program(role, "people:write")
        assert "role Admin" in problem_of(program.get("/people"), 403)["detail"]
        assert problem_of(program.sends("PATCH", path, body), 403)
    reader = Program(Role.ADMIN, "api:read", "masking:write")
    assert "scope people:write" in problem_of(reader.sends("PATCH", path, body), 403)["detail"]
    assert role_of(User.objects.get(username="ann")) is Role.VIEWER
    assert Entry.objects.filter(action="api.refused").count() == 3


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


def test_a_token_tells_neither_itself_nor_its_hash_and_makes_no_other(admin):
    told = admin.get("/tokens").content.decode()
    assert admin.row.token_hash not in told and admin._headers["Authorization"][7:] not in told
    assert problem_of(admin.post("/tokens", {"name": "x", "scopes": ["api:read"]}), 405)
    assert api_token.in_force().count() == 1


def test_revoking_needs_the_scope(admin):
    reader = Program(Role.ADMIN, "api:read", "people:write")
    refused = problem_of(reader.sends("DELETE", f"/tokens/{reader.row.pk}"), 403)
    assert "scope tokens:write" in refused["detail"] and reader.asks("/tokens")["total"] == 2
    assert problem_of(admin.sends("DELETE", "/tokens/99999999999999999999"), 404)

"""Who tries something on people and tokens: headers that are none, names that deceive, changes at the same moment."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import call_command
from django.test import Client
from django.test.client import MULTIPART_CONTENT
from pytest_django import Settings

from dashboard.access import api_token, people
from dashboard.access.models import ApiToken, User
from dashboard.access.people import NotPossible
from dashboard.access.roles import Role, role_of
from dashboard.audit.models import Entry
from dashboard.audit.trail import Actor
from tests.people import a_person
from tests.programs import Program, problem_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin(redis_url: str, settings: Settings) -> Program:
    settings.STREAMLAB_URL = redis_url
    return Program(Role.ADMIN, "people:write", "tokens:write")


# -- requests ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "header", ["Basic é", "Basic \xff\xfe", "Basic", "Basic =", "Bearer é", "Bearer", "Digest x", "\xff"]
)
@pytest.mark.parametrize("path", ["/api/v1/tokens", "/schema-registry/subjects"])
def test_no_authorization_header_is_more_than_a_token_that_is_none(header, path, redis_url, settings):
    settings.STREAMLAB_URL = redis_url
    client = Client(raise_request_exception=False, REMOTE_ADDR="10.2.0.1")
    assert client.get(path, headers={"Authorization": header}).status_code in (401, 429)


def session_of(name: str) -> tuple[Client, str]:
    """Somebody's browser, and the CSRF token of its session."""
    client = Client(enforce_csrf_checks=True, raise_request_exception=False)
    client.force_login(a_person(Role.ADMIN, name))
    client.get("/tokens/")
    return client, client.cookies["streamlab_csrf"].value


@pytest.mark.parametrize("kind", [MULTIPART_CONTENT, "multipart/form-data; boundary=", "multipart/form-data"])
def test_a_form_that_is_sent_where_json_belongs_is_refused_as_such(kind, admin):
    client, csrf = session_of("ann")
    body = b'--BoUnDaRyStRiNg\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n--BoUnDaRyStRiNg--\r\n'
    sent = client.generic("POST", "/api/v1/people", body, kind, headers={"X-CSRFToken": csrf})
    assert problem_of(sent, 400)
    unsigned = client.generic("POST", "/api/v1/people", body, kind)
    assert "X-CSRFToken" in problem_of(unsigned, 403)["detail"]
    in_the_form = {"csrfmiddlewaretoken": csrf, "username": "eve", "role": "Admin"}
    assert problem_of(client.post("/api/v1/people", in_the_form), 403)


@pytest.mark.parametrize(
    ("method", "path", "body", "slip"),
    [
        ("POST", "/people", {"username": "eve", "role": "Viewer", "is_superuser": True}, "is_superuser"),
        ("PATCH", "/people/{ann}", {"is_active": False}, "is_active"),
        ("POST", "/tokens", {"name": "x", "scopes": ["api:read"], "day": 7}, "day"),
        ("POST", "/tokens", {"name": "x", "scopes": ["api:read"], "owner": "ann"}, "owner"),
    ],
)
def test_a_field_that_does_not_exist_is_told_instead_of_left_out(admin, method, path, body, slip):
    """Else whoever means to end somebody's access with a slip in the name reads 200 and believes it done."""
    ann = a_person(Role.VIEWER, "ann")
    [error] = problem_of(admin.sends(method, path.format(ann=ann.pk), body), 422)["errors"]
    assert error["where"] == slip and "no such field" in error["says"]
    assert User.objects.count() == 2 and ApiToken.objects.count() == 1


@pytest.mark.parametrize("path", ["/tokens", "/people", "/audit", "/openapi.json"])
def test_what_can_be_read_can_be_asked_for_its_head(admin, path):
    head, whole = admin.sends("HEAD", path), admin.get(path)
    assert (head.status_code, head.content) == (200, b"") and whole.content
    assert head.headers["Content-Type"] == whole.headers["Content-Type"]


def test_a_head_needs_what_reading_needs_and_opens_no_route_that_is_only_written_to(admin):
    assert Client().head("/api/v1/tokens").status_code == 401
    refused = admin.sends("HEAD", f"/people/{admin.row.owner.pk}")
    assert (refused.status_code, refused.headers["Allow"]) == (405, "PATCH")
    assert admin.sends("PUT", "/people").headers["Allow"] == "GET, HEAD, POST"


@pytest.mark.parametrize("active", ["off", "false", 0, 1, "", []])
def test_whether_somebody_may_come_in_is_said_with_true_or_false_only(admin, active):
    ann = a_person(Role.VIEWER, "ann")
    assert problem_of(admin.sends("PATCH", f"/people/{ann.pk}", {"active": active}), 422)
    assert User.objects.get(pk=ann.pk).is_active


# -- names ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("there", "asked"),
    [("grace", "\uff47race"), ("gräce", "GRÄCE"), ("straße", "STRASSE"), ("fin", "\ufb01n")],
)
def test_nobody_is_added_whose_name_reads_as_that_of_somebody_else(admin, there, asked):
    admin.does("/people", {"username": there, "role": "Viewer"}, status=201)
    refused = problem_of(admin.post("/people", {"username": asked, "role": "Viewer"}), 422)
    assert "somebody called" in refused["detail"]


def test_a_name_is_kept_as_signing_in_reads_it(admin):
    """With a name written in wide letters nobody could ever sign in by password."""
    assert admin.does("/people", {"username": "\uff45ve", "role": "Viewer"}, status=201)["name"] == "eve"
    assert problem_of(
        admin.post("/people", {"username": "\ufdfa", "role": "Viewer"}), 422
    )  # holds spaces then


@pytest.mark.parametrize("name", ["a\nb", "a\tb", "\x1b[31mred", "\u202eevil", "\u200b", "a\u2028b", "\x7f"])
def test_what_a_token_is_for_cannot_move_a_cursor_nor_hide(admin, name):
    refused = problem_of(admin.post("/tokens", {"name": name, "scopes": ["api:read"]}), 422)
    assert refused["errors"][0]["where"] == "name"
    assert ApiToken.objects.count() == 1


def test_a_terminal_shows_old_names_harmless(admin):
    api_token.create(admin.row.owner, "a\x1b[2J\nsl_fake", ["api:read"])
    out = StringIO()
    call_command("api_token", "list", stdout=out)
    assert "\x1b" not in out.getvalue() and len(out.getvalue().splitlines()) == 2


def test_an_answer_does_not_repeat_megabytes(admin):
    for scopes in (["x" * 1_000_000], [f"x{n}" for n in range(50_000)]):
        response = admin.post("/tokens", {"name": "x", "scopes": scopes})
        assert problem_of(response, 422) and len(response.content) < 2_000


# -- what a token may give ------------------------------------------------------------------------------------------


def test_a_token_that_asks_for_more_than_it_has_leaves_a_trail(admin):
    ben = Program(Role.OPERATOR, "tokens:write", name="ben")
    for scope in ("operations:write", "ingest:orders"):
        [error] = problem_of(ben.post("/tokens", {"name": "more", "scopes": [scope]}), 422)["errors"]
        assert error["where"] == "scopes"
    entries = Entry.objects.filter(action="token.refused", who="ben").order_by("id")
    assert [e.detail["scopes"] for e in entries] == [["operations:write"], ["ingest:orders"]]
    assert "has no operations:write" in entries[0].effect
    assert {(e.subject, e.detail["token"]) for e in entries} == {("more", ben.row.prefix)}
    assert problem_of(ben.post("/tokens", {"name": "", "scopes": ["api:read"]}), 422)
    assert Entry.objects.filter(action="token.refused").count() == 2


# -- at the same moment ---------------------------------------------------------------------------------------------


def test_who_became_the_last_admin_meanwhile_stays_one(admin):
    """Two Admins work at once: one hands the role over while the other changes whom they remember as a Viewer."""
    me, ann = User.objects.get(username="admin"), a_person(Role.VIEWER, "ann")
    remembered = people.everybody().get(pk=ann.pk)
    people.change_role(ann, Role.ADMIN, Actor(me))
    people.change_role(me, Role.VIEWER, Actor(me))
    with pytest.raises(NotPossible):
        people.change_role(remembered, Role.OPERATOR, Actor(me))
    with pytest.raises(NotPossible):
        people.set_active(remembered, False, Actor(me))
    assert role_of(User.objects.get(pk=ann.pk)) is Role.ADMIN


def test_who_was_deactivated_meanwhile_is_activated_by_who_remembers_them_active(admin):
    ann = a_person(Role.VIEWER, "ann")
    remembered = User.objects.get(pk=ann.pk)
    people.set_active(ann, False, Actor(None))
    people.set_active(remembered, True, Actor(None))
    assert User.objects.get(pk=ann.pk).is_active


def test_the_trail_tells_the_role_that_somebody_deactivated_had(admin):
    ann = a_person(Role.OPERATOR, "ann")
    path = f"/people/{ann.pk}"
    admin.does(path, {"active": False}, method="PATCH")
    admin.does(path, {"role": "Operator"}, method="PATCH")
    assert not Entry.objects.filter(action="person.role").exists()
    admin.does(path, {"role": "Viewer"}, method="PATCH")
    detail = Entry.objects.get(action="person.role").detail
    assert (detail["before"], detail["after"]) == ("Operator", "Viewer")


def test_a_superuser_who_is_deactivated_is_listed_as_what_they_would_be(admin):
    root = User.objects.create_superuser("root")
    path = f"/people/{root.pk}"
    assert admin.does(path, {"active": False}, method="PATCH")["role"] == "Admin"
    admin.does(path, {"role": "Viewer"}, method="PATCH")
    admin.does(path, {"active": True}, method="PATCH")
    assert role_of(User.objects.get(pk=root.pk)) is Role.VIEWER

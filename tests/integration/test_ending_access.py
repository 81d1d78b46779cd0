"""Deactivating and revoking: asked first, with the exact effect, and for good."""

from __future__ import annotations

import re
from datetime import timedelta
from io import StringIO

import pytest
from django.contrib.sessions.models import Session
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from dashboard.access import api_token, people, signin_link, tokens
from dashboard.access.api_token import MOST_A_PERSON, Ended, TooMany
from dashboard.access.forms import TokenForm
from dashboard.access.models import ApiToken, User
from dashboard.access.roles import Role
from dashboard.audit.models import Entry
from dashboard.audit.trail import Actor
from tests.people import a_person
from tests.programs import Program, problem_of

pytestmark = pytest.mark.django_db


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def admin(redis_url: str, settings: Settings) -> Client:
    settings.STREAMLAB_URL = redis_url
    return signed_in(a_person(Role.ADMIN))


@pytest.fixture
def ann(admin: Client) -> User:
    """A Viewer with two tokens, one of which made another, a session on each of two machines and an unused link."""
    ann = a_person(Role.VIEWER, "ann")
    first, _ = api_token.create(ann, "ci", ["tokens:write"])
    api_token.create(ann, "made", ["api:read"], made_with=first)
    api_token.create(ann, "report", ["api:read"])
    signed_in(ann), signed_in(ann)
    signin_link.create(ann)
    return ann


def by_page(ann: User) -> None:
    signed_in(a_person(Role.ADMIN)).post(f"/people/{ann.pk}/deactivate/")


def by_api(ann: User) -> None:
    Program(Role.ADMIN, "people:write").does(f"/people/{ann.pk}", {"active": False}, method="PATCH")


def by_command(ann: User) -> None:
    call_command("person", "deactivate", ann.username, stdout=StringIO())


def sessions_of(user: User) -> int:
    return sum(one.get_decoded().get("_auth_user_id") == str(user.pk) for one in Session.objects.all())


# -- for good ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", [by_page, by_api, by_command])
def test_activating_brings_back_nothing_of_what_deactivating_ended(ann, way):
    browser = signed_in(ann)
    _, token = api_token.create(ann, "", ["api:read"])
    link = signin_link.create(ann)
    way(ann)
    assert sessions_of(ann) == 0
    assert not ApiToken.objects.filter(owner=ann, revoked_at=None).exists()
    entry = Entry.objects.get(action="person.deactivated")
    assert (entry.detail["tokens"], entry.detail["sessions"], entry.detail["links"]) == (4, 3, 2)
    assert entry.effect == "Ended 4 tokens, 3 sessions and 2 sign-in links."
    assert Entry.objects.filter(action="token.revoked").count() == 4
    people.set_active(ann, True, Actor(None))
    assert api_token.find(token) is None
    assert signin_link.redeem(link) is None
    assert browser.get("/tokens/").headers["Location"].startswith("/sign-in/")
    assert signed_in(ann).get("/tokens/").status_code == 200


def test_nobody_elses_sessions_and_tokens_end(ann, admin):
    bob = a_person(Role.VIEWER, "bob")
    browser, (_, token) = signed_in(bob), api_token.create(bob, "", ["api:read"])
    by_page(ann)
    assert api_token.find(token)
    assert browser.get("/tokens/").status_code == 200 == admin.get("/tokens/").status_code


def test_what_slipped_in_behind_a_deactivation_ends_when_they_are_activated(ann):
    """A sign-in that was under way, or what an older version let stand."""
    by_page(ann)
    late, late_token = Client(), api_token.PREFIX + "late"
    late.force_login(ann)
    ApiToken.objects.create(owner=ann, prefix="sl_late", token_hash=api_token._hash(late_token), scopes=[])
    people.set_active(ann, True, Actor(None))
    assert late.get("/tokens/").status_code == 302
    assert api_token.find(late_token) is None
    assert (
        Entry.objects.get(action="person.activated").effect == "Ended 1 token and 1 session left from before."
    )


def test_nothing_ends_when_the_deactivation_is_refused(admin):
    me = User.objects.get(username="admin")
    _, token = api_token.create(me, "", ["api:read"])
    admin.post(f"/people/{me.pk}/deactivate/")
    assert api_token.find(token) and admin.get("/tokens/").status_code == 200


def test_nobody_who_is_deactivated_gets_a_token(ann):
    by_page(ann)
    with pytest.raises(Ended):
        api_token.create(ann, "", ["api:read"])
    with pytest.raises(CommandError, match="deactivated"):
        call_command("api_token", "create", "--user", "ann", "--scope", "api:read")


def test_the_command_says_what_ended_and_who_is_not_there(ann):
    out = StringIO()
    call_command("person", "deactivate", "ann", stdout=out)
    assert out.getvalue() == "ann is deactivated. Ended 3 tokens, 2 sessions and 1 sign-in link.\n"
    assert Entry.objects.get(action="person.deactivated").detail["channel"] == "command line"
    call_command("person", "activate", "ann", stdout=out)
    assert out.getvalue().endswith("ann is active.\n")
    for name, says in (("nobody", "no user"), ("admin", "last Admin")):
        with pytest.raises(CommandError, match=says):
            call_command("person", "deactivate", name)


# -- asked first ------------------------------------------------------------------------------------------------------


def page_of(client: Client, path: str) -> str:
    response = client.get(path)
    assert response.status_code == 200
    return re.sub("</?bdi>", "", response.content.decode())


def test_deactivating_asks_first_and_says_exactly_what_ends(ann, admin):
    path = f"/people/{ann.pk}/deactivate/"
    assert f'href="{path}"' in page_of(admin, "/people/")
    asked = page_of(admin, path)
    assert "Ends 3 tokens, 2 sessions and 1 sign-in link of ann" in asked
    assert "cannot sign in" in asked and 'method="post"' in asked and "<script>" not in asked
    for row in ann.api_tokens.all():
        assert row.prefix in asked
    assert User.objects.get(pk=ann.pk).is_active and ann.api_tokens.filter(revoked_at=None).count() == 3
    said = admin.post(path, follow=True).content.decode()
    assert "Ended 3 tokens, 2 sessions and 1 sign-in link." in said


def test_who_has_nothing_open_is_said_to_have_nothing_to_end(admin):
    bob = a_person(Role.VIEWER, "bob")
    asked = page_of(admin, f"/people/{bob.pk}/deactivate/")
    assert "no session or token of theirs is open" in asked and "Ends" not in asked


def test_a_page_that_asks_of_what_is_not_possible_says_so_instead(ann, admin):
    by_page(ann)
    me = User.objects.get(username="admin")
    for pk, says in ((ann.pk, "ann is deactivated already"), (me.pk, "Nobody can deactivate themselves")):
        response = admin.get(f"/people/{pk}/deactivate/", follow=True)
        assert response.redirect_chain[-1][0] == "/people/" and says in response.content.decode()
    assert not Entry.objects.filter(action="person.refused").exists(), "a look is no attempt"


def test_revoking_asks_first_and_says_exactly_what_ends(ann):
    browser, first = signed_in(ann), ann.api_tokens.get(name="ci")
    made = ann.api_tokens.get(name="made")
    api_token.create(ann, "grandchild", ["api:read"], made_with=made)
    expired, _ = api_token.create(ann, "old", ["api:read"], timezone.now() - timedelta(1), made_with=first)
    path = f"/tokens/{first.pk}/revoke/"
    assert f'href="{path}"' in page_of(browser, "/tokens/")
    asked = page_of(browser, path)
    assert "Ends this token and the 2 made with it" in asked and "401" in asked
    assert "grandchild" in asked and expired.prefix not in asked
    assert api_token.in_force().filter(owner=ann).count() == 4
    said = browser.post(path, follow=True).content.decode()
    assert "nor 2 tokens made with it" in said
    assert list(api_token.in_force().filter(owner=ann)) == [ann.api_tokens.get(name="report")]
    again = browser.get(path, follow=True)
    assert again.redirect_chain[-1][0] == "/tokens/" and "opens nothing any more" in again.content.decode()


def test_a_token_that_made_none_ends_alone(ann):
    row = ann.api_tokens.get(name="report")
    asked = page_of(signed_in(ann), f"/tokens/{row.pk}/revoke/")
    assert "Ends this token" in asked and "made with it" not in asked


def test_nobody_looks_at_what_ends_with_somebody_elses_token(ann, admin):
    bob, row = signed_in(a_person(Role.VIEWER, "bob")), ann.api_tokens.get(name="report")
    assert bob.get(f"/tokens/{row.pk}/revoke/").status_code == 404
    assert bob.get(f"/people/{ann.pk}/deactivate/").status_code == 403
    assert "of ann" in page_of(admin, f"/tokens/{row.pk}/revoke/")


# -- no more than fifty -----------------------------------------------------------------------------------------------


def test_two_who_ask_for_the_last_token_at_once_get_one(admin):
    bob = a_person(Role.VIEWER, "bob")
    for _ in range(MOST_A_PERSON - 1):
        api_token.create(bob, "one of many", ["api:read"])
    forms = [TokenForm({"name": "last", "scopes": ["api:read"], "days": "7"}, owner=bob) for _ in "ab"]
    assert [form.is_valid() for form in forms] == [True, True]
    tokens.make(forms[0], Actor(bob))
    with pytest.raises(TooMany):
        tokens.make(forms[1], Actor(bob))
    assert api_token.in_force().filter(owner=bob).count() == MOST_A_PERSON
    assert Entry.objects.filter(action="token.created").count() == 1


def test_one_token_too_many_is_refused_on_every_way(admin):
    bob = a_person(Role.VIEWER, "bob")
    program = Program(Role.VIEWER, "tokens:write", name="bob")
    for _ in range(MOST_A_PERSON - 1):
        api_token.create(bob, "one of many", ["api:read"])
    asked = {"name": "x", "scopes": ["api:read"], "days": "7"}
    page = signed_in(bob).post("/tokens/", asked)
    assert page.status_code == 422 and f"{MOST_A_PERSON} tokens" in page.content.decode()
    refused = problem_of(program.post("/tokens", {**asked, "days": 7}), 422)
    assert f"{MOST_A_PERSON} tokens" in refused["detail"]
    with pytest.raises(CommandError, match=f"{MOST_A_PERSON} tokens"):
        call_command("api_token", "create", "--user", "bob", "--scope", "api:read")
    api_token.revoke(program.row)
    assert signed_in(bob).post("/tokens/", asked).status_code == 201

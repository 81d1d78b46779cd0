"""Tokens, people and masking rules on their pages: who may, what is shown once, and that it leaves a trail."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from dashboard.access import api_token, people
from dashboard.access.models import ApiToken, User
from dashboard.access.people import NotPossible
from dashboard.access.roles import Role, has_role, role_of
from dashboard.access.scopes import SCOPES, least_role
from dashboard.api import door as api_door
from dashboard.api import urls as api_urls
from dashboard.api.door import Token
from dashboard.audit.models import Entry
from dashboard.audit.trail import Actor
from dashboard.masking.models import MaskingRule
from dashboard.schema_registry.door import READ, WRITE
from tests.people import a_person

pytestmark = pytest.mark.django_db


def signed_in(role: Role, name: str = "") -> Client:
    client = Client()
    client.force_login(a_person(role, name))
    return client


@pytest.fixture
def admin(redis_url: str, settings: Settings) -> Client:
    settings.STREAMLAB_URL = redis_url
    return signed_in(Role.ADMIN)


@pytest.fixture
def operator(admin: Client) -> Client:
    return signed_in(Role.OPERATOR)


@pytest.fixture
def viewer(admin: Client) -> Client:
    return signed_in(Role.VIEWER)


def html_of(client: Client, path: str) -> str:
    response = client.get(path)
    assert response.status_code == 200
    return response.content.decode()


def shown_in(response) -> str:
    """What stands in the box of things that are shown once."""
    [found] = re.findall(r'<pre class="command"><code>([^<]+)</code>', response.content.decode())
    return found


def make_token(client: Client, **fields: object) -> str:
    asked = {"name": "ci", "scopes": ["api:read"], "days": "30", **fields}
    response = client.post("/tokens/", asked)
    assert response.status_code == 201, response.content.decode()
    return shown_in(response)


def test_a_token_is_shown_once_and_does_what_was_ticked(operator):
    token = make_token(operator, scopes=["api:read", "records:read"], ingest="orders, clicks")
    row = api_token.find(token)
    assert row is not None and row.owner.username == "operator"
    assert row.scopes == ["api:read", "ingest:clicks", "ingest:orders", "records:read"]
    assert timedelta(days=29) < row.expires_at - timezone.now() < timedelta(days=31)
    assert token not in html_of(operator, "/tokens/") and row.prefix in html_of(operator, "/tokens/")
    entry = Entry.objects.get(action="token.created")
    assert entry.who == "operator" and token not in str(entry.__dict__)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"scopes": []}, "Choose at least one"),
        ({"scopes": ["root"]}, "not one of the available choices"),
        ({"scopes": ["records:reveal"]}, "not one of the available choices"),
        ({"ingest": "a/b"}, "is no name of a topic"),
        ({"name": ""}, "This field is required"),
        ({"days": "100000"}, "not one of the available choices"),
    ],
)
def test_a_token_that_makes_no_sense_is_not_made(operator, fields, says):
    response = operator.post("/tokens/", {"name": "ci", "scopes": ["api:read"], "days": "30", **fields})
    assert response.status_code == 422 and says in response.content.decode()
    assert not ApiToken.objects.exists()


@pytest.mark.parametrize(
    ("role", "offered", "may_ingest"),
    [
        (Role.VIEWER, {"api:read", "records:read", "schemas:read", "tokens:write"}, False),
        (Role.OPERATOR, set(SCOPES) - {"records:reveal", "masking:write", "people:write"}, True),
        (Role.ADMIN, set(SCOPES), True),
    ],
)
@pytest.mark.usefixtures("admin")
def test_scopes_that_a_role_cannot_use_are_not_offered_and_not_given(role, offered, may_ingest):
    client = signed_in(role)
    html = html_of(client, "/tokens/")
    assert set(re.findall(r'name="scopes" value="([^"]+)"', html)) == offered
    assert ('name="ingest"' in html) is may_ingest
    for scope in set(SCOPES) - offered:
        asked = {"name": "ci", "scopes": [scope], "days": "30"}
        assert client.post("/tokens/", asked).status_code == 422, scope
    token = make_token(client, ingest="orders")
    assert ("ingest:orders" in api_token.find(token).scopes) is may_ingest


def test_what_is_offered_is_what_the_doors_ask_for():
    for name, door in (*vars(api_door).items(), ("schemas", Token(*READ)), ("schemas", Token(*WRITE))):
        if isinstance(door, Token):
            assert has_role(a_person(door.role), least_role(door.scope)), name


def test_everybody_sees_and_ends_their_own_tokens_and_an_admin_all(admin, viewer):
    mine, theirs = make_token(viewer), make_token(admin)
    row, other = api_token.find(mine), api_token.find(theirs)
    assert other.prefix not in html_of(viewer, "/tokens/")
    assert viewer.post(f"/tokens/{other.pk}/revoke/").status_code == 404
    assert api_token.find(theirs)
    assert row.prefix in html_of(admin, "/tokens/")
    assert admin.post(f"/tokens/{row.pk}/revoke/").status_code == 302
    assert api_token.find(mine) is None
    assert Entry.objects.filter(action="token.revoked", who="admin").count() == 1


def test_revoking_a_token_tells_of_those_that_it_made(viewer):
    row = api_token.find(make_token(viewer))
    child, _ = api_token.create(row.owner, "child", ["api:read"], made_with=row)
    assert f"made with {row.prefix}" in html_of(viewer, "/tokens/")
    said = viewer.post(f"/tokens/{row.pk}/revoke/", follow=True).content.decode()
    assert "nor 1 token made with it" in said
    assert not api_token.in_force().filter(pk=child.pk).exists()


def test_a_token_that_made_others_says_how_many_end_with_it(viewer):
    row = api_token.find(make_token(viewer))
    children = [api_token.create(row.owner, "child", ["api:read"], made_with=row)[0] for _ in range(3)]
    api_token.revoke(children[0])
    assert "2 others end with it" in html_of(viewer, "/tokens/")
    api_token.revoke(row)
    assert "end with it" not in html_of(viewer, "/tokens/")


def test_what_opens_nothing_any_more_says_why_and_is_not_counted(admin, viewer):
    row = api_token.find(make_token(viewer))
    path = f"/tokens/{row.pk}/revoke/"
    assert path in html_of(admin, "/tokens/")
    ApiToken.objects.filter(pk=row.pk).update(expires_at=timezone.now() - timedelta(days=1))
    listed = html_of(admin, "/tokens/")
    assert "expired" in listed and path not in listed
    person = User.objects.get(username="viewer")
    assert people.everybody().get(pk=person.pk).tokens == 0
    other = api_token.find(make_token(viewer))
    people.set_active(person, False, Actor(None))
    listed = html_of(admin, "/tokens/")
    assert "owner deactivated" in listed and f"/tokens/{other.pk}/revoke/" not in listed


@pytest.mark.parametrize(("path", "fields"), [("/tokens/", {"name": ""}), ("/people/", {"username": "a b"})])
def test_a_form_that_was_refused_stands_above_a_long_list(admin, path, fields):
    """Below fifty rows nobody would see what is wrong with it."""
    make_token(admin)
    refused = admin.post(path, fields).content.decode()
    assert 0 < refused.index('class="errorlist') < refused.index("<table")
    assert refused.count('id="new"') == 1 == html_of(admin, path).count('id="new"')


def test_whoever_may_not_reads_as_whom_they_are_signed_in_and_whom_to_ask(viewer):
    refused = viewer.get("/people/").content.decode()
    assert (
        "needs the role Admin. Ask an Admin for it." in refused and "signed in as <strong>viewer" in refused
    )


def test_an_admin_adds_a_person_whose_link_signs_in_once(admin):
    response = admin.post("/people/", {"username": "grace", "role": "Operator"})
    assert response.status_code == 201
    path = "/sign-in/" + shown_in(response).partition("/sign-in/")[2]
    grace = Client()
    grace.post(path)
    assert grace.get("/operations/").status_code == 200
    assert Client().post(path).status_code == 410
    assert role_of(User.objects.get(username="grace")) is Role.OPERATOR
    trail = list(Entry.objects.filter(subject="grace").values_list("action", "who"))
    assert trail == [("person.link", "admin"), ("person.added", "admin")]
    again = admin.post("/people/", {"username": "Grace", "role": "Viewer"})
    assert again.status_code == 422 and "somebody called" in again.content.decode()


def test_a_role_holds_from_the_next_click_on(admin, viewer):
    person = User.objects.get(username="viewer")
    assert viewer.get("/operations/new/purge/").status_code == 403
    admin.post(f"/people/{person.pk}/role/", {"role": "Operator"})
    assert viewer.get("/operations/new/purge/").status_code == 200
    admin.post(f"/people/{person.pk}/role/", {"role": "King"})
    assert role_of(User.objects.get(username="viewer")) is Role.OPERATOR
    assert Entry.objects.get(action="person.role").detail == {"before": "Viewer", "after": "Operator"}


def test_whoever_is_deactivated_is_out_at_once_with_all_tokens(admin, viewer):
    person = User.objects.get(username="viewer")
    token = make_token(viewer)
    admin.post(f"/people/{person.pk}/deactivate/")
    assert viewer.get("/topics/").status_code == 302
    assert api_token.find(token) is None
    admin.post(f"/people/{person.pk}/link/")
    assert not person.signin_links.exists()
    admin.post(f"/people/{person.pk}/activate/")
    assert api_token.find(token) is None


def test_the_last_admin_stays_one(admin):
    me = User.objects.get(username="admin")
    admin.post(f"/people/{me.pk}/deactivate/")
    admin.post(f"/people/{me.pk}/role/", {"role": "Viewer"})
    assert "is the last Admin" in html_of(admin, "/people/")
    refused = Entry.objects.filter(action="person.refused").order_by("id")
    assert [(entry.subject, entry.detail["step"]) for entry in refused] == [
        ("admin", "deactivate"),
        ("admin", "change_role"),
    ]
    other = a_person(Role.ADMIN, "other")
    people.change_role(me, Role.VIEWER, Actor(other))
    with pytest.raises(NotPossible):
        people.set_active(other, False, Actor(me))


def test_a_superuser_who_is_made_a_viewer_is_one(admin):
    root = User.objects.create_superuser("root")
    people.change_role(root, Role.VIEWER, Actor(None))
    assert role_of(User.objects.get(username="root")) is Role.VIEWER


@pytest.mark.parametrize("path", ["/people/", "/masking/"])
def test_pages_of_admins_are_closed_to_others_and_not_in_their_menu(admin, viewer, path):
    for client in (viewer, signed_in(Role.OPERATOR)):
        assert client.get(path).status_code == 403
        assert client.post(path, {"username": "eve", "role": "Admin"}).status_code == 403
        assert f'href="{path}"' not in html_of(client, "/tokens/")
    assert f'href="{path}"' in html_of(admin, "/tokens/")
    assert Entry.objects.filter(action="access.refused").count() == 2
    assert not User.objects.filter(username="eve").exists()


def test_masking_rules_come_and_go_on_their_page(admin, broker):
    broker.admin().create_topics({"shop.orders": {"num_partitions": 1}})
    assert admin.post("/masking/", {"topics": "shop.*", "field": "email"}).status_code == 302
    html = html_of(admin, "/masking/")
    assert "shop.orders" in html and "email" in html
    for field, says in (("$.[", "is no JSON path"), ("email", "is hidden already"), ("a b", "Write a field")):
        refused = admin.post("/masking/", {"topics": "shop.*", "field": field})
        assert refused.status_code == 422 and says in refused.content.decode(), field
    rule = MaskingRule.objects.get()
    assert admin.post(f"/masking/{rule.pk}/remove/").status_code == 302
    assert not MaskingRule.objects.exists()
    actions = Entry.objects.filter(action__startswith="masking").values_list("action", "subject")
    assert list(actions) == [("masking.removed", "email of shop.*"), ("masking.added", "email of shop.*")]


def test_no_route_of_the_api_takes_the_place_of_a_page():
    assert reverse("tokens") == "/tokens/"
    assert [pattern.name for pattern in api_urls.urlpatterns if pattern.name not in (None, "openapi")] == []


def test_the_api_page_lists_every_route_and_what_it_needs(viewer):
    html = html_of(viewer, "/api/")
    for text in ("/api/v1/topics/{topic}/records", "operations:write", "/api/v1/openapi.json", "POST"):
        assert text in html
    assert "<script>" not in html

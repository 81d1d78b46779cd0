"""Who gets in: by a one-time link, by a password, and who does not."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.contrib.auth.models import AnonymousUser, Group
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from dashboard import address
from dashboard.access import signin_link
from dashboard.access.models import SigninLink, User
from dashboard.access.roles import Role, has_role, role_of
from dashboard.audit.models import Entry

pytestmark = pytest.mark.django_db

PASSWORD = "a long enough passphrase"


def a_user(name: str = "ada", role: Role | None = Role.VIEWER, **fields: object) -> User:
    user = User.objects.create_user(name, password=PASSWORD, **fields)
    if role:
        user.groups.add(Group.objects.get(name=role))
    return user


def a_link(user: User) -> str:
    return signin_link.path_of(signin_link.create(user))


def signed_in_as(client: Client) -> str | None:
    user_id = client.session.get("_auth_user_id")
    return User.objects.get(pk=user_id).username if user_id else None


# One-time links


def test_a_link_signs_in_once() -> None:
    link = a_link(a_user())
    first, second = Client(), Client()
    assert first.post(link).headers["Location"] == "/"
    assert signed_in_as(first) == "ada"
    assert second.post(link).status_code == 410
    assert signed_in_as(second) is None


def test_looking_at_a_link_does_not_use_it_up(client: Client) -> None:
    link = a_link(a_user())
    for _ in range(3):
        page = client.get(link)
        assert page.status_code == 200
        assert b"<form" in page.content and b"ada" in page.content
    assert signed_in_as(client) is None
    assert client.post(link).status_code == 302


def test_a_link_dies_after_fifteen_minutes(client: Client) -> None:
    link = a_link(a_user())
    made = SigninLink.objects.get()
    assert timedelta(minutes=14) < made.expires_at - timezone.now() <= timedelta(minutes=15)
    SigninLink.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert client.get(link).status_code == 410
    assert client.post(link).status_code == 410
    assert signed_in_as(client) is None


def test_a_link_of_somebody_deactivated_opens_nothing(client: Client) -> None:
    link = a_link(a_user(is_active=False))
    assert client.post(link).status_code == 410


def test_a_made_up_link_opens_nothing(client: Client) -> None:
    a_link(a_user())
    assert client.post("/sign-in/made-up").status_code == 410


def test_the_table_of_links_holds_no_token() -> None:
    token = signin_link.create(a_user())
    row = SigninLink.objects.values().get()
    assert token not in str(row)


def test_a_link_is_posted_from_its_own_page_only() -> None:
    link = a_link(a_user())
    elsewhere = Client(enforce_csrf_checks=True)
    assert elsewhere.post(link).status_code == 403
    assert SigninLink.objects.get().used_at is None, "the forged request did not use the link up"


def test_a_link_sends_its_path_to_nobody(client: Client) -> None:
    page = client.get(a_link(a_user()))
    assert page.headers["Referrer-Policy"] == "strict-origin"
    assert "no-store" in page.headers["Cache-Control"]


def test_signing_in_by_link_begins_a_new_session() -> None:
    client = Client()
    client.session.save()
    before = client.session.session_key
    client.post(a_link(a_user()))
    assert client.session.session_key != before


def test_the_command_makes_the_first_admin_and_prints_a_link(client: Client) -> None:
    out = StringIO()
    call_command("signin_link", base="http://127.0.0.1:8123/", stdout=out)
    link = out.getvalue().strip()
    assert link.startswith("http://127.0.0.1:8123/sign-in/")
    client.post(link.removeprefix("http://127.0.0.1:8123"))
    assert signed_in_as(client) == "admin"
    admin = User.objects.get()
    assert role_of(admin) is Role.ADMIN
    assert not admin.has_usable_password()


def test_the_link_leads_to_where_the_pages_run(settings: Settings, tmp_path: Path) -> None:
    settings.VAR_DIR = tmp_path
    for noted in (None, "http://127.0.0.1:9000"):
        if noted:
            address.note(noted)
        out = StringIO()
        call_command("signin_link", stdout=out)
        assert out.getvalue().startswith(f"{noted or address.USUAL}/sign-in/")


def test_the_command_names_who_is_not_there() -> None:
    with pytest.raises(CommandError, match=r"There is no user 'nobody'\."):
        call_command("signin_link", user="nobody")


# Passwords


def test_a_password_signs_in_and_goes_where_one_wanted_to_go(client: Client) -> None:
    a_user()
    reply = client.post("/sign-in/?next=/topics/", {"username": "ada", "password": PASSWORD})
    assert reply.headers["Location"] == "/topics/"
    assert signed_in_as(client) == "ada"


@pytest.mark.parametrize(
    "elsewhere", ["https://evil.example/", "//evil.example", "javascript:alert(1)", "/\\evil.example"]
)
def test_signing_in_never_leads_to_another_site(client: Client, elsewhere: str) -> None:
    a_user()
    reply = client.post("/sign-in/", {"username": "ada", "password": PASSWORD, "next": elsewhere})
    assert reply.headers["Location"] == "/"


def test_guessing_is_stopped_for_that_name_from_that_place_only() -> None:
    a_user()
    a_user("grace")
    for _ in range(8):
        Client(REMOTE_ADDR="10.0.0.1").post("/sign-in/", {"username": "ada", "password": "wrong"})
    right = {"username": "ada", "password": PASSWORD}
    assert Client(REMOTE_ADDR="10.0.0.1").post("/sign-in/", right).status_code == 429
    assert Client(REMOTE_ADDR="10.0.0.2").post("/sign-in/", right).status_code == 302
    assert Client(REMOTE_ADDR="10.0.0.1").post("/sign-in/", right | {"username": "grace"}).status_code == 302


def test_the_trail_says_how_somebody_got_in() -> None:
    user = a_user()
    Client().post(a_link(user))
    Client().post("/sign-in/", {"username": "ada", "password": PASSWORD})
    effects = [entry.effect for entry in Entry.objects.filter(action="session.opened").order_by("id")]
    assert effects == ["by sign-in link", "by password"]


def test_a_browser_cannot_say_how_it_got_in() -> None:
    pretending = Client(headers={"streamlab.signs_in_with": "magic", "streamlab-signs-in-with": "magic"})
    pretending.post(a_link(a_user()))
    assert Entry.objects.get(action="session.opened").effect == "by sign-in link"


def test_one_place_cannot_try_a_password_on_every_name(settings: Settings) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # 40 of them take seconds
    a_user()
    for n in range(40):
        reply = Client(REMOTE_ADDR="10.0.0.9").post("/sign-in/", {"username": f"u{n}", "password": "winter"})
        assert reply.status_code == 200, n
    right = {"username": "ada", "password": PASSWORD}
    locked = Client(REMOTE_ADDR="10.0.0.9").post("/sign-in/", right)
    assert locked.status_code == 429 and int(locked.headers["Retry-After"]) > 0
    assert Client(REMOTE_ADDR="10.0.0.8").post("/sign-in/", right).status_code == 302


def test_signing_out_takes_a_post(client: Client) -> None:
    client.force_login(a_user(), backend="django.contrib.auth.backends.ModelBackend")
    assert client.get("/sign-out/").status_code == 405
    assert signed_in_as(client) == "ada"
    assert client.post("/sign-out/").status_code == 302
    assert signed_in_as(client) is None


# Roles


@pytest.mark.parametrize(
    ("role", "viewer", "operator", "admin"),
    [
        (None, False, False, False),
        (Role.VIEWER, True, False, False),
        (Role.OPERATOR, True, True, False),
        (Role.ADMIN, True, True, True),
    ],
)
def test_a_role_can_do_what_the_roles_below_it_can(
    role: Role | None, viewer: bool, operator: bool, admin: bool
) -> None:
    user = a_user(role=role)
    assert [has_role(user, wanted) for wanted in Role] == [viewer, operator, admin]


def test_nobody_has_no_role() -> None:
    assert role_of(AnonymousUser()) is None
    assert role_of(a_user(is_active=False, role=Role.ADMIN)) is None
    assert role_of(a_user("root", role=None, is_superuser=True)) is Role.ADMIN

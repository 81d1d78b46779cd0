"""What every answer carries, and what a public installation is held to."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from pytest_django import Settings

from dashboard.access import signin_link
from dashboard.access.models import User
from dashboard.access.roles import Role
from tests.people import a_person
from tests.streamlab_up import ROOT

OPEN_TO_ALL = {"healthz", "login", "signin-link"}


def named_addresses() -> dict[str, str]:
    """Every address without arguments, by name, with a leading slash."""
    found: dict[str, str] = {}

    def walk(patterns: list[URLPattern | URLResolver], prefix: str) -> None:
        for pattern in patterns:
            path = prefix + str(pattern.pattern)
            if isinstance(pattern, URLResolver):
                walk(pattern.url_patterns, path)
            elif pattern.name:
                found[pattern.name] = "/" + path

    walk(get_resolver().url_patterns, "")
    return found


@pytest.mark.django_db
def test_every_page_but_three_asks_for_a_sign_in(client: Client) -> None:
    closed = {name: path for name, path in named_addresses().items() if name not in OPEN_TO_ALL}
    assert "overview" in closed
    for name, pattern in closed.items():
        path = pattern
        while "<" in path:  # any value will do: nobody gets as far as looking at it
            path = path[: path.index("<")] + "1" + path[path.index(">") + 1 :]
        reply = client.get(path)
        if path.startswith("/api/v1/"):
            assert reply.status_code in (401, 405), name
            continue
        assert reply.status_code == 302 and reply.headers["Location"].startswith("/sign-in/?next="), name


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/sign-in/", "/healthz", "/no-such-page", "/sign-in/made-up"])
def test_every_answer_carries_the_security_headers(client: Client, path: str) -> None:
    headers = client.get(path).headers
    policy = dict(part.strip().partition(" ")[::2] for part in headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == "'self'"
    assert policy["style-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert policy["form-action"] == "'self'"
    assert policy["base-uri"] == policy["object-src"] == "'none'"
    assert "unsafe-eval" not in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] in ("same-origin", "strict-origin")
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "camera=()" in headers["Permissions-Policy"]
    assert "no-store" in headers["Cache-Control"]
    assert "Access-Control-Allow-Origin" not in headers


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/", 200),
        ("/api/v1/operations", 200),
        ("/api/v1/openapi.json", 200),
        ("/api/v1/nothing", 404),
        ("/audit/", 200),
        ("/audit/export.jsonl", 200),
        ("/static/js/main.js", 200),
        ("/lab/hot-key/file", 200),
        ("/people/", 200),
        ("/operations/new/nonsense/", 404),
        ("/operations/1/confirm/", 405),
        ("/?q=%00", 400),
        ("/", 503),
    ],
)
def test_no_answer_to_somebody_signed_in_lets_a_script_of_others_run(
    client: Client, settings: Settings, path: str, status: int
) -> None:
    settings.STREAMLAB_URL = None
    client.force_login(a_person(Role.ADMIN))
    reply = client.get(path)
    assert reply.status_code == status
    policy = dict(
        part.strip().partition(" ")[::2] for part in reply.headers["Content-Security-Policy"].split(";")
    )
    assert policy["default-src"] == "'none'" and policy.get("script-src", "'self'") == "'self'"
    assert reply.headers["X-Content-Type-Options"] == "nosniff" and reply.headers["X-Frame-Options"] == "DENY"


@pytest.mark.django_db
def test_an_error_of_ours_is_a_page_under_the_same_policy(client: Client, monkeypatch) -> None:
    client.force_login(a_person(Role.ADMIN))
    client.raise_request_exception = False
    monkeypatch.setattr("dashboard.pages.moments.current_or_bare", lambda: 1 / 0)
    reply = client.get("/audit/")
    assert reply.status_code == 500 and "'none'" in reply.headers["Content-Security-Policy"]
    assert b"Traceback" not in reply.content and b"ZeroDivision" not in reply.content


@pytest.mark.django_db
def test_cookies_are_out_of_reach_of_scripts_and_other_sites(client: Client) -> None:
    client.get("/sign-in/")
    client.post(signin_link.path_of(signin_link.create(User.objects.create_user("ada"))))
    assert {"streamlab_csrf", "streamlab_session"} <= set(client.cookies)
    for cookie in client.cookies.values():
        assert cookie["httponly"] and cookie["samesite"] == "Lax"


def test_a_host_that_is_not_ours_is_refused(client: Client) -> None:
    assert client.get("/sign-in/", headers={"host": "evil.example"}).status_code == 400


def manage(*arguments: str, var: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {"PATH": os.environ["PATH"], "STREAMLAB_VAR": str(var)}
    return subprocess.run(
        [sys.executable, "-W", "error::RuntimeWarning", "manage.py", *arguments],
        cwd=ROOT,
        env=inherited | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


PUBLIC = {
    "ALLOWED_HOSTS": "streamlab.example",
    "SECRET_KEY": "k3y-of-more-than-fifty-letters-that-somebody-chose-at-random-0123456789",
    "STREAMLAB_URL": "redis://data:6379/0",
    "REDIS_URL": "redis://control:6379/0",
    "DATABASE_URL": "sqlite:////tmp/unused.sqlite3",
}


def test_a_public_installation_passes_djangos_deployment_check(tmp_path: Path) -> None:
    done = manage("check", "--deploy", "--fail-level", "WARNING", var=tmp_path, **PUBLIC)
    assert done.returncode == 0, done.stderr
    assert "System check identified no issues (0 silenced)" in done.stdout


def test_a_public_installation_needs_a_secret_key_that_somebody_chose(tmp_path: Path) -> None:
    done = manage("check", var=tmp_path, **{**PUBLIC, "SECRET_KEY": ""})
    assert done.returncode == 1
    assert done.stderr.startswith("SECRET_KEY is unset;") and done.stderr.count("\n") == 1
    assert not (tmp_path / "secret_key").exists()


def test_a_secret_may_stand_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(PUBLIC["SECRET_KEY"] + "\n")
    environment = {**PUBLIC, "SECRET_KEY": "", "SECRET_KEY_FILE": str(tmp_path / "key")}
    assert manage("check", var=tmp_path, **environment).returncode == 0


def test_a_local_installation_makes_its_own_secret_key_and_keeps_it(tmp_path: Path) -> None:
    assert manage("check", var=tmp_path).returncode == 0
    key = tmp_path / "secret_key"
    first = key.read_text()
    assert len(first) >= 50
    assert key.stat().st_mode & 0o777 == 0o600
    assert manage("check", var=tmp_path).returncode == 0
    assert key.read_text() == first


def test_public_settings_are_https_only(tmp_path: Path) -> None:
    show = (
        "from django.conf import settings as s;"
        "print(s.DEBUG, s.SECURE_SSL_REDIRECT, s.SESSION_COOKIE_SECURE, s.CSRF_COOKIE_SECURE,"
        " s.SESSION_COOKIE_NAME, s.STORAGES['staticfiles']['BACKEND'].rpartition('.')[2])"
    )
    done = manage("shell", "--no-imports", "-c", show, var=tmp_path, **PUBLIC)
    assert done.stdout.split() == [
        "False", "True", "True", "True", "__Host-streamlab_session", "CompressedManifestStaticFilesStorage",
    ]  # fmt: skip


def test_models_and_migrations_agree(tmp_path: Path) -> None:
    done = manage("makemigrations", "--check", "--dry-run", var=tmp_path)
    assert done.returncode == 0, done.stdout

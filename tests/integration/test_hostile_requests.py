"""Requests that try something: bodies without end, NUL, hosts and headers that are not ours, secrets in addresses."""

from __future__ import annotations

import json
import logging

import pytest
from django.test import Client
from pytest_django import Settings

from dashboard.access import api_token, signin_link
from dashboard.access.models import SigninLink
from dashboard.access.roles import Role
from dashboard.access.scopes import SCOPES
from dashboard.operations.models import Operation
from streamlab.broker import Broker
from tests.dead_letter_builders import a_letter, a_record, bury
from tests.integration.broker_pictures import busy_snapshot, publish
from tests.integration.test_who_may_change import ROUTES, Given
from tests.people import a_person

pytestmark = pytest.mark.django_db

BODIES = {
    "10,000 brackets": b"[" * 10_000 + b"]" * 10_000,
    "a million brackets": b"[" * 1_000_000,
    "10,000 objects": b'{"fields":' * 10_000 + b"1" + b"}" * 10_000,
    "nested fields": b'{"kind":"purge","condition":"group-lag","fields":'
    + b'{"a":' * 5_000
    + b"1"
    + b"}" * 5_001,
    "invalid UTF-8": b'{"kind": "\xff\xfe"}',
    "half a surrogate": b'{"kind": "\\ud800", "condition": "\\ud800", "fields": {"name": "\\ud800"}}',
    "NUL": b'{"kind": "a\\u0000b", "condition": "group-lag", "fields": {"name": "a\\u0000b"}}',
    "a number without end": b'{"minutes": ' + b"9" * 100_000 + b"}",
    "infinity": b'{"minutes": 1e999, "condition": "group-lag", "fields": {"threshold": 1e999, "for_s": NaN}}',
    "nothing": b"",
    "no JSON": b"<script>alert(1)</script>",
    "a list": b"[]",
}


@pytest.fixture
def here(redis_url: str, settings: Settings, broker: Broker) -> Given:
    settings.STREAMLAB_URL, settings.API_RATE = redis_url, 0
    publish(redis_url, busy_snapshot())
    broker.admin().create_topics({"orders": {"num_partitions": 1}})
    names = {
        "topic": "orders", "partition": "0", "offset": "0", "dlq": "orders.revenue.dlq", "group": "revenue",
        "instance": "till", "subject": "orders-value", "version": "1", "id": "1", "kind": "webhook", "rest": "x",
        "resource": "x", "token": "x", "ending": "json", "what": "topic",
    }  # fmt: skip
    return Given(names, {"": 1})


@pytest.fixture
def program() -> Client:
    """May everything."""
    _, token = api_token.create(a_person(Role.ADMIN), "", [*SCOPES, "ingest:*"])
    return Client(headers={"Authorization": f"Bearer {token}"}, raise_request_exception=False)


@pytest.fixture
def admin() -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(a_person(Role.ADMIN))
    return client


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_no_body_breaks_an_address_for_programs(here, program, body):
    broken = []
    for route in ROUTES:
        if not route.pattern.startswith(("api/v1/", "schema-registry/", "ingest/")):
            continue
        if route.pattern.startswith("api/v1/tokens/"):
            continue  # it would end the program's own
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            response = program.generic(method, here.path(route), body, "application/json")
            if response.status_code >= 500 and response.status_code != 503:
                broken.append(f"{method} {here.path(route)}: {response.status_code}")
    assert broken == []


def test_no_page_breaks_when_its_address_or_its_form_holds_what_no_text_holds(here, admin):
    broken = []
    for route in ROUTES:
        if route.pattern.startswith(("sign-out", "tokens/")):
            continue
        path = here.path(route)
        hostile = {
            name: "a\x00b\ud800".encode("utf-8", "surrogatepass") for name in ("q", "topic", "group", "page")
        }
        asked = [
            admin.get(
                path, {"q": "\x00", "topic": "\x00", "group": "a\x00", "page": "9" * 5_000, "at": "\x00"}
            ),
            admin.get(f"{path}?q=%ff%fe&topic=%ed%a0%80&span=%00&c=%00&partition=%00&offset=-1"),
            admin.post(path, hostile),
            admin.post(path, b"\xff" * 1_000, content_type="multipart/form-data; boundary=x"),
            admin.post(path, {f"f{n}": "x" for n in range(1_500)}),
        ]
        broken += [f"{r.request['REQUEST_METHOD']} {path}: {r.status_code}" for r in asked
                   if r.status_code >= 500 and r.status_code != 503]  # fmt: skip
    assert broken == []


STORABLE_BY_NOBODY = {
    "half a pair": ('{"a": "\\ud800"}', "half a surrogate pair"),
    "half a pair as a name": ('{"b": [{"\\udfff": 1}]}', "half a surrogate pair"),
    "NUL": ('{"a": "x\\u0000"}', "the character NUL"),
}


@pytest.mark.parametrize(("merge", "says"), STORABLE_BY_NOBODY.values(), ids=STORABLE_BY_NOBODY)
def test_a_change_of_letters_that_nobody_can_store_is_refused(here, broker, program, admin, merge, says):
    values = [b'{"a": 1}', b'{"a": "\xff"}', b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"]
    dlq = bury(broker, [a_letter(a_record(partition=0, offset=n, value=v)) for n, v in enumerate(values)])
    fields = {"dlq": dlq, "to": "group", "guard": "20"}
    page = admin.post("/operations/new/replay/", {**fields, "merge": merge})
    assert page.status_code == 422 and says in page.content.decode()
    for given in (merge, json.dumps(merge)):  # an object, and the same as text
        body = f'{{"kind": "replay", "fields": {{"dlq": "{dlq}", "to": "group", "merge": {given}}}}}'
        answer = program.post("/api/v1/operations", body, "application/json")
        assert answer.status_code == 422 and says in answer.json()["detail"]
    plain = admin.post("/operations/new/replay/", {**fields, "merge": '{"a": "é"}'})
    assert plain.status_code == 302
    assert Operation.objects.get().preview["effect"].startswith("1 dead letter of group revenue")


@pytest.mark.parametrize(
    ("kind", "fields", "names"),
    [
        ("produce", {"topic": "orders"}, ("key", "value", "headers")),
        ("discard", {"dlq": "orders.revenue.dlq", "reason": "why"}, ("reason", "text", "error", "key")),
    ],
)
def test_text_that_is_no_text_is_refused_before_any_form_sees_it(here, broker, program, kind, fields, names):
    bury(broker, [a_letter(a_record(partition=0, offset=0))])
    for name in names:
        body = json.dumps({"kind": kind, "fields": {**fields, name: "x: \udc00"}})
        answer = program.post("/api/v1/operations", body, "application/json")
        assert answer.status_code == 422 and "surrogate" in answer.json()["detail"], name


@pytest.mark.parametrize("number", ["0.5", "0", "-1", "1.5", "1e-320", "1e999", "nan", "٣", "9" * 5_000])
def test_no_number_breaks_what_if(here, admin, number):
    for name in ("partitions", "members", "times", "keep", "retention_ms"):
        answer = admin.get("/what-if/", {"topic": "orders", "group": "revenue", name: number})
        assert answer.status_code == 200, name
        assert 'name="partitions" value="0"' not in answer.content.decode()


def test_NUL_in_a_query_is_refused_before_a_database_sees_it(here, admin):
    """SQLite takes it, PostgreSQL does not."""
    for path in ("/alerts/", "/audit/", "/operations/", "/dead-letters/letters/", "/people/"):
        assert admin.get(path, {"q": "a\x00b"}).status_code == 400, path
    assert admin.get("/dead-letters/a\x00b/0/0/").status_code == 400


def test_a_host_that_is_not_ours_is_named_nowhere(here, admin, settings):
    settings.ALLOWED_HOSTS = ["localhost", "testserver"]
    for headers in ({"host": "evil.example"}, {"host": "localhost", "x-forwarded-host": "evil.example"}):
        for path in ("/", "/api/", "/sign-in/", "/people/"):
            response = admin.get(path, headers=headers)
            assert b"evil.example" not in response.content and "evil.example" not in str(response.headers), (
                path
            )


@pytest.mark.parametrize("name", ["access_token", "token", "api_key", "authorization"])
def test_a_token_in_an_address_opens_nothing(here, name):
    _, token = api_token.create(a_person(Role.ADMIN), "", list(SCOPES))
    assert Client().get("/api/v1/topics", {name: token}).status_code == 401
    assert Client().get("/topics/", {name: token}).status_code == 302


def test_no_log_names_the_secret_of_a_sign_in_link(caplog):
    """Not even where somebody else's page tries to post it."""
    caplog.set_level(logging.DEBUG)
    path = signin_link.path_of(signin_link.create(a_person()))
    assert Client(enforce_csrf_checks=True).post(path).status_code == 403
    assert Client().delete(path).status_code == 405
    assert SigninLink.objects.get().used_at is None
    said = [handler for handler in logging.getLogger().handlers if handler.filters]
    assert said, "what the handlers write is filtered"
    secret = path.rsplit("/", 1)[1]
    for record in caplog.records:
        if all(handler.filter(record) for handler in said):
            assert secret not in record.getMessage()


def test_a_program_with_a_cookie_needs_the_csrf_token(here):
    client = Client(enforce_csrf_checks=True)
    client.force_login(a_person(Role.ADMIN))
    changed = [
        route for route in ROUTES if route.pattern.startswith(("api/v1/", "schema-registry/", "ingest/"))
    ]
    for route in changed:
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            response = client.generic(method, here.path(route), json.dumps({}), "application/json")
            assert response.status_code in (403, 404, 405), (method, route.pattern, response.status_code)


def test_no_form_takes_a_post_of_another_site(here):
    client = Client(enforce_csrf_checks=True)
    client.force_login(a_person(Role.ADMIN))
    for route in ROUTES:
        if not route.pattern.startswith(("api/v1/", "schema-registry/", "ingest/")):
            response = client.post(here.path(route), {}, headers={"origin": "http://evil.example"})
            assert response.status_code in (403, 405), (route.pattern, response.status_code)

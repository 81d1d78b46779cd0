"""Confluent's interface by hand: who may come in, what is answered to nonsense, and what its own client never asks."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from dashboard.access import api_token
from dashboard.access.models import User
from dashboard.access.roles import Role
from dashboard.audit.models import Entry

pytestmark = pytest.mark.django_db
BASE = "/schema-registry"
TYPE = "application/vnd.schemaregistry.v1+json"
ORDER = json.dumps({"type": "record", "name": "Order", "fields": [{"name": "id", "type": "long"}]})
BROKEN = ORDER.replace("long", "string")


def a_person(role: Role | None, name: str = "ada") -> User:
    user = User.objects.create_user(name)
    if role:
        user.groups.add(Group.objects.get_or_create(name=role)[0])
    return user


class Api:
    """Requests with a token."""

    def __init__(self, token: str):
        self._client = Client(headers={"authorization": f"Bearer {token}"}, enforce_csrf_checks=True)

    def __call__(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        data = "" if body is None else body if isinstance(body, (str, bytes)) else json.dumps(body)
        reply = self._client.generic(method, BASE + path, data, content_type=TYPE)
        assert reply.headers["Content-Type"] == TYPE, reply.content
        return reply.status_code, json.loads(reply.content) if reply.content else None


@pytest.fixture(autouse=True)
def _on_the_broker(redis_url, settings):
    settings.STREAMLAB_URL = redis_url


@pytest.fixture
def api() -> Api:
    return Api(api_token.create(a_person(Role.OPERATOR), "", ["schemas:write"])[1])


def test_a_path_that_does_not_exist_is_json_too(api):
    assert api("GET", "/nonsense") == (404, {"error_code": 404, "message": "HTTP 404 Not Found"})
    assert api("PATCH", "/subjects")[0] == 405


def test_the_associations_that_clients_ask_for_do_not_exist(api):
    status, body = api("GET", "/associations/resources/-/orders?resourceType=topic&associationType=value")
    assert (status, body["error_code"]) == (404, 40410)


def test_a_verbose_check_names_the_reasons(api):
    assert api("POST", "/subjects/a-value/versions", {"schema": ORDER}) == (200, {"id": 1})
    path = "/compatibility/subjects/a-value/versions"
    assert api("POST", f"{path}/latest", {"schema": BROKEN}) == (200, {"is_compatible": False})
    status, body = api("POST", f"{path}?verbose=true", {"schema": BROKEN})
    assert status == 200 and body["is_compatible"] is False
    assert body["messages"] == [
        "TYPE_MISMATCH at /fields/0/type: The reader's string cannot read the writer's long. (version 1)"
    ]
    assert api("POST", f"{path}/1?verbose=true", {"schema": ORDER}) == (
        200,
        {"is_compatible": True, "messages": []},
    )
    assert api("POST", f"{path}/7", {"schema": ORDER})[1]["error_code"] == 40402
    assert (
        api("POST", "/compatibility/subjects/new/versions/latest", {"schema": ORDER})[1]["is_compatible"]
        is True
    )
    assert api("POST", "/compatibility/subjects/new/versions/1", {"schema": ORDER})[1]["error_code"] == 40401


def test_a_schema_is_answered_in_the_words_that_old_clients_know(api):
    api("POST", "/subjects/a-value/versions", {"schema": ORDER})
    assert api("GET", "/schemas/ids/1?fetchMaxId=true") == (200, {"schema": ORDER, "maxId": 1})
    assert api("GET", "/schemas/ids/1/schema") == (200, json.loads(ORDER))
    assert api("GET", "/subjects/a-value/versions/latest/schema") == (200, json.loads(ORDER))
    assert api("GET", "/subjects/a-value/versions/-1")[1] == {
        "subject": "a-value",
        "version": 1,
        "id": 1,
        "schema": ORDER,
    }
    api("POST", "/subjects/j-value/versions", {"schema": '{"type":"string"}', "schemaType": "JSON"})
    assert api("GET", "/schemas/ids/2") == (200, {"schema": '{"type":"string"}', "schemaType": "JSON"})
    assert len(api("GET", "/schemas")[1]) == 2
    assert api("GET", "/schemas?offset=1&limit=1")[1][0]["subject"] == "j-value"


def test_normalize_stores_the_canonical_spelling(api):
    spelled = '{"type": "record", "name": "A", "fields": [ ]}'
    api("POST", "/subjects/a-value/versions?normalize=True", {"schema": spelled})
    assert api("GET", "/schemas/ids/1")[1]["schema"] == '{"fields":[],"name":"A","type":"record"}'


def test_deleted_versions_are_listed_only_when_asked_for(api):
    api("POST", "/subjects/a-value/versions", {"schema": ORDER})
    api("POST", "/subjects/b-value/versions", {"schema": ORDER})
    assert api("DELETE", "/subjects/a-value") == (200, [1])
    assert api("GET", "/subjects")[1] == ["b-value"]
    assert api("GET", "/subjects?deleted=true")[1] == ["a-value", "b-value"]
    assert api("GET", "/subjects?deletedOnly=true")[1] == ["a-value"]
    assert api("GET", "/schemas/ids/1/subjects")[1] == ["b-value"]
    assert api("GET", "/schemas/ids/1/versions?deleted=true")[1] == [
        {"subject": "a-value", "version": 1},
        {"subject": "b-value", "version": 1},
    ]


def test_the_level_is_set_with_one_word_and_read_with_another(api):
    assert api("GET", "/config") == (200, {"compatibilityLevel": "BACKWARD"})
    assert api("PUT", "/config", {"compatibility": "full"}) == (200, {"compatibility": "FULL"})
    assert api("GET", "/config/a-value")[1]["error_code"] == 40408
    assert api("GET", "/config/a-value?defaultToGlobal=true") == (200, {"compatibilityLevel": "FULL"})
    assert api("DELETE", "/config") == (200, {"compatibilityLevel": "FULL"})
    assert api("PUT", "/config", {"compatibility": 3})[1]["error_code"] == 42203


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ("", 400, 400),
        ("{", 400, 400),
        ("[]", 400, 400),
        ({}, 422, 42201),
        ({"schema": ""}, 422, 42201),
        ({"schema": 5}, 400, 400),
        ({"schema": "{}", "references": [{"name": "x"}]}, 400, 400),
        ({"schema": ORDER, "references": [{"name": "x", "subject": "s", "version": 1}]}, 422, 42201),
        ({"schema": ORDER, "schemaType": "PROTOBUF"}, 422, 42201),
        ({"schema": ORDER, "ruleSet": {"domainRules": [1]}}, 422, 42201),
        (b"\xff\xfe", 400, 400),
        ('{"schema": ' + "[" * 50_000, 400, 400),
        ({"schema": "[" * 50_000}, 422, 42201),
        (" " * 3_000_000, 413, 413),
    ],
    ids=lambda value: str(value)[:30],
)
def test_nonsense_is_refused(api, body, status, code):
    answered = api("POST", "/subjects/a-value/versions", body)
    assert (answered[0], answered[1]["error_code"]) == (status, code)


# -- who may --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "header", ["", "Bearer x", "Bearer sl_x", "Basic !!", "Basic c2xfeA==", "Digest a", "Basic"]
)
def test_who_is_not_known_gets_401_and_no_page_to_sign_in(header):
    headers = {"authorization": header} if header else {}
    for method, path in (("GET", "/subjects"), ("POST", "/subjects/a/versions"), ("GET", "/nonsense")):
        reply = Client().generic(method, BASE + path, headers=headers)
        assert reply.status_code == 401
        assert reply.headers["WWW-Authenticate"].startswith("Basic")
        assert json.loads(reply.content)["error_code"] == 401


def test_a_reader_reads_and_does_not_write():
    api = Api(api_token.create(a_person(Role.VIEWER), "", ["schemas:write"])[1])
    assert api("GET", "/subjects")[0] == 200
    assert api("POST", "/compatibility/subjects/a/versions/latest", {"schema": ORDER})[0] == 200
    for method, path in (
        ("POST", "/subjects/a/versions"),
        ("DELETE", "/subjects/a"),
        ("PUT", "/config"),
        ("DELETE", "/mode/a"),
    ):
        status, body = api(method, path, {"schema": ORDER})
        assert (status, body["error_code"]) == (403, 403)


def test_a_token_for_something_else_opens_nothing():
    api = Api(api_token.create(a_person(Role.ADMIN), "", ["ingest:*", "api:read"])[1])
    assert api("GET", "/subjects")[0] == 403


def test_a_person_in_a_browser_needs_the_csrf_token_to_change_something():
    client = Client(enforce_csrf_checks=True)
    client.force_login(a_person(Role.OPERATOR), backend="django.contrib.auth.backends.ModelBackend")
    assert client.get(f"{BASE}/subjects").status_code == 200
    body = json.dumps({"schema": ORDER})
    path = f"{BASE}/subjects/a-value/versions"
    refused = client.post(path, body, content_type=TYPE)
    assert refused.status_code == 403 and "CSRF" in json.loads(refused.content)["message"]
    client.get("/sign-in/")  # brings a cookie
    from django.middleware.csrf import _get_new_csrf_string, _mask_cipher_secret

    secret = _get_new_csrf_string()
    client.cookies["streamlab_csrf"] = secret
    allowed = client.post(path, body, content_type=TYPE, headers={"X-CSRFToken": _mask_cipher_secret(secret)})
    assert allowed.status_code == 200


def test_a_person_without_a_role_sees_nothing():
    client = Client()
    client.force_login(a_person(None), backend="django.contrib.auth.backends.ModelBackend")
    assert client.get(f"{BASE}/subjects").status_code == 403


def test_deleting_and_configuring_is_in_the_audit_trail(api):
    api("POST", "/subjects/a-value/versions", {"schema": ORDER})
    api("PUT", "/config/a-value", {"compatibility": "NONE"})
    api("DELETE", "/subjects/a-value")
    written = [(entry.who, entry.action, entry.subject) for entry in Entry.objects.order_by("id")]
    assert written[-2:] == [
        ("ada", "schemas.set_level", "a-value"),
        ("ada", "schemas.delete_subject", "a-value"),
    ]


def test_without_a_broker_it_says_so(api, settings):
    settings.STREAMLAB_URL = ""
    status, body = api("GET", "/subjects")
    assert (status, body["error_code"]) == (500, 50001)

"""The HTTP API: what pages show and do, under the same rules, with errors that say what to do."""

from __future__ import annotations

import json
import re
import time
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from dashboard.access.roles import Role
from dashboard.api.urls import api
from dashboard.audit.models import Entry
from dashboard.operations import tasks
from dashboard.operations.models import Operation, State
from dashboard.projections.models import DeadLetter, FailureGroup
from streamlab.broker import Broker
from streamlab.model import TopicPartition
from tests.builders import a_group_that_read, a_topic, numbered, produce
from tests.integration.broker_pictures import busy_snapshot, publish
from tests.people import a_person
from tests.programs import Program, problem_of
from tests.snapshots import a_group, a_snapshot
from tests.snapshots import a_topic as measured_topic

pytestmark = pytest.mark.django_db

ALL = ("records:read", "operations:write")
WRITING = (
    "operations:write",
    "alerts:write",
    "records:reveal",
    "masking:write",
    "people:write",
    "tokens:write",
)


@pytest.fixture
def here(redis_url: str, settings: Settings) -> str:
    settings.STREAMLAB_URL = redis_url
    return redis_url


@pytest.fixture
def operator(here: str) -> Program:
    return Program(Role.OPERATOR, *ALL)


@pytest.fixture
def viewer(here: str) -> Program:
    return Program(Role.VIEWER, *ALL, "api:read")


def test_topics_groups_and_lag_are_those_that_were_measured(viewer, here):
    publish(here, busy_snapshot())
    topics = viewer.asks("/topics")
    assert [topic["topic"] for topic in topics["items"]] == ["clicks", "orders"]
    assert "__streamlab.events" in str(viewer.asks("/topics", internal=True, q="EVENTS"))
    orders = viewer.asks("/topics/orders")
    assert len(orders["all_partitions"]) == orders["partitions"]
    [inventory] = viewer.asks("/groups", q="inventory")["items"]
    assert inventory["status"]["word"] == "stopped" and inventory["lag"] == 400
    assert viewer.asks("/groups/inventory")["all_members"] == []
    assert sum(p["lag"] for p in viewer.asks("/groups/inventory/offsets")) == 400
    lags = [line["lag"] for line in viewer.asks("/lag")["items"]]
    assert lags == sorted(lags, key=lambda lag: -(lag or 0))
    assert {line["group"] for line in viewer.asks("/lag", group="inventory")["items"]} == {"inventory"}
    assert "inventory is stopped" in viewer.asks("/overview")["findings"][0]["headline"]


@pytest.mark.parametrize("dead", [0, 1], ids=["all replayed", "one is dead"])
def test_the_overview_says_the_headline_of_the_page(viewer, here, dead):
    publish(here, a_snapshot(measured_topic("orders"), a_group("billing")))
    now_ms = time.time_ns() // 1_000_000
    DeadLetter.objects.create(key="a", group="billing", topic="orders", partition=0, offset=1, record_id="r",
                              state="dead" if dead else "recovered", state_ms=now_ms, died_ms=now_ms)  # fmt: skip
    FailureGroup.objects.create(group="billing", topic="orders", fingerprint="f", dead=dead)
    said = viewer.asks("/overview")
    page = Client()
    page.force_login(a_person(Role.VIEWER))
    html = page.get("/").content.decode()
    [headline] = re.findall(r'<h2 aria-live="polite">([^<]*)</h2>', html)
    assert said["headline"] == headline
    assert said["headline"] == ("1 record died in the last 15 minutes" if dead else "The group keeps up")
    assert [found["headline"] for found in said["findings"]] == ["1 record died in the last 15 minutes"]


def test_lists_come_a_page_at_a_time(viewer, here):
    publish(here, busy_snapshot())
    seen = []
    for page in (1, 2, 3):
        found = viewer.asks("/topics", limit=1, page=page, internal=True)
        assert (found["total"], found["pages"]) == (3, 3)
        seen += [topic["topic"] for topic in found["items"]]
    assert seen == ["__streamlab.events", "clicks", "orders"]
    assert viewer.asks("/topics", page=9)["items"] == []
    assert problem_of(viewer.get("/topics", limit=0), 422)["errors"][0]["where"] == "query.limit"


def test_without_measurements_the_answer_is_503_and_says_when_to_come_again(viewer, here):
    response = viewer.get("/topics")
    assert "sampler" in problem_of(response, 503)["detail"]
    assert response.headers["Retry-After"]


def test_a_search_says_how_far_it_looked_and_continues_to_the_end(viewer, broker):
    topic = a_topic(broker, partitions=2)
    for partition in (0, 1):
        produce(broker, topic, numbered(60), partition=partition)
    cursor, offsets, scanned = "", [], []
    while cursor is not None:
        found = viewer.asks(f"/topics/{topic}/records", cursor=cursor, limit=50)
        offsets += [(r["partition"], r["offset"]) for r in found["records"]]
        scanned.append(found["scanned"])
        cursor = found["cursor"]
        assert found["of"] == 120
    assert sorted(offsets) == [(p, n) for p in (0, 1) for n in range(60)]
    assert scanned == [50, 100, 120]
    matching = viewer.asks(f"/topics/{topic}/records", text="59", order="oldest")
    assert [r["value"]["text"] for r in matching["records"]] == ["59", "59"] and matching["scanned"] == 120
    assert "is no time" in problem_of(viewer.get(f"/topics/{topic}/records", at="noon"), 422)["detail"]
    assert "choose it too" in problem_of(viewer.get(f"/topics/{topic}/records", offset=3), 422)["detail"]


def test_bytes_that_are_no_text_come_as_base64_and_a_tombstone_as_null(viewer, broker):
    topic = a_topic(broker)
    produce(
        broker, topic, [b"\xff\x00", "café".encode(), None], key=b"k", headers=[("h", b"\xfe"), ("n", None)]
    )
    values = [viewer.asks(f"/topics/{topic}/records/0/{n}")["record"]["value"] for n in range(3)]
    assert [v and (v["text"], v["base64"]) for v in values] == [(None, "/wA="), ("café", None), None]
    record = viewer.asks(f"/topics/{topic}/records/0/0")["record"]
    assert record["key"]["text"] == "k"
    assert [header["value"] and header["value"]["base64"] for header in record["headers"]] == ["/g==", None]
    assert "no record at offset 9" in problem_of(viewer.get(f"/topics/{topic}/records/0/9"), 404)["detail"]


def committed(broker: Broker, topic: str) -> int:
    return broker.admin().list_group_offsets("revenue")["revenue"][TopicPartition(topic, 0)].offset


def test_an_operation_is_drafted_confirmed_carried_out_and_taken_back(operator, broker):
    topic = a_group_that_read(broker, 40)
    fields = {"group": "revenue", "topic": topic, "to": "shift", "records": -15}
    drafted = operator.does("/operations", {"kind": "reset-offsets", "fields": fields}, 201)
    assert (
        drafted["state"] == "draft" and "15 records will be processed again" in drafted["preview"]["effect"]
    )
    assert "--shift-by -15" in drafted["command"]
    assert committed(broker, topic) == 40
    path = f"/operations/{drafted['number']}"
    assert operator.does(f"{path}/confirm")["state"] == "queued"
    assert "already" in problem_of(operator.post(f"{path}/confirm"), 409)["detail"]
    tasks.run(drafted["number"])
    done = operator.asks(path)
    assert done["state"] == "done" and done["can_undo"] and committed(broker, topic) == 25
    undo = operator.does(f"{path}/undo", status=201)
    assert undo["undoes"] == drafted["number"]
    operator.does(f"/operations/{undo['number']}/confirm")
    tasks.run(undo["number"])
    assert committed(broker, topic) == 40
    assert operator.asks("/operations", state="undone")["items"][0]["number"] == drafted["number"]


def test_the_trail_says_who_from_where_and_that_it_was_the_api(operator, broker):
    topic = a_topic(broker)
    drafted = operator.does(
        "/operations", {"kind": "add-partitions", "fields": {"topic": topic, "total": 3}}, 201
    )
    operator.does(f"/operations/{drafted['number']}/preview")
    operator.does(f"/operations/{drafted['number']}/cancel")
    entries = Entry.objects.filter(operation=drafted["number"]).order_by("id")
    assert [entry.action for entry in entries] == [
        "operation.drafted",
        "operation.previewed",
        "operation.cancelled",
    ]
    for entry in entries:
        assert (entry.who, entry.origin) == ("operator", "127.0.0.1")
        assert (entry.detail["channel"], entry.detail["token"]) == ("api", operator.row.prefix)
    [newest, *_] = operator.asks("/audit", q="operation.cancelled")["items"]
    assert newest["operation"] == drafted["number"]
    exported = b"".join(operator.get("/audit/export", q="cancelled").streaming_content).splitlines()
    assert json.loads(exported[0])["detail"]["channel"] == "api"


def test_what_destroys_something_needs_its_name(operator, broker):
    topic = a_topic(broker)
    produce(broker, topic, numbered(3))
    drafted = operator.does("/operations", {"kind": "purge", "fields": {"topic": topic}}, 201)
    assert drafted["confirm_with"] == topic
    path = f"/operations/{drafted['number']}/confirm"
    assert f"Type {topic}" in problem_of(operator.post(path), 409)["detail"]
    assert operator.does(path, {"typed": topic})["state"] == "queued"


def test_page_and_api_refuse_the_same_for_the_same_reason(operator, broker, client):
    topic = a_topic(broker)
    client.force_login(operator.row.owner)
    for kind, fields in (
        ("reset-offsets", {"group": "nobody", "to": "earliest"}),
        ("add-partitions", {"topic": topic, "total": "many"}),
        ("purge", {"topic": "nothing"}),
        ("create-topic", {"topic": "a/b", "partitions": 1, "retention_days": 1}),
    ):
        page = client.post(f"/operations/new/{kind}/", fields)
        assert page.status_code == 422
        errors = problem_of(operator.post("/operations", {"kind": kind, "fields": fields}), 422)["errors"]
        on_the_page = {error for of_one in page.context["form"].errors.values() for error in of_one}
        assert {error["says"] for error in errors} == on_the_page, kind


def test_a_mistyped_field_is_refused_since_it_would_widen_what_is_done(operator, broker):
    topic = a_group_that_read(broker, 3)
    fields = {"group": "revenue", "topic": topic, "to": "earliest", "partition": "0"}
    refused = problem_of(operator.post("/operations", {"kind": "reset-offsets", "fields": fields}), 422)
    assert refused["errors"][0]["where"] == "fields.partition" and "partitions" in refused["detail"]
    assert problem_of(operator.post("/operations", {"kind": "drop-everything"}), 422)
    assert not Operation.objects.exists()


def test_settings_that_are_not_given_stay_as_they_are(operator, broker):
    def change(**settings: Any) -> None:
        fields = {"entity": "group:revenue", **settings}
        drafted = operator.does("/operations", {"kind": "configure", "fields": fields}, 201)
        operator.does(f"/operations/{drafted['number']}/confirm")
        tasks.run(drafted["number"])
        assert operator.asks(f"/operations/{drafted['number']}")["state"] == "done"

    a_group_that_read(broker, 3)
    change(max_poll_records=50)
    change(fetch_min_bytes=1000)
    known = operator.asks("/operations/kinds/configure", entity="group:revenue")
    initial = {field["name"]: field["initial"] for field in known["fields"]}
    assert (initial["max_poll_records"], initial["fetch_min_bytes"]) == ("50", "1000")


def test_a_time_with_an_offset_means_that_moment(operator, broker):
    topic = a_topic(broker)
    produce(broker, topic, numbered(3))
    fields = {"topic": topic, "before": "2026-01-31T10:30:00+02:00"}
    drafted = operator.does("/operations", {"kind": "purge", "fields": fields}, 201)
    assert "2026-01-31 08:30:00" in drafted["preview"]["effect"]


def test_roles_and_scopes_hold_for_each_step(operator, viewer, broker):
    topic = a_topic(broker)
    body = {"kind": "purge", "fields": {"topic": topic}}
    assert "role Operator" in problem_of(viewer.post("/operations", body), 403)["detail"]
    number = operator.does("/operations", body, 201)["number"]
    for step in ("confirm", "cancel", "preview", "undo"):
        problem_of(viewer.post(f"/operations/{number}/{step}"), 403)
    assert Operation.objects.get().state == State.DRAFT
    assert Entry.objects.filter(action="api.refused", who="viewer").count() == 5
    figures_only = Program(Role.OPERATOR, "api:read")
    assert "scope operations:write" in problem_of(figures_only.post("/operations", body), 403)["detail"]
    assert "scope records:read" in problem_of(figures_only.get(f"/topics/{topic}/records"), 403)["detail"]
    assert figures_only.asks(f"/operations/{number}")["kind"] == "purge"


def test_nobody_and_an_unknown_token_are_told_how_to_come_in(here):
    for headers in ({}, {"Authorization": "Bearer sl_made_up"}, {"Authorization": "Digest x"}):
        response = Client(headers=headers).get("/api/v1/topics")
        problem_of(response, 401)
        assert response.headers["WWW-Authenticate"] == "Bearer"


def test_a_session_needs_the_csrf_token_for_what_changes_something(here, broker):
    topic = a_topic(broker)
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(a_person(Role.OPERATOR))
    body = json.dumps({"kind": "purge", "fields": {"topic": topic}})
    assert browser.get("/api/v1/operations").status_code == 200
    refused = browser.post("/api/v1/operations", body, content_type="application/json")
    assert "CSRF" in problem_of(refused, 403)["detail"]
    browser.get("/operations/new/purge/")
    token = browser.cookies["streamlab_csrf"].value
    sent = browser.post(
        "/api/v1/operations", body, content_type="application/json", headers={"X-CSRFToken": token}
    )
    assert sent.status_code == 201


def test_what_is_not_there_or_not_possible_is_json_too(viewer, here):
    assert "/api/v1/openapi.json" in problem_of(viewer.get("/nothing/here"), 404)["detail"]
    assert problem_of(viewer.get("/operations/99999999999999999999"), 404)
    assert problem_of(viewer.get("/schemas/nothing"), 404)
    assert problem_of(viewer.get("/topics/orders\x00/records"), 404)
    assert problem_of(viewer.get("/topics", q="\x00"), 422)
    response = viewer.post("/topics")
    assert problem_of(response, 405) and response.headers["Allow"] == "GET, HEAD"
    operator = Program(Role.OPERATOR, *ALL)
    broken = operator._client.post("/api/v1/operations", "{", content_type="application/json")
    assert problem_of(broken, 400)


def test_the_description_names_every_route_with_what_it_needs_and_how_it_fails(viewer):
    description = viewer.asks("/openapi.json")
    operations = [
        (path, method, operation)
        for path, methods in description["paths"].items()
        for method, operation in methods.items()
    ]
    ids = [operation["operationId"] for _, _, operation in operations]
    assert len(ids) == len(set(ids)) >= 30
    for path, method, operation in operations:
        assert operation["x-role"] in [str(role) for role in Role]
        assert operation["description"] and operation["security"]
        assert (method == "get") == (operation["x-scope"] not in WRITING), path
        for status in ("401", "403", "422"):
            assert "application/problem+json" in operation["responses"][status]["content"]


def test_every_route_has_a_guard():
    for router in api._get_bound_routers():
        for path, view in router.path_operations.items():
            for operation in view.operations:
                assert operation.auth_callbacks, path

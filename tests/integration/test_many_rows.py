"""A list asks the database as often for many rows as for one."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from dashboard.access import api_token
from dashboard.access.models import User
from dashboard.access.roles import Role
from dashboard.access.scopes import API_READ
from dashboard.alerts.models import Channel, Firing, Notice, Rule
from dashboard.audit.models import Entry
from dashboard.operations.models import Operation
from dashboard.projections.models import DeadLetter, FailureGroup
from tests.people import a_person

pytestmark = pytest.mark.django_db

MANY = 12


@pytest.fixture
def program(redis_url: str, settings: Settings) -> Client:
    settings.STREAMLAB_URL, settings.API_RATE = redis_url, 0
    _, token = api_token.create(a_person(Role.VIEWER), "", [API_READ])
    return Client(headers={"Authorization": f"Bearer {token}"})


@pytest.fixture
def viewer(redis_url: str, settings: Settings) -> Client:
    settings.STREAMLAB_URL = redis_url
    client = Client()
    client.force_login(a_person(Role.VIEWER))
    return client


def asked(client: Client, path: str) -> list[str]:
    """The queries that it takes to answer."""
    with CaptureQueriesContext(connection) as seen:
        response = client.get(path)
    assert response.status_code == 200, response.content
    return [query["sql"] for query in seen.captured_queries]


def grown(client: Client, path: str, add: Callable[[int], None]) -> list[str]:
    """Queries that many rows take and one does not."""
    add(0)
    asked(client, path)  # what is read once and kept
    one = asked(client, path)
    for n in range(1, MANY):
        add(n)
    many = asked(client, path)
    return many[len(one) :]


def a_replayed_failure(n: int) -> None:
    """One letter was replayed; two died since, of which one was discarded."""
    plain = {"group": "billing", "topic": f"orders{n}", "fingerprint": "f", "state_ms": 1, "partition": 0}
    FailureGroup.objects.create(
        group="billing", topic=f"orders{n}", fingerprint="f", last_ms=30 + n, dead=1, exception="shop.Gone"
    )
    letters = (("recovered", 10, 20), ("dead", 30, None), ("discarded", 40, None), ("dead", 15, None))
    for offset, (state, died_ms, replayed_ms) in enumerate(letters):
        DeadLetter.objects.create(
            **plain, key=f"{n}-{offset}", record_id=f"{n}-{offset}", offset=offset, state=state,
            died_ms=died_ms, replayed_ms=replayed_ms,
        )  # fmt: skip


def a_rule(n: int) -> None:
    """It fires twice, and tells two channels."""
    rule = Rule.objects.create(
        name=f"rule {n}", condition="group-lag", threshold=1, owner=a_person(Role.ADMIN)
    )
    for m in range(2):
        rule.channels.add(a_channel(2 * n + m))
    for cleared_at in (None, None, timezone.now()):
        Firing.objects.create(
            rule=rule, rule_name=rule.name, condition="group-lag", subject="group revenue", severity="warning",
            opened_says="much", opened_at=timezone.now(), cleared_at=cleared_at,
        )  # fmt: skip


def a_channel(n: int) -> Channel:
    """Two notices wait, one was told."""
    channel = Channel.objects.create(name=f"channel {n}", kind="webhook", url="https://hooks.example/x")
    for m, (state, attempts) in enumerate((("told", 1), ("waiting", 0), ("sending", 2))):
        Notice.objects.create(
            key=f"{n}-{m}", channel=channel, channel_name=channel.name, event="opened", body={}, state=state,
            attempts=attempts, due_at=timezone.now(), answer=f"answer {m}",
        )  # fmt: skip
    return channel


def test_dead_letters_that_were_replayed_cost_no_query_each(viewer):
    assert grown(viewer, "/dead-letters/", a_replayed_failure) == []
    assert viewer.get("/dead-letters/").content.decode().count("1 new") == MANY


def test_rules_cost_no_query_each(program):
    assert grown(program, "/api/v1/alerts/rules", a_rule) == []
    found = program.get("/api/v1/alerts/rules").json()["items"]
    assert {(rule["firing"], len(rule["channels"])) for rule in found} == {(2, 2)} and len(found) == MANY


def test_channels_cost_no_query_each(program):
    assert grown(program, "/api/v1/alerts/channels", a_channel) == []
    found = program.get("/api/v1/alerts/channels").json()["items"]
    assert [channel["waiting"] for channel in found] == [2] * MANY


def test_people_and_what_they_did_cost_no_query_each(redis_url, settings):
    settings.STREAMLAB_URL = redis_url
    admin = Client()
    admin.force_login(a_person(Role.ADMIN))
    for path, add in (("/people/", somebody), ("/audit/", an_operation), ("/operations/", an_operation)):
        assert grown(admin, path, add) == [], path
    assert admin.get("/people/").content.decode().count("somebody ") >= MANY
    assert admin.get("/audit/").content.decode().count('href="/operations/') >= MANY


def somebody(n: int) -> User:
    return a_person(Role.OPERATOR, f"somebody {n}")


def an_operation(n: int) -> None:
    person = somebody(n)
    made = Operation.objects.create(
        kind="pause-group", subject="group revenue", spec={"group": "revenue"}, preview={"effect": "It waits."},
        created_by=person, confirmed_by=person,
    )  # fmt: skip
    Entry.objects.create(user=person, who=person.username, action="operation.drafted", operation=made.pk)


def test_the_page_of_alerts_costs_no_query_a_rule_or_channel(viewer):
    assert grown(viewer, "/alerts/", a_rule) == []
    html = viewer.get("/alerts/").content.decode()
    assert html.count("answer 2") >= 2 * MANY and "answer 0" not in html  # the newest that was tried

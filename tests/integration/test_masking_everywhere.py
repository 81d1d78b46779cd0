"""What a masking rule hides comes out nowhere: no page, frame, form, export, answer, error or log."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest
from django.test import Client
from pytest_django import Settings

from dashboard.access import api_token
from dashboard.access.roles import Role
from dashboard.access.scopes import RECORDS_REVEAL, SCOPES
from dashboard.audit.models import Entry
from dashboard.masking.models import MaskingRule
from dashboard.operations.models import Operation
from dashboard.operations.registry import KINDS
from dashboard.pages.registry import PAGES
from dashboard.pages.views import FRAME_TYPE
from dashboard.projections.models import DeadLetter
from dashboard.projections.projector import Projector
from streamlab import RetryPolicy
from streamlab.broker import Broker
from tests.builders import a_topic
from tests.integration.broker_pictures import publish
from tests.integration.test_operations import ask, carry_out, step
from tests.integration.test_who_may_change import ROUTES, Given
from tests.people import a_person
from tests.snapshots import a_group, a_snapshot
from tests.snapshots import a_topic as a_topic_seen
from tests.waiting import until

pytestmark = pytest.mark.django_db

SECRET = "s3cret-7f1e"
VALUE = json.dumps({"email": SECRET, "country": "Norway", "inner": json.dumps({"email": SECRET})}).encode()


def refuse(record) -> None:
    raise ValueError(f"no stock for {record.value.decode()} of {record.key.decode()}")


@pytest.fixture
def projector(broker: Broker) -> Iterator[Projector]:
    made = Projector(broker)
    yield made
    made.close()


@pytest.fixture
def topic(broker: Broker, projector: Projector, redis_url: str, settings: Settings) -> str:
    """Holds a record whose key and a field of it are hidden, and that died saying both."""
    settings.STREAMLAB_URL, settings.API_RATE = redis_url, 0
    name = a_topic(broker)
    for field in ("email", "@key"):
        MaskingRule.objects.create(topics=name, field=field)
    with broker.producer() as producer:
        producer.send(name, VALUE, key=SECRET.encode(), headers=[("email", SECRET.encode())]).get(30)
    with broker.worker(
        name, group_id="billing", handler=refuse, retry=RetryPolicy(base_ms=1, cap_ms=1, max_attempts=2)
    ):
        until(
            lambda: projector.catch_up() >= 0 and DeadLetter.objects.filter(topic=name).exists(),
            what="it died",
        )
    publish(
        redis_url, a_snapshot(a_topic_seen(name), a_topic_seen(f"{name}.billing.dlq"), a_group("billing"))
    )
    return name


def signed_in(role: Role) -> Client:
    client = Client()
    client.force_login(a_person(role))
    return client


def by_token(role: Role) -> Client:
    _, token = api_token.create(a_person(role), "", [scope for scope in SCOPES if scope != RECORDS_REVEAL])
    return Client(headers={"Authorization": f"Bearer {token}"})


def an_operation(kind: str, **fields: object) -> Operation:
    """Asked for by its form, confirmed and run."""
    admin = signed_in(Role.ADMIN)
    return carry_out(admin, ask(admin, kind, **fields))


def everywhere(topic: str, operation: Operation) -> list[str]:
    """Every address of the dashboard about that topic."""
    dlq = f"{topic}.billing.dlq"
    values = {
        "topic": topic, "partition": "0", "offset": "0", "dlq": dlq, "group": "billing", "token": "x", "instance": "x",
        "subject": f"{topic}-value", "version": "1", "id": "1", "kind": "webhook", "rest": "x", "resource": "x",
        "ending": "json", "what": "topic",
    }  # fmt: skip
    numbers = {"": operation.pk}
    given, paths = Given(values, numbers), []
    for route in ROUTES:
        paths.append(given.path(route))
    values["topic"] = dlq
    paths += [
        given.path(route) for route in ROUTES if "<topic>" in route.pattern or ":topic>" in route.pattern
    ]
    values["topic"] = "__streamlab.events"
    for n in range(12):
        values["offset"] = str(n)
        paths += [
            given.path(route) for route in ROUTES if "offset" in route.pattern and "topic" in route.pattern
        ]
    paths += [f"/topics/{t}/messages/" for t in (topic, dlq, "__streamlab.events")]
    paths += [f"/dead-letters/letters/?q={SECRET[:4]}", f"/topics/{topic}/messages/?text={SECRET[:4]}"]
    paths += [
        f"/operations/new/replay/?dlq={dlq}&letters={dlq}/0@0",
        f"/operations/new/produce/?topic={topic}",
    ]
    return list(dict.fromkeys(paths))


def said(client: Client, path: str, **headers: str) -> bytes:
    response = client.get(path, headers=headers)
    return b"".join(response) if response.streaming else response.content


def test_what_is_hidden_comes_out_nowhere(topic, caplog):
    caplog.set_level(logging.DEBUG)
    operation = an_operation("produce", topic=topic, key=SECRET, value=VALUE.decode())
    callers = [signed_in(role) for role in Role] + [by_token(role) for role in (Role.VIEWER, Role.ADMIN)]
    told = []
    for path in everywhere(topic, operation):
        for client in callers:
            told += [path] if SECRET.encode() in said(client, path) else []
        told += [f"frame of {path}"] if SECRET.encode() in said(callers[0], path, accept=FRAME_TYPE) else []
    assert told == []
    assert SECRET not in caplog.text
    assert len(everywhere(topic, operation)) > len(PAGES)


def test_what_is_asked_wrongly_says_nothing_of_it(topic):
    dlq = f"{topic}.billing.dlq"
    client = signed_in(Role.OPERATOR)
    wrong = [
        client.post(
            f"/schemas/{topic}-value/check/", {"type": "JSON", "text": '{"type": "null"}', "topic": topic}
        ),
        client.post("/operations/new/replay/", {"dlq": dlq, "letters": f"{dlq}/0@0", "to": "nowhere"}),
        client.post("/operations/now/replay/", {"letter": f"{dlq}/0@99"}),
        client.get(f"/topics/{topic}/messages/", {"path": f"$.email = {SECRET[:3]}", "offset": "x"}),
    ]
    for response in wrong:
        assert SECRET not in response.content.decode()


def test_nobody_finds_out_what_is_hidden_by_searching_for_it(topic):
    """A search that told whether a hidden value begins so would give it away, letter by letter."""
    client, program = signed_in(Role.VIEWER), by_token(Role.VIEWER)
    for query in ({"path": f"$.email = {SECRET}"}, {"text": SECRET}, {"key": SECRET}):
        right = client.get(f"/topics/{topic}/messages/", query).content.decode().count("<tr data-key=")
        found = program.get(f"/api/v1/topics/{topic}/records", query).json()["records"]
        assert right == len(found) == 0, query
    assert (
        len(program.get(f"/api/v1/topics/{topic}/records", {"path": "$.country = Norway"}).json()["records"])
        == 1
    )


def test_an_admin_may_look_and_each_look_is_on_the_trail(topic):
    dlq, admin, operator = f"{topic}.billing.dlq", signed_in(Role.ADMIN), signed_in(Role.OPERATOR)
    looks = {
        f"/topics/{topic}/records/0/0/reveal/": "record.revealed",
        f"/topics/{topic}/records/0/0/value": "record.revealed",
        f"/dead-letters/{dlq}/0/0/reveal/": "letter.revealed",
    }
    for path, action in looks.items():
        before = Entry.objects.filter(action=action).count()
        assert SECRET in admin.post(path).content.decode(), path
        assert Entry.objects.filter(action=action, who="admin").count() == before + 1
        assert operator.post(path).status_code == 403
    assert Entry.objects.filter(action="reveal.refused", who="operator").count() == len(looks)


def test_a_letter_that_is_replayed_goes_whole_although_it_is_hidden(topic, broker):
    dlq = f"{topic}.billing.dlq"
    operation = an_operation("replay", dlq=dlq, letters=f"{dlq}/0@0", to="source", rate="", guard="100")
    assert operation.state == "done", operation.error
    with broker.consumer(
        topic, group_id=None, auto_offset_reset="earliest", enable_auto_commit=False
    ) as consumer:
        seen: list[bytes] = []
        until(
            lambda: seen.extend(r.value for rs in consumer.poll(200).values() for r in rs) or len(seen) >= 2
        )
    assert seen == [VALUE, VALUE]
    assert SECRET not in signed_in(Role.ADMIN).get(f"/operations/{operation.pk}/").content.decode()
    assert KINDS["replay"].contents is not None


def replayed_by(role: Role, topic: str, into: str, **fields: object) -> Operation:
    """A draft of a replay of the topic's dead letter into another topic."""
    dlq = f"{topic}.billing.dlq"
    return ask(signed_in(role), "replay", dlq=dlq, to="topic", to_topic=into, rate="", guard="100", **fields)


def test_letters_are_not_replayed_to_where_everybody_would_read_what_is_hidden(topic, broker):
    into = a_topic(broker)
    operation = replayed_by(Role.OPERATOR, topic, into)
    blocked = operation.preview["blocked"]
    assert blocked.startswith(
        f"@key, email are hidden in {topic}.billing.dlq; in {into} everybody would read them."
    )
    assert "Have an Admin give" in blocked
    step(signed_in(Role.OPERATOR), operation, "confirm")
    assert operation.state == "draft"
    fields = {"dlq": f"{topic}.billing.dlq", "to": "topic", "to_topic": into, "merge": {"country": "Sweden"}}
    for role in (Role.OPERATOR, Role.ADMIN):  # the Admin's token has no scope for revealing
        asked = by_token(role).post(
            "/api/v1/operations", {"kind": "replay", "fields": fields}, "application/json"
        )
        assert asked.json()["preview"]["blocked"] == blocked


def test_with_the_same_rules_letters_may_be_replayed_into_another_topic(topic, broker):
    into = a_topic(broker)
    MaskingRule.objects.create(topics=into, field="email")
    assert "@key is hidden" in replayed_by(Role.OPERATOR, topic, into).preview["blocked"]
    MaskingRule.objects.create(topics=f"{into}*", field="@key")
    operation = carry_out(signed_in(Role.OPERATOR), replayed_by(Role.OPERATOR, topic, into))
    assert operation.state == "done", operation.error
    path = f"/api/v1/topics/{into}/records/0/0"
    assert SECRET not in by_token(Role.OPERATOR).get(path).content.decode()


def test_an_admin_who_replays_what_is_hidden_into_the_open_is_audited_for_it(topic, broker):
    into = a_topic(broker)
    operation = replayed_by(Role.ADMIN, topic, into)
    assert operation.preview["blocked"] == ""
    assert any("audited as a reveal" in warning for warning in operation.preview["warnings"])
    operator = signed_in(Role.OPERATOR)
    step(operator, operation, "confirm")  # what an Admin drafted is no Operator's to confirm
    assert operation.state == "draft"
    assert not Entry.objects.filter(action="operation.revealed").exists()
    assert carry_out(signed_in(Role.ADMIN), operation).state == "done"
    [entry] = Entry.objects.filter(action="operation.revealed")
    assert entry.who == "admin" and entry.operation == operation.pk and into in entry.effect


def test_a_change_is_refused_where_it_may_undo_what_a_rule_looks_for(topic, broker):
    MaskingRule.objects.create(topics=topic, field="$[?@ == 'Norway']")
    dlq = f"{topic}.billing.dlq"
    fields = {"dlq": dlq, "to": "group", "guard": "100", "merge": '{"country": "Sweden"}'}
    operation = ask(signed_in(Role.OPERATOR), "replay", **fields)
    assert "Leave out the change" in operation.preview["blocked"]
    plain = ask(signed_in(Role.OPERATOR), "replay", **{**fields, "merge": ""})
    assert plain.preview["blocked"] == ""

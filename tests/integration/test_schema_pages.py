"""Schemas for people: what there is, what differs, and what the next one would break."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from pytest_django import Settings

from dashboard.access.models import User
from dashboard.access.roles import Role
from dashboard.operations import tasks
from dashboard.operations.models import Operation, State
from streamlab.schemas import AvroSerializer
from streamlab.schemas.model import Schema, SchemaType
from streamlab.schemas.registry import SchemaRegistry
from tests.builders import a_topic, produce

pytestmark = pytest.mark.django_db


def order(*fields: dict) -> str:
    return json.dumps({"type": "record", "name": "Order", "fields": list(fields)})


ID = {"name": "id", "type": "long"}
NOTE = {"name": "note", "type": ["null", "string"], "default": None}
COUNTRY = {"name": "country", "type": "string"}


@pytest.fixture
def operator(client: Client, redis_url: str, settings: Settings) -> Client:
    settings.STREAMLAB_URL = redis_url
    user = User.objects.create(username="operator")
    user.groups.add(Group.objects.get_or_create(name=Role.OPERATOR)[0])
    client.force_login(user)
    return client


@pytest.fixture
def registry(broker):
    with SchemaRegistry(broker.connection) as found:
        yield found


def html_of(client: Client, address: str, **query: str) -> str:
    response = client.get(address, query)
    assert response.status_code == 200, response.content.decode()[:800]
    return response.content.decode()


def test_subjects_are_listed_with_type_level_and_topic(operator, broker, registry):
    topic = a_topic(broker)
    registry.register(f"{topic}-value", Schema(order(ID)))
    html = html_of(operator, "/schemas/")
    assert f"/schemas/{topic}-value/" in html and "AVRO" in html and f"/topics/{topic}/" in html
    assert "No subject has" in html_of(operator, "/schemas/", q="zebra")


def test_without_a_schema_the_page_says_how_one_comes(operator, broker):
    assert "/schema-registry" in html_of(operator, "/schemas/")


def test_versions_say_what_changed_between_them(operator, registry):
    registry.register("orders-value", Schema(order(ID)))
    registry.register("orders-value", Schema(order(NOTE, ID)))
    html = html_of(operator, "/schemas/orders-value/")
    assert "Version 2" in html and "Version 1" in html
    assert html.count('<span class="kind">added</span>') == 1, "the field that moved is no difference"
    assert "/fields/note" in html


def test_a_candidate_is_held_against_the_level_the_latest_and_the_newest_records(operator, broker, registry):
    topic = a_topic(broker)
    with broker.producer(value_serializer=AvroSerializer(registry, order(ID))) as producer:
        for n in range(30):
            producer.send(topic, {"id": n}).get(30)
    fields = {"type": "AVRO", "text": order(ID, COUNTRY), "topic": topic}
    html = operator.post(f"/schemas/{topic}-value/check/", fields).content.decode()
    assert "Not compatible: 1 reason" in html and "READER_FIELD_MISSING_DEFAULT_VALUE" in html
    assert "Tried on 30 live records" in html and "30 would fail" in html
    assert f"/topics/{topic}/records/" in html and "Register it" not in html
    fields["text"] = order(ID, NOTE)
    html = operator.post(f"/schemas/{topic}-value/check/", fields).content.decode()
    assert "Compatible" in html and "0 would fail" in html and "Register it" in html


def test_plain_json_is_tried_as_well(operator, broker):
    topic = a_topic(broker)
    produce(broker, topic, [b'{"age": 3}', b'{"age": "x"}', b"\xff"])
    text = json.dumps({"type": "object", "properties": {"age": {"type": "integer"}}})
    fields = {"type": "JSON", "text": text, "topic": topic}
    html = operator.post(f"/schemas/{topic}-value/check/", fields).content.decode()
    assert "2 would fail" in html and "It is not JSON" in html and "/age" in html


def test_the_form_begins_with_the_latest_version(operator, registry):
    registry.register("orders-value", Schema('{"type": "object"}', SchemaType.JSON))
    html = html_of(operator, "/schemas/orders-value/check/")
    assert "&quot;type&quot;: &quot;object&quot;" in html
    assert '<option value="JSON" selected>' in html


def test_what_is_no_schema_is_said_to_be_none(operator, registry):
    for text in ("{", '{"type": "nothing"}', "<script>alert(1)</script>", "[" * 5_000):
        response = operator.post("/schemas/orders-value/check/", {"type": "AVRO", "text": text})
        assert response.status_code == 422
        assert "<script>alert" not in response.content.decode()


def test_a_schema_is_registered_after_a_look_at_what_it_changes(operator, registry):
    registry.register("orders-value", Schema(order(ID)))
    fields = {"subject": "orders-value", "type": "AVRO", "text": order(ID, NOTE)}
    assert operator.post("/operations/new/register-schema/", fields).status_code == 302
    operation = Operation.objects.get()
    html = html_of(operator, f"/operations/{operation.pk}/")
    assert "Version 2 of orders-value, 1 change away" in html and "/fields/note" in html
    operator.post(f"/operations/{operation.pk}/confirm/")
    tasks.run(operation.pk)
    operation.refresh_from_db()
    assert operation.state == State.DONE, operation.error
    assert registry.version("orders-value").version == 2


def test_an_incompatible_schema_cannot_be_confirmed(operator, registry):
    registry.register("orders-value", Schema(order(ID)))
    fields = {"subject": "orders-value", "type": "AVRO", "text": order(ID, COUNTRY)}
    operator.post("/operations/new/register-schema/", fields)
    operation = Operation.objects.get()
    assert "It is not backward compatible" in html_of(operator, f"/operations/{operation.pk}/")
    operator.post(f"/operations/{operation.pk}/confirm/")
    operation.refresh_from_db()
    assert operation.state == State.DRAFT


def test_a_subject_that_is_not_there_is_a_404(operator, broker):
    response = operator.get("/schemas/nothing/")
    assert response.status_code == 404 and "There is no subject" in response.content.decode()


def test_hostile_subjects_are_text(operator, registry):
    name = '"><img src=x onerror=alert(1)>'
    registry.register(
        name, Schema('{"type": "object", "title": "<script>alert(1)</script>"}', SchemaType.JSON)
    )

    for path in ("/schemas/", f"/schemas/{quote(name)}/", f"/schemas/{quote(name)}/check/"):
        html = html_of(operator, path)
        assert "<img src=x" not in html and "<script>alert" not in html

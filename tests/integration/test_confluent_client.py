"""Confluent's own Python client, unchanged, against the running web process."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from confluent_kafka.schema_registry import (
    Schema,
    SchemaReference,
    SchemaRegistryClient,
    record_subject_name_strategy,
)
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.schema_registry.error import SchemaRegistryError
from confluent_kafka.schema_registry.json_schema import JSONDeserializer, JSONSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

import streamlab.schemas as ours
from streamlab.broker import Broker, connect
from streamlab.embedded import EmbeddedServer
from tests.web_server import WebServer

ORDER_1 = json.dumps(
    {"type": "record", "name": "Order", "namespace": "shop", "fields": [{"name": "id", "type": "long"}]}
)
ORDER_2 = json.dumps(
    {
        "type": "record",
        "name": "Order",
        "namespace": "shop",
        "fields": [{"name": "id", "type": "long"}, {"name": "note", "type": "string", "default": ""}],
    }
)
ORDER_BROKEN = ORDER_1.replace('"long"', '"string"')
PERSON = json.dumps(
    {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Person",
        "type": "object",
        "properties": {"name": {"type": "string"}},
        "required": ["name"],
        "additionalProperties": False,
    }
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[WebServer, str]]:
    with EmbeddedServer(tmp_path_factory.mktemp("redis")) as redis_server:
        assert redis_server.url is not None
        web = WebServer(tmp_path_factory.mktemp("web"), redis_server.url)
        try:
            yield web, redis_server.url
        finally:
            web.stop()


@pytest.fixture(scope="module")
def web(server: tuple[WebServer, str]) -> WebServer:
    return server[0]


@pytest.fixture(scope="module")
def same_broker(server: tuple[WebServer, str]) -> Iterator[Broker]:
    with connect(server[1]) as broker:
        yield broker


@pytest.fixture(scope="module")
def token(web: WebServer) -> str:
    return web.token("schemas:write")


@pytest.fixture
def client(web: WebServer, token: str) -> SchemaRegistryClient:
    """A new one for each test, so that its cache hides nothing."""
    return another(web, token)


def another(web: WebServer, token: str) -> SchemaRegistryClient:
    return SchemaRegistryClient(
        {"url": f"{web.address}/schema-registry", "basic.auth.user.info": f"streamlab:{token}"}
    )


def of_value(topic: str) -> SerializationContext:
    return SerializationContext(topic, MessageField.VALUE)


def refusal(call, *arguments, **named) -> SchemaRegistryError:
    with pytest.raises(SchemaRegistryError) as caught:
        call(*arguments, **named)
    return caught.value


def test_it_registers_evolves_and_reads_back(client):
    first = client.register_schema("evolving-value", Schema(ORDER_1, "AVRO"))
    assert client.register_schema("evolving-value", Schema(ORDER_2, "AVRO")) == first + 1
    assert client.register_schema("evolving-value", Schema(ORDER_1, "AVRO")) == first
    assert client.get_versions("evolving-value") == [1, 2]
    latest = client.get_latest_version("evolving-value")
    assert (latest.subject, latest.version, latest.schema_id) == ("evolving-value", 2, first + 1)
    assert json.loads(latest.schema.schema_str) == json.loads(ORDER_2)
    assert json.loads(client.get_schema(first).schema_str) == json.loads(ORDER_1)
    assert client.lookup_schema("evolving-value", Schema(ORDER_1, "AVRO")).version == 1
    assert "evolving-value" in client.get_subjects()
    assert client.get_subjects(subject_prefix="evolv") == ["evolving-value"]


def test_a_change_that_breaks_readers_is_refused_with_every_reason(client):
    client.register_schema("refusing-value", Schema(ORDER_1, "AVRO"))
    assert client.test_compatibility("refusing-value", Schema(ORDER_BROKEN, "AVRO")) is False
    assert client.test_compatibility("refusing-value", Schema(ORDER_2, "AVRO")) is True
    assert client.test_compatibility_all_versions("refusing-value", Schema(ORDER_BROKEN, "AVRO")) is False
    refused = refusal(client.register_schema, "refusing-value", Schema(ORDER_BROKEN, "AVRO"))
    assert (refused.http_status_code, refused.error_code) == (409, 409)
    assert "TYPE_MISMATCH at /fields/0/type" in refused.error_message
    client.set_compatibility("refusing-value", "NONE")
    assert client.get_compatibility("refusing-value") == "NONE"
    client.register_schema("refusing-value", Schema(ORDER_BROKEN, "AVRO"))
    client.delete_config("refusing-value")
    assert refusal(client.get_compatibility, "refusing-value").error_code == 40408


def test_avro_serializer_and_deserializer_work(client, same_broker):
    serialize = AvroSerializer(client, ORDER_2)
    data = serialize({"id": 7, "note": "x"}, of_value("orders"))
    assert data[0] == 0
    assert AvroDeserializer(client)(data, of_value("orders")) == {"id": 7, "note": "x"}
    assert client.get_latest_version("orders-value").version == 1
    assert (
        AvroSerializer(client, ORDER_2, conf={"auto.register.schemas": False})(
            {"id": 7, "note": "x"}, of_value("orders")
        )
        == data
    )
    assert (
        AvroSerializer(client, conf={"auto.register.schemas": False, "use.latest.version": True})(
            {"id": 7, "note": "x"}, of_value("orders")
        )
        == data
    )
    old = AvroDeserializer(client, ORDER_1)
    assert old(data, of_value("orders")) == {"id": 7}


def test_what_confluents_client_writes_ours_reads_and_the_other_way_round(client, same_broker):
    with ours.SchemaRegistry(same_broker.connection) as registry:
        theirs = AvroSerializer(client, ORDER_2)({"id": 1, "note": "n"}, of_value("both"))
        mine = ours.AvroSerializer(registry, ORDER_2).serialize("both", None, {"id": 1, "note": "n"})
        assert mine == theirs
        assert ours.AvroDeserializer(registry).deserialize("both", None, theirs) == {"id": 1, "note": "n"}
        person = {"name": "Ada"}
        theirs = JSONSerializer(PERSON, client, lambda value, _: value)(person, of_value("people"))
        mine = ours.JsonSerializer(registry, PERSON).serialize("people", None, person)
        assert mine[:5] == theirs[:5] and json.loads(mine[5:]) == json.loads(theirs[5:]) == person
        assert JSONDeserializer(None, schema_registry_client=client)(mine, of_value("people")) == person
        assert ours.JsonDeserializer(registry).deserialize("people", None, theirs) == person


def test_json_schemas_evolve_by_their_content_model(client):
    client.register_schema("persons-value", Schema(PERSON, "JSON"))
    grown = json.loads(PERSON)
    grown["properties"]["age"] = {"type": "integer"}
    assert client.test_compatibility("persons-value", Schema(json.dumps(grown), "JSON")) is True
    opened = {**grown, "additionalProperties": True}
    client.register_schema("persons-value", Schema(json.dumps(opened), "JSON"))
    opened["properties"]["mail"] = {"type": "string"}
    refused = refusal(client.register_schema, "persons-value", Schema(json.dumps(opened), "JSON"))
    assert "PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL" in refused.error_message
    assert client.get_latest_version("persons-value").schema.schema_type == "JSON"


def test_references_are_resolved(client):
    address = json.dumps(
        {"type": "record", "name": "geo.Address", "fields": [{"name": "city", "type": "string"}]}
    )
    client.register_schema("address", Schema(address, "AVRO"))
    customer = json.dumps(
        {"type": "record", "name": "Customer", "fields": [{"name": "at", "type": "geo.Address"}]}
    )
    schema = Schema(customer, "AVRO", [SchemaReference("geo.Address", "address", 1)])
    id = client.register_schema("customers-value", schema)
    assert client.get_schema(id).references == [SchemaReference("geo.Address", "address", 1)]
    data = AvroSerializer(client, schema)({"at": {"city": "Ulm"}}, of_value("customers"))
    assert AvroDeserializer(client)(data, of_value("customers")) == {"at": {"city": "Ulm"}}
    assert client.get_referenced_by("address", 1) == [id]
    refused = refusal(client.delete_version, "address", 1)
    assert refused.error_code == 42206


def test_versions_and_subjects_are_deleted_softly_then_for_good(client, web, token):
    id = client.register_schema("going-value", Schema(ORDER_1.replace("Order", "Going"), "AVRO"))
    assert refusal(client.delete_version, "going-value", 1, permanent=True).error_code == 40407
    assert client.delete_version("going-value", 1) == 1
    assert refusal(client.delete_version, "going-value", 1).error_code == 40406
    assert refusal(client.get_versions, "going-value").error_code == 40401
    assert client.get_versions("going-value", deleted=True) == [1]
    assert client.get_version("going-value", 1, deleted=True).schema_id == id
    assert client.get_schema(id).schema_str
    client = another(web, token)  # the first one remembers what it registered, and would not ask again
    assert client.register_schema("going-value", Schema(ORDER_1.replace("Order", "Going"), "AVRO")) == id
    assert refusal(client.delete_subject, "going-value", permanent=True).error_code == 40405
    assert client.delete_subject("going-value") == [2]
    assert refusal(client.delete_subject, "going-value").error_code == 40404
    assert client.delete_subject("going-value", permanent=True) == [1, 2]
    assert refusal(another(web, token).get_schema, id).error_code == 40403


def test_what_does_not_exist_has_confluents_codes(client):
    client.register_schema("codes-value", Schema(ORDER_1, "AVRO"))
    assert refusal(client.get_versions, "no-such").error_code == 40401
    assert refusal(client.get_version, "codes-value", 9).error_code == 40402
    assert refusal(client.get_version, "codes-value", 0).error_code == 42202
    assert refusal(client.get_schema, 999999).error_code == 40403
    assert refusal(client.lookup_schema, "codes-value", Schema(ORDER_2, "AVRO")).error_code == 40403
    assert refusal(client.lookup_schema, "no-such", Schema(ORDER_2, "AVRO")).error_code == 40401
    assert (
        refusal(client.register_schema, "codes-value", Schema('{"type": "nonsense"}', "AVRO")).error_code
        == 42201
    )
    assert (
        refusal(client.register_schema, "codes-value", Schema("syntax = 3;", "PROTOBUF")).error_code == 42201
    )
    assert refusal(client.set_compatibility, "codes-value", "SOMETIMES").error_code == 42203
    assert refusal(client.update_mode, "codes-value", "ASLEEP").error_code == 42204


def test_a_read_only_subject_takes_nothing(client):
    client.register_schema("frozen-value", Schema(ORDER_1, "AVRO"))
    assert client.update_mode("frozen-value", "READONLY") == "READONLY"
    assert client.get_mode("frozen-value") == "READONLY"
    assert refusal(client.register_schema, "frozen-value", Schema(ORDER_2, "AVRO")).error_code == 42205
    assert refusal(client.delete_subject, "frozen-value").error_code == 42205
    assert client.delete_mode("frozen-value") == "READONLY"
    client.register_schema("frozen-value", Schema(ORDER_2, "AVRO"))


def test_a_subject_may_have_any_name(client):
    for subject in ("a/b c", "käse", "x/versions/1/y", "100%"):
        client.register_schema(subject, Schema(ORDER_1, "AVRO"))
        assert client.get_latest_version(subject).subject == subject
        assert client.get_versions(subject) == [1]


def test_other_strategies_name_other_subjects(client):
    serialize = AvroSerializer(client, ORDER_1, conf={"subject.name.strategy": record_subject_name_strategy})
    serialize({"id": 1}, of_value("anything"))
    assert client.get_latest_version("shop.Order").version == 1


def test_levels_types_and_ids_are_listed(client):
    id = client.register_schema("listed-value", Schema(ORDER_1, "AVRO"))
    assert "listed-value" in client.get_subjects_by_schema_id(id)
    assert ("listed-value", 1) in [(v.subject, v.version) for v in client.get_schema_versions(id)]
    assert set(client.get_schema_types()) == {"AVRO", "JSON"}
    assert client.get_contexts() == ["."]
    assert client.get_compatibility() == "BACKWARD"
    assert client.get_global_mode() == "READWRITE"


def test_without_a_token_nothing_is_told(web):
    client = SchemaRegistryClient({"url": f"{web.address}/schema-registry"})
    assert refusal(client.get_subjects).http_status_code == 401
    client = SchemaRegistryClient(
        {"url": f"{web.address}/schema-registry", "basic.auth.user.info": "admin:sl_made-up"}
    )
    assert refusal(client.get_subjects).http_status_code == 401


def test_a_token_that_may_read_may_not_write(web):
    token = web.token("schemas:read")
    client = SchemaRegistryClient(
        {
            "url": f"{web.address}/schema-registry",
            "bearer.auth.credentials.source": "STATIC_TOKEN",
            "bearer.auth.token": token,
            "bearer.auth.logical.cluster": "any",
        }
    )
    client.get_subjects()
    assert refusal(client.register_schema, "mine-value", Schema(ORDER_1, "AVRO")).http_status_code == 403

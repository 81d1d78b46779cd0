"""What a registered schema says of a record's bytes: readable on every page, beside what is stored."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator

import pytest
from django.test import Client

from dashboard.schema_registry.decoding import Decoder
from streamlab import RetryPolicy
from streamlab.broker import Broker
from streamlab.schemas import AvroSerializer, JsonSerializer, Schema, SchemaRegistry, SchemaType
from streamlab.schemas.framing import head
from tests.builders import a_topic, produce
from tests.waiting import until

pytestmark = pytest.mark.django_db

ORDER = json.dumps(
    {
        "type": "record", "name": "Order", "namespace": "shop",
        "fields": [
            {"name": "country", "type": "string"},
            {"name": "pence", "type": "long"},
            {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
            {"name": "seal", "type": "bytes", "default": ""},
        ],
    }
)  # fmt: skip
NODE = json.dumps(
    {
        "type": "record",
        "name": "Node",
        "fields": [{"name": "next", "type": ["null", "Node"], "default": None}],
    }
)
PERSON = json.dumps(
    {"type": "object", "title": "Person", "properties": {"age": {"type": "integer"}}, "required": ["age"]}
)
AT = datetime.datetime(2026, 1, 31, 8, 30, tzinfo=datetime.UTC)
AN_ORDER = {"country": "Norway", "pence": 1250, "at": AT, "seal": b"\xff"}


@pytest.fixture
def registry(broker: Broker) -> Iterator[SchemaRegistry]:
    with SchemaRegistry(broker.connection) as made:
        yield made


def text_of(client: Client, address: str, **query: str) -> str:
    response = client.get(address, query)
    assert response.status_code == 200, response.content.decode()[:500]
    return response.content.decode().replace("&quot;", '"').replace("&#x27;", "'")


def an_order(registry: SchemaRegistry, topic: str) -> bytes:
    value = AvroSerializer(registry, ORDER).serialize(topic, None, AN_ORDER)
    assert value is not None
    return value


def test_an_avro_record_reads_as_json_and_its_bytes_stand_beside_it(visitor, broker, registry):
    topic = a_topic(broker)
    produce(broker, topic, [an_order(registry, topic)])
    page = text_of(visitor, f"/topics/{topic}/records/0/0/")
    assert (
        '"country": "Norway"' in page and '"at": "2026-01-31T08:30:00Z"' in page and '"seal": "0xff"' in page
    )
    assert f"/schemas/{topic}-value/" in page and "version 1" in page
    assert "As it is stored" in page and "|.....|" not in page and "00000000  00 " in page
    listed = text_of(visitor, f"/topics/{topic}/messages/")
    assert '"country": "Norway"' in listed and ">Avro<" in listed


def test_a_search_finds_what_stands_in_the_decoded_value(visitor, broker, registry):
    topic = a_topic(broker)
    produce(broker, topic, [an_order(registry, topic), b"plain"])
    path = f"/topics/{topic}/messages/"
    assert '<tr data-key="0-0">' in text_of(visitor, path, path="$.pence > 1000")
    assert '<tr data-key="0-0">' not in text_of(visitor, path, path="$.pence > 2000")
    assert '<tr data-key="0-0">' in text_of(visitor, path, text="2026-01-31")


def test_a_dead_letter_is_decoded_by_the_schema_of_its_first_topic(visitor, broker, registry):
    topic = a_topic(broker)
    produce(broker, topic, [an_order(registry, topic)])

    def refuse(record) -> None:
        raise ValueError("no stock")

    with broker.worker(topic, group_id="g", handler=refuse, retry=RetryPolicy(max_attempts=1)):
        until(lambda: broker.admin().list_topics() and f"{topic}.g.dlq" in broker.admin().list_topics(), 30)
        until(lambda: visitor.get(f"/dead-letters/{topic}.g.dlq/0/0/").status_code == 200, 30)
    page = text_of(visitor, f"/dead-letters/{topic}.g.dlq/0/0/")
    assert '"country": "Norway"' in page and f"/schemas/{topic}-value/" in page


def test_a_value_that_does_not_fit_its_schema_says_where(visitor, broker, registry):
    topic = a_topic(broker)
    good = JsonSerializer(registry, PERSON).serialize(topic, None, {"age": 41})
    assert good is not None
    produce(broker, topic, [good[:5] + b'{"age": "old"}', good])
    page = text_of(visitor, f"/topics/{topic}/records/0/0/")
    assert "does not fit its schema. /age" in page and '"age": "old"' in page
    assert "does not fit" not in text_of(visitor, f"/topics/{topic}/records/0/1/")


@pytest.mark.parametrize(
    "body",
    [b"", b"\x02" * 500_000 + b"\x00", b"\x02", b"\xff" * 400, b"\x00" * 9],
    ids=["nothing", "half a million levels", "cut off", "varints without end", "more than a value"],
)
def test_hostile_bytes_behind_a_real_id_become_a_sentence(visitor, broker, registry, body):
    topic = a_topic(broker)
    made = AvroSerializer(registry, NODE).serialize(topic, None, {"next": None})
    assert made is not None
    produce(broker, topic, [made[:5] + body])
    page = text_of(visitor, f"/topics/{topic}/records/0/0/")
    assert "does not fit its schema" in page or body == b""
    assert text_of(visitor, f"/topics/{topic}/messages/", path="$.next")


def test_bytes_that_only_look_like_an_id_stay_bytes(broker, registry):
    registry.register("t-value", Schema(PERSON, SchemaType.JSON))
    decoder = Decoder(registry)
    assert decoder.decoded("t", head(4_000_000_000) + b"x") is None
    assert decoder.decoded("t", b"\0\0\0") is None
    assert decoder.decoded("t", None) is None

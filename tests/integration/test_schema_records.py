"""Records with schemas: through producer and consumer, held to what a topic promises, and among the dead letters."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from streamlab.broker import Broker
from streamlab.deserializers import Undecodable
from streamlab.errors import KafkaConfigurationError
from streamlab.schemas import (
    AvroDeserializer,
    AvroSerializer,
    JsonDeserializer,
    JsonSerializer,
    Level,
    Schema,
    SchemaRegistry,
    SchemaType,
    SchemaValidationError,
    Validator,
    record_name,
    topic_record_name,
)
from streamlab.schemas.errors import SubjectNotFoundError, UnframedValueError
from tests.builders import a_topic, read, values
from tests.waiting import until


def record(*fields: dict[str, Any]) -> str:
    return json.dumps({"type": "record", "name": "Order", "namespace": "shop", "fields": list(fields)})


ID = {"name": "id", "type": "long"}
V1 = record(ID)
V2 = record(ID, {"name": "note", "type": "string", "default": "none"})
NESTED = record(
    ID,
    {
        "name": "lines",
        "type": {
            "type": "array",
            "items": {"type": "record", "name": "Line", "fields": [{"name": "price", "type": "double"}]},
        },
    },
)
PERSON = json.dumps(
    {"type": "object", "title": "Person", "properties": {"age": {"type": "integer"}}, "required": ["age"]}
)


@pytest.fixture
def registry(broker: Broker) -> Iterator[SchemaRegistry]:
    with SchemaRegistry(broker.connection) as made:
        yield made


def consumer_of(broker: Broker, topic: str, deserializer: Any = None):
    return broker.consumer(topic, auto_offset_reset="earliest", value_deserializer=deserializer)


def sent(broker: Broker, topic: str, serializer: Any, *data: Any) -> None:
    with broker.producer(value_serializer=serializer) as producer:
        for future in [producer.send(topic, item) for item in data]:
            future.get(30)


def test_records_of_two_versions_are_read_by_one_reader(broker, registry):
    topic = a_topic(broker)
    sent(broker, topic, AvroSerializer(registry, V1), {"id": 1}, None)
    sent(broker, topic, AvroSerializer(registry, V2), {"id": 2, "note": "new"})
    with consumer_of(broker, topic, AvroDeserializer(registry)) as consumer:
        assert values(read(consumer, 3)) == [{"id": 1}, None, {"id": 2, "note": "new"}]
    with consumer_of(broker, topic, AvroDeserializer(registry, V2)) as consumer:
        assert values(read(consumer, 3)) == [{"id": 1, "note": "none"}, None, {"id": 2, "note": "new"}]
    with consumer_of(broker, topic, AvroDeserializer(registry, V1)) as consumer:
        assert values(read(consumer, 3)) == [{"id": 1}, None, {"id": 2}]


def test_json_readers_fill_defaults_in(broker, registry):
    topic = a_topic(broker)
    registry.set_level(Level.NONE)
    grown = json.loads(PERSON)
    grown["properties"]["name"] = {"type": "string", "default": "nobody"}
    grown["required"] = ["age", "name"]
    sent(broker, topic, JsonSerializer(registry, PERSON), {"age": 3})
    with consumer_of(broker, topic, JsonDeserializer(registry, json.dumps(grown))) as consumer:
        assert values(read(consumer, 1)) == [{"age": 3, "name": "nobody"}]


def test_a_value_that_does_not_fit_says_which_field(broker, registry):
    topic = a_topic(broker)
    with broker.producer(value_serializer=AvroSerializer(registry, NESTED)) as producer:
        with pytest.raises(SchemaValidationError, match=r"^/lines/1/price: 'free' is not a double") as caught:
            producer.send(topic, {"id": 1, "lines": [{"price": 1.5}, {"price": "free"}]})
        assert (caught.value.path, caught.value.schema_subject, caught.value.schema_version) == (
            "/lines/1/price",
            f"{topic}-value",
            1,
        )
        with pytest.raises(SchemaValidationError, match=r"^/lines: lines is missing and has no default"):
            producer.send(topic, {"id": 1})
    with (
        broker.producer(value_serializer=JsonSerializer(registry, PERSON)) as producer,
        pytest.raises(SchemaValidationError, match=r"^/age: 'x' is not of type 'integer'"),
    ):
        producer.send(a_topic(broker), {"age": "x"})


def test_without_auto_register_the_schema_must_be_there(broker, registry):
    topic = a_topic(broker)
    strict = AvroSerializer(registry, V1, auto_register=False)
    with pytest.raises(SubjectNotFoundError):
        strict.serialize(topic, None, {"id": 1})
    registry.register(f"{topic}-value", Schema(V1))
    assert strict.serialize(topic, None, {"id": 1})[:5] == b"\0\0\0\0\x01"


def test_the_latest_version_is_used_when_asked_for(broker, registry):
    topic = a_topic(broker)
    registry.register(f"{topic}-value", Schema(V1))
    registry.register(f"{topic}-value", Schema(V2))
    latest = AvroSerializer(registry, use_latest_version=True)
    assert latest.serialize(topic, None, {"id": 1, "note": "x"})[4] == 2
    with pytest.raises(KafkaConfigurationError):
        AvroSerializer(registry)


@pytest.mark.parametrize(
    ("strategy", "subject"), [(record_name, "shop.Order"), (topic_record_name, "orders-shop.Order")]
)
def test_a_strategy_names_the_subject(registry, strategy, subject):
    AvroSerializer(registry, V1, subject_name=strategy).serialize("orders", None, {"id": 1})
    assert registry.subjects() == [subject]


def test_keys_have_a_subject_of_their_own(registry):
    AvroSerializer(registry, '"string"', is_key=True).serialize("orders", None, "k")
    assert registry.subjects() == ["orders-key"]


def test_a_value_without_an_id_or_with_bytes_left_is_refused(broker, registry):
    topic = a_topic(broker)
    deserialize = AvroDeserializer(registry).deserialize
    good = AvroSerializer(registry, V1).serialize(topic, None, {"id": 1})
    for bad in (b"", b"abc", b"{}", good[:5]):
        with pytest.raises(SchemaValidationError):
            deserialize(topic, None, bad)
    with pytest.raises(SchemaValidationError, match="1 bytes are left"):
        deserialize(topic, None, good + b"x")
    with pytest.raises(UnframedValueError):
        deserialize(topic, None, b"\x01" + good[1:])


def test_a_consumer_stops_in_front_of_what_it_cannot_read(broker, registry):
    topic = a_topic(broker)
    sent(broker, topic, AvroSerializer(registry, V1), {"id": 1})
    sent(broker, topic, None, b"not framed")
    with consumer_of(broker, topic, AvroDeserializer(registry)) as consumer:
        seen: list[Any] = []

        def fails() -> bool:
            try:
                seen.extend(record.value for records in consumer.poll(100).values() for record in records)
            except Undecodable:
                return True
            return False

        until(fails, 30, "the second record cannot be read")
    assert seen == [{"id": 1}]


# -- what a topic promises ------------------------------------------------------------------------------------------


def test_a_topic_that_rejects_takes_only_what_fits(broker, registry):
    topic = a_topic(broker, schema_validation="reject")
    good = AvroSerializer(registry, V1).serialize(topic, None, {"id": 1})
    other = AvroSerializer(registry, NESTED).serialize("elsewhere", None, {"id": 1, "lines": []})
    with broker.producer() as producer:
        producer.send(topic, good).get(30)
        producer.send(topic, None, key=b"gone").get(30)
        for bad, said in (
            (b"plain text", "begins with byte 112"),
            (b"\0\0\0\x03\xe7rest", "schema 999, which is not registered"),
            (other, r"schema 2 \(elsewhere-value version 1\), which is no version of"),
            (good[:5], r"does not read as schema 1.* version 1 \(id 1\)"),
            (good + b"x", "1 bytes are left"),
        ):
            with pytest.raises(SchemaValidationError, match=said):
                producer.send(topic, bad)
    with consumer_of(broker, topic) as consumer:
        assert values(read(consumer, 2)) == [good, None]


def test_a_topic_of_json_takes_plain_json_that_fits_the_latest_version(broker, registry):
    topic = a_topic(broker, schema_validation="reject")
    registry.register(f"{topic}-value", Schema(PERSON, SchemaType.JSON))
    with broker.producer() as producer:
        producer.send(topic, b'{"age": 3}').get(30)
        with pytest.raises(SchemaValidationError, match=r"^/age: 'x' is not of type") as caught:
            producer.send(topic, b'{"age": "x"}')
        assert caught.value.schema_version == 1
        with pytest.raises(SchemaValidationError, match="is not JSON"):
            producer.send(topic, b"{")


def test_a_topic_that_warns_takes_everything_and_says_so(broker, registry, caplog):
    topic = a_topic(broker, schema_validation="warn")
    with caplog.at_level(logging.WARNING, "streamlab.schemas"), broker.producer() as producer:
        for _ in range(20):
            producer.send(topic, b"plain text").get(30)
    said = [entry.getMessage() for entry in caplog.records if entry.name == "streamlab.schemas"]
    assert 1 <= len(said) < 20
    assert topic in said[0] and "begins with byte 112" in said[0]


def test_a_running_producer_follows_the_policy(broker, registry):
    topic = a_topic(broker)
    with broker.producer(metadata_max_age_ms=100) as producer:
        producer.send(topic, b"plain text").get(30)
        broker.admin().configure_topic(topic, {"schema.validation": "reject"})

        def refused() -> bool:
            try:
                producer.send(topic, b"plain text").get(30)
            except SchemaValidationError:
                return True
            return False

        until(refused, 30, "the policy arrived")


def test_a_version_registered_a_moment_ago_is_known(broker, registry):
    topic = a_topic(broker, schema_validation="reject")
    with broker.producer() as producer:
        producer.send(topic, AvroSerializer(registry, V1).serialize(topic, None, {"id": 1})).get(30)
        fresh = AvroSerializer(registry, V2).serialize(topic, None, {"id": 1, "note": ""})
        producer.send(topic, fresh).get(30)


# -- on the way in --------------------------------------------------------------------------------------------------


def test_a_violation_met_by_a_worker_is_a_dead_letter_with_reason_and_version(broker, registry):
    from streamlab.delivery.dead_letter import Cause, dead_letter_of

    topic = a_topic(broker)
    registry.register(f"{topic}-value", Schema(PERSON, SchemaType.JSON))
    sent(broker, topic, None, b'{"age": "x"}', b'{"age": 1}')
    handled: list[bytes] = []
    worker = broker.worker(
        topic,
        group_id="people",
        handler=lambda record: handled.append(record.value),
        validate=Validator(registry),
        auto_offset_reset="earliest",
    )
    worker.start()
    try:
        until(lambda: handled == [b'{"age": 1}'], 30, "the good record is handled")
        with consumer_of(broker, f"{topic}.people.dlq") as consumer:
            (dead,) = read(consumer, 1)
    finally:
        worker.stop()
    letter = dead_letter_of(dead)
    assert letter.cause is Cause.SCHEMA
    assert "/age: 'x' is not of type 'integer'" in letter.error_message
    assert (letter.schema, letter.schema_version) == (f"{topic}-value", 1)

"""Events over HTTP: the official SDK sends them in every mode and reads them back from the topic."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from cloudevents.core.bindings.http import to_binary_event, to_structured_event
from cloudevents.core.bindings.kafka import KafkaMessage, from_kafka_event
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from django.contrib.auth.models import Group
from django.test import Client

from dashboard.access import api_token
from dashboard.access.models import User
from dashboard.access.roles import Role
from dashboard.ingest import intake
from streamlab.broker import Broker, connect
from streamlab.embedded import EmbeddedServer
from streamlab.model import ConsumerRecord
from streamlab.schemas import Schema, SchemaRegistry, SchemaType
from tests.builders import a_topic, read
from tests.web_server import WebServer

STRUCTURED = "application/cloudevents+json"
BATCHED = "application/cloudevents-batch+json"


def an_event(id: str = "1", data: Any = None, **attributes: Any) -> CloudEvent:
    return CloudEvent(
        attributes={
            "id": id,
            "source": "/shop",
            "type": "order.placed",
            "specversion": "1.0",
            "time": datetime(2010, 12, 1, 8, 26, tzinfo=UTC),
            "datacontenttype": "application/json",
            **attributes,
        },
        data={"total": 3} if data is None else data,
    )


def read_back(record: ConsumerRecord) -> CloudEvent:
    """What the SDK makes of a record."""
    message = KafkaMessage({name: value or b"" for name, value in record.headers}, record.key, record.value)
    return from_kafka_event(message)


# -- through the running web process --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[WebServer, Broker, str]]:
    with EmbeddedServer(tmp_path_factory.mktemp("redis")) as redis_server:
        assert redis_server.url is not None
        web = WebServer(tmp_path_factory.mktemp("web"), redis_server.url)
        try:
            with connect(redis_server.url) as broker:
                yield web, broker, web.token("ingest:*")
        finally:
            web.stop()


def posted(server: tuple[WebServer, Broker, str], topic: str, headers: dict[str, str], body: bytes) -> Any:
    web, _, token = server
    request = urllib.request.Request(
        f"{web.address}/ingest/{topic}", body, {**headers, "Authorization": f"Bearer {token}"}, method="POST"
    )
    with urllib.request.urlopen(request, timeout=30) as reply:
        assert reply.status == 202
        return json.load(reply)


def consumed(broker: Broker, topic: str, count: int) -> list[ConsumerRecord]:
    with broker.consumer(topic, auto_offset_reset="earliest") as consumer:
        return read(consumer, count)


@pytest.mark.parametrize("encode", [to_binary_event, to_structured_event], ids=["binary", "structured"])
def test_the_sdk_sends_an_event_and_reads_it_back(server, encode):
    _, broker, _ = server
    topic = a_topic(broker, partitions=3)
    event = an_event("käse %1", subject="a b", partitionkey="17841", dataschema="http://x/y")
    message = encode(event)
    where = posted(server, topic, message.headers, message.body)
    (record,) = consumed(broker, topic, 1)
    assert where == {"id": "käse %1", "topic": topic, "partition": record.partition, "offset": 0}
    assert record.key == b"17841"
    back = read_back(record)
    assert back.get_attributes() == event.get_attributes()
    assert back.get_data() == {"total": 3}


def test_the_sdks_events_are_sent_as_a_batch(server):
    _, broker, _ = server
    topic = a_topic(broker)
    written = [JSONFormat().write(an_event(str(n), {"n": n})) for n in range(5)]
    body = b"[" + b",".join(written) + b"]"
    answer = posted(server, topic, {"Content-Type": BATCHED}, body)
    assert [(one["id"], one["offset"]) for one in answer["events"]] == [(str(n), n) for n in range(5)]
    back = [read_back(record) for record in consumed(broker, topic, 5)]
    assert [event.get_data() for event in back] == [{"n": n} for n in range(5)]


def test_data_that_is_no_json_comes_through_untouched(server):
    _, broker, _ = server
    topic = a_topic(broker)
    for encode in (to_binary_event, to_structured_event):
        message = encode(an_event(data=b"\x00\xff", datacontenttype="application/octet-stream"))
        posted(server, topic, message.headers, message.body)
    assert [record.value for record in consumed(broker, topic, 2)] == [b"\x00\xff"] * 2


# -- what is refused ------------------------------------------------------------------------------------------------


@pytest.fixture
def topic(broker: Broker, redis_url: str, settings: Any, db: None) -> str:
    settings.STREAMLAB_URL = redis_url
    return a_topic(broker)


@pytest.fixture
def owner(db: None) -> User:
    user = User.objects.create_user("ada")
    user.groups.add(Group.objects.get_or_create(name=Role.OPERATOR)[0])
    return user


@pytest.fixture
def post(owner: User, topic: str):
    _, token = api_token.create(owner, "", ["ingest:*"])

    def send(body: Any, content_type: str = STRUCTURED, to: str = topic, **headers: str):
        data = body if isinstance(body, (bytes, str)) else json.dumps(body)
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        all_headers = {"authorization": f"Bearer {token}", **names}
        reply = Client().generic("POST", f"/ingest/{to}", data, content_type, headers=all_headers)
        return reply.status_code, json.loads(reply.content), reply.headers

    return send


EVENT = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t"}


@pytest.mark.parametrize(
    ("body", "content_type", "status", "said"),
    [
        ("{", STRUCTURED, 400, "not a CloudEvent in JSON"),
        (" ", STRUCTURED, 400, "not a CloudEvent in JSON"),
        ({**EVENT, "id": ""}, STRUCTURED, 400, "needs a id"),
        ({**EVENT, "specversion": "0.3"}, STRUCTURED, 400, "specversion is '0.3'"),
        ({**EVENT, "time": "yesterday"}, STRUCTURED, 400, "RFC 3339"),
        ({**EVENT, "Bad_Name": "x"}, STRUCTURED, 400, "cannot name an extension"),
        ({**EVENT, "data_base64": "!"}, STRUCTURED, 400, "not a CloudEvent in JSON"),
        (EVENT, BATCHED, 400, "not a list"),
        ([EVENT, {}], BATCHED, 400, "specversion is None"),
        ([EVENT] * 1_001, BATCHED, 413, "at most 1000"),
        (EVENT, "application/cloudevents+avro", 415, "application/cloudevents+json"),
        (EVENT, "application/cloudevents-batch+avro", 415, BATCHED),
        (EVENT, "application/json", 415, "Send ce- headers"),
        (" " * 3_000_000, STRUCTURED, 413, "at most 2621440 bytes"),
        ({**EVENT, "data": "x" * 1_500_000}, STRUCTURED, 413, "max_request_size"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_bad_event_is_refused_with_a_reason(post, body, content_type, status, said):
    answered, words, _ = post(body, content_type)
    assert (answered, words["status"]) == (status, status)
    assert said in words["message"]


def test_the_bad_event_of_a_batch_is_named_and_none_is_sent(post, topic, broker):
    _, words, _ = post([EVENT, {**EVENT, "type": ""}], BATCHED)
    assert words["index"] == 1
    post(EVENT)
    assert len(consumed(broker, topic, 1)) == 1


def test_binary_data_that_calls_itself_json_must_be_json(post):
    headers = {"ce_specversion": "1.0", "ce_id": "1", "ce_source": "/s", "ce_type": "t"}
    assert post(b"{", "application/json", **headers)[0] == 400
    assert post(b"{}", "application/json", **headers)[0] == 202
    assert post(b"", "application/json", **headers)[0] == 202


def test_a_body_whose_length_is_not_said_is_not_read(post):
    assert post(EVENT, transfer_encoding="chunked")[0] == 411


def test_the_trace_of_the_request_is_the_events_own(post, topic, broker):
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    headers = {"ce_specversion": "1.0", "ce_id": "1", "ce_source": "/s", "ce_type": "t", "traceparent": trace}
    assert post(b"{}", "application/json", **headers)[0] == 202
    (record,) = consumed(broker, topic, 1)
    assert record.header("ce_traceparent") == trace.encode()


def test_a_topic_is_not_made_by_a_typing_error(post):
    status, words, _ = post(EVENT, to="no-such-topic")
    assert status == 404 and "no-such-topic" in words["message"]


def test_internal_topics_take_nothing_from_outside(post):
    assert post(EVENT, to="__streamlab.events")[0] == 403


def test_a_compacted_topic_needs_a_partitionkey(post, broker):
    compacted = a_topic(broker, cleanup_policy="compact")
    status, words, _ = post(EVENT, to=compacted)
    assert status == 400 and "partitionkey" in words["message"]
    assert post({**EVENT, "partitionkey": "k"}, to=compacted)[0] == 202


def test_data_that_breaks_the_topics_schema_is_refused_by_field(post, broker):
    held = a_topic(broker, schema_validation="reject")
    with SchemaRegistry(broker.connection) as registry:
        text = json.dumps({"type": "object", "properties": {"age": {"type": "integer"}}})
        registry.register(f"{held}-value", Schema(text, SchemaType.JSON))
    status, words, _ = post({**EVENT, "data": {"age": "x"}}, to=held)
    assert status == 422
    assert (words["path"], words["schema_subject"], words["schema_version"]) == ("/age", f"{held}-value", 1)
    assert post([EVENT, {**EVENT, "data": {"age": "x"}}], BATCHED, to=held)[0] == 422
    assert post({**EVENT, "data": {"age": 1}}, to=held)[1]["offset"] == 0  # none of the batch was sent


def test_too_much_at_once_is_asked_to_wait(post, monkeypatch):
    bound = intake._Bound(10)
    monkeypatch.setattr(intake, "on_the_way", bound)
    with bound.room_for(10):
        status, _, headers = post(EVENT)
        assert (status, headers["Retry-After"]) == (429, "1")
    assert post(EVENT)[0] == 202


def test_a_broker_that_is_away_is_said_with_a_time_to_come_back(post, settings, topic):
    settings.STREAMLAB_URL = "redis://127.0.0.1:1/0"
    status, _, headers = post(EVENT)
    assert (status, headers["Retry-After"]) == (503, "5")


def test_other_methods_are_not_possible(db):
    reply = Client().get("/ingest/orders")
    assert (reply.status_code, reply.headers["Allow"]) == (405, "POST")


def test_without_a_token_or_with_one_for_another_topic_nothing_is_taken(owner, topic):
    assert Client().post(f"/ingest/{topic}", EVENT, STRUCTURED).status_code == 401
    for scopes in (["ingest:other"], ["schemas:write"], []):
        _, token = api_token.create(owner, "", scopes)
        client = Client(headers={"authorization": f"Bearer {token}"})
        assert client.post(f"/ingest/{topic}", EVENT, STRUCTURED).status_code == 403
    _, token = api_token.create(owner, "", [f"ingest:{topic}"])
    client = Client(headers={"authorization": f"Bearer {token}"})
    assert client.post(f"/ingest/{topic}", EVENT, STRUCTURED).status_code == 202


def test_a_person_in_a_browser_cannot_be_made_to_send(owner, topic):
    client = Client(enforce_csrf_checks=True)
    client.force_login(owner, backend="django.contrib.auth.backends.ModelBackend")
    assert client.post(f"/ingest/{topic}", EVENT, STRUCTURED).status_code == 403

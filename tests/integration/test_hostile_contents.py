"""Record contents are strangers': on every page, in every download and answer that shows them they harm nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from django.http import HttpResponse
from django.test import Client
from pytest_django import Settings

from dashboard.access import api_token
from dashboard.access.roles import Role
from dashboard.audit.trail import Actor
from dashboard.operations import life
from dashboard.operations.registry import KINDS
from dashboard.pages.views import FRAME_TYPE
from dashboard.projections.models import DeadLetter
from dashboard.projections.projector import Projector
from streamlab import RetryPolicy
from streamlab.broker import Broker
from tests.builders import a_topic
from tests.integration.broker_pictures import publish
from tests.people import a_person
from tests.snapshots import a_group, a_snapshot
from tests.snapshots import a_topic as a_topic_seen
from tests.waiting import until

pytestmark = pytest.mark.django_db

MARKUP = '"><img src=x onerror=alert(1)></script><script>alert(1)</script>{{ 7 }}{% load x %}'
TURNED = "\u202egnp.exe\u2066\u200f\x1b[31m\x00"
MOST_BYTES = 2_000_000
"""Of a page, whatever it shows."""
BAD = ("<img src=x", "<script>alert", "</script><script>", "<b><b>", "\u202e", "\u2066", "\x1b", "\x00")
"""A stranger's markup, or what turns text around, as it must never stand in a page."""
VALUES = {
    "script": MARKUP.encode(),
    "script in JSON": json.dumps({MARKUP: MARKUP, "a": [MARKUP]}).encode(),
    "turned": TURNED.encode(),
    "turned in JSON": json.dumps({TURNED: TURNED}, ensure_ascii=False).encode(),
    "10 MB": b"x" * 10_000_000,
    "10 MB of JSON": b'{"a": "' + b"<b>" * 3_000_000 + b'"}',
    "invalid UTF-8": b"\xff\xfe\x80" * 1_000,
    "half a character": b"<b>\xc3",
    "10,000 brackets": b"[" * 10_000 + b"]" * 10_000,
    "10,000 objects": b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    "unclosed": b'{"a":' * 10_000,
    "a number too large": b'{"n": ' + b"9" * 10_000 + b', "i": 1e999, "x": NaN}',
    "empty": b"",
    "nothing": None,
}
LARGE = [name for name, value in VALUES.items() if len(value or b"") > 1_000_000]
SMALL = [name for name in VALUES if name not in LARGE]
SIZES = [pytest.param(SMALL, id="small"), pytest.param(LARGE, id="large", marks=pytest.mark.slow)]
AT_ONCE = RetryPolicy(base_ms=1, cap_ms=1, max_attempts=1)


@pytest.fixture
def visitor(client: Client, redis_url: str, settings: Settings) -> Client:
    settings.STREAMLAB_URL = redis_url
    settings.API_RATE = 0
    client.force_login(a_person(Role.ADMIN))
    return client


@pytest.fixture
def program() -> Client:
    _, token = api_token.create(a_person(Role.ADMIN), "", ["api:read", "records:read", "records:reveal"])
    return Client(headers={"Authorization": f"Bearer {token}"})


@pytest.fixture
def projector(broker: Broker) -> Iterator[Projector]:
    made = Projector(broker)
    yield made
    made.close()


def refuse(record) -> None:
    raise ValueError(f"{MARKUP}{TURNED} of {(record.value or b'')[:100]!r}")


def of(response: HttpResponse) -> bytes:
    assert response.status_code == 200, (response.status_code, response.content[:500])
    return b"".join(response) if response.streaming else response.content


def harms(page: bytes) -> list[str]:
    """What of it would be markup of a stranger, or turn text around, in a page."""
    text = page.decode()
    found = [bad for bad in BAD if bad in text]
    return [*found, "more than it may hold"] if len(page) > MOST_BYTES else found


HEADERS = [(MARKUP, MARKUP.encode()), (TURNED, TURNED.encode()), ("null", None), ("bytes", b"\xff<b><b>")]
MANY_HEADERS = [(f"h{n}", b"v") for n in range(2_000)]


def dead(broker: Broker, projector: Projector, values: list[bytes | None]) -> tuple[str, str]:
    """Records with these values, hostile keys and headers, that died; their topic and that of their letters."""
    topic = a_topic(broker, max_message_bytes=20_000_000)
    dlq = f"{topic}.billing.dlq"
    key = f"{MARKUP}{TURNED}".encode()
    with broker.producer(max_request_size=20_000_000) as producer:
        for n, value in enumerate(values):
            producer.send(topic, value, key=key, headers=HEADERS + (MANY_HEADERS if n == 0 else [])).get(60)
    died = DeadLetter.objects.filter(topic=topic)
    with broker.worker(topic, group_id="billing", handler=refuse, retry=AT_ONCE):
        until(lambda: projector.catch_up() >= 0 and died.count() == len(values), 120, what="all died")
    publish(broker.url, a_snapshot(a_topic_seen(topic), a_topic_seen(dlq), a_group("billing")))
    return topic, dlq


@pytest.mark.parametrize("names", SIZES)
def test_whatever_records_hold_harms_no_page(visitor, broker, projector, names):
    topic, dlq = dead(broker, projector, [VALUES[name] for name in names])
    pages = [
        f"/topics/{topic}/messages/", f"/topics/{topic}/messages/?text=img", f"/topics/{topic}/messages/?path=$.a",
        f"/topics/{topic}/messages/?tail=1", f"/topics/{topic}/", "/dead-letters/", f"/topics/{dlq}/messages/",
        f"/dead-letters/letters/?topic={topic}", "/topics/__streamlab.events/messages/", "/lab/", "/history/", "/",
        "/retries/", f"/operations/new/replay/?topic={topic}", f"/operations/new/replay/?dlq={dlq}&letters={dlq}/0@0",
    ]  # fmt: skip
    for n in range(len(names)):
        pages += [f"/topics/{place}/records/0/{n}/" for place in (topic, dlq)] + [
            f"/dead-letters/{dlq}/0/{n}/"
        ]
    for path in pages:
        assert harms(of(visitor.get(path))) == [], path
        frame = of(visitor.get(path, headers={"accept": FRAME_TYPE})).decode()
        assert "<img src=x" not in frame and "<script>alert" not in frame, path
    for n in range(len(names)):
        for path in (f"/topics/{topic}/records/0/{n}/reveal/", f"/dead-letters/{dlq}/0/{n}/reveal/"):
            assert harms(of(visitor.post(path))) == [], path
    candidate = {"type": "JSON", "text": '{"type": "null"}', "topic": topic}
    assert harms(of(visitor.post(f"/schemas/{topic}-value/check/", candidate))) == []


def test_a_download_is_what_is_stored_and_no_page(visitor, broker, projector):
    topic, _ = dead(broker, projector, [VALUES[name] for name in SMALL])
    for n, name in enumerate(SMALL):
        for file in (
            visitor.get(f"/topics/{topic}/records/0/{n}/value"),
            visitor.post(f"/topics/{topic}/records/0/{n}/value"),
        ):
            assert file.content == (VALUES[name] or b""), name
            assert file.headers["Content-Type"] == "application/octet-stream"
            assert file.headers["Content-Disposition"].startswith("attachment;")
            assert file.headers["X-Content-Type-Options"] == "nosniff"
            assert "sandbox" in file.headers["Content-Security-Policy"]


@pytest.mark.parametrize("names", SIZES)
def test_whatever_records_hold_answers_of_the_api_are_json(visitor, program, broker, projector, names):
    topic, dlq = dead(broker, projector, [VALUES[name] for name in names])
    paths = [f"/topics/{topic}/records", f"/topics/{topic}/records?text=img", "/dead-letters/letters", "/dead-letters",
             "/retries", "/audit"]  # fmt: skip
    for n in range(len(names)):
        paths += [f"/topics/{topic}/records/0/{n}", f"/dead-letters/letters/{dlq}/0/{n}"]
    for path in paths:
        response = program.get(f"/api/v1{path}")
        assert response.status_code == 200, (path, response.content[:500])
        assert response.headers["Content-Type"].startswith("application/json"), path
        json.loads(response.content)
    for n in range(len(names)):
        for path in (f"/topics/{topic}/records/0/{n}/reveal", f"/dead-letters/letters/{dlq}/0/{n}/reveal"):
            json.loads(of(program.post(f"/api/v1{path}")))


def test_a_replay_shows_what_it_edits_as_text(visitor, broker, projector):
    _, dlq = dead(broker, projector, [VALUES[name] for name in SMALL])
    spec = {"dlq": dlq, "letters": [f"{dlq}/0@{n}" for n in range(len(SMALL))], "to": "group", "guard": 100.0}
    operation = life.draft(KINDS["replay"], spec, Actor(a_person(Role.ADMIN)))
    for path in (f"/operations/{operation.pk}/", "/operations/", "/audit/"):
        assert harms(of(visitor.get(path))) == [], path

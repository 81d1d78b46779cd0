"""Record contents are strangers': on every page, in every download and answer that shows them they harm nothing."""

from __future__ import annotations

import json
import re
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


def dead(broker: Broker, projector: Projector, value: bytes | None) -> tuple[str, str]:
    """A record with that value, hostile key and headers, that died; its topic and its letters' topic."""
    topic = a_topic(broker, max_message_bytes=20_000_000)
    headers = [(MARKUP, MARKUP.encode()), (TURNED, TURNED.encode()), ("null", None), ("bytes", b"\xff<b><b>")]
    headers += [(f"h{n}", b"v") for n in range(2_000)]
    with broker.producer(max_request_size=20_000_000) as producer:
        producer.send(topic, value, key=f"{MARKUP}{TURNED}".encode(), headers=headers).get(30)
    with broker.worker(topic, group_id="billing", handler=refuse, retry=AT_ONCE):
        until(
            lambda: projector.catch_up() >= 0 and DeadLetter.objects.filter(topic=topic).exists(),
            what="it died",
        )
    dlq = f"{topic}.billing.dlq"
    seen = a_snapshot(a_topic_seen(topic), a_topic_seen(dlq), a_group("billing"))
    publish(broker.url, seen)
    return topic, dlq


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
def test_whatever_a_record_holds_harms_no_page(visitor, program, broker, projector, value):
    topic, dlq = dead(broker, projector, value)
    pages = [
        f"/topics/{topic}/messages/", f"/topics/{topic}/messages/?text=img", f"/topics/{topic}/messages/?path=$.a",
        f"/topics/{topic}/messages/?tail=1", f"/topics/{topic}/records/0/0/", f"/topics/{topic}/", "/dead-letters/",
        f"/dead-letters/letters/?topic={topic}", f"/dead-letters/{dlq}/0/0/", f"/topics/{dlq}/records/0/0/",
        f"/topics/{dlq}/messages/", "/topics/__streamlab.events/messages/", "/lab/", "/history/", "/", "/retries/",
        f"/operations/new/replay/?topic={topic}", f"/operations/new/replay/?dlq={dlq}&letters={dlq}/0@0",
    ]  # fmt: skip
    for path in pages:
        assert harms(of(visitor.get(path))) == [], path
        frame = of(visitor.get(path, headers={"accept": FRAME_TYPE}))
        assert not {"<img src=x", "<script>alert"} & set(
            re.findall(r"<img src=x|<script>alert", frame.decode())
        ), path
    for path in (f"/topics/{topic}/records/0/0/reveal/", f"/dead-letters/{dlq}/0/0/reveal/"):
        assert harms(of(visitor.post(path))) == [], path
    check = visitor.post(
        f"/schemas/{topic}-value/check/", {"type": "JSON", "text": '{"type": "null"}', "topic": topic}
    )
    assert harms(of(check)) == []
    file = visitor.get(f"/topics/{topic}/records/0/0/value")
    assert file.content == (value or b"") and file.headers["Content-Type"] == "application/octet-stream"
    assert (
        file.headers["X-Content-Type-Options"] == "nosniff"
        and "sandbox" in file.headers["Content-Security-Policy"]
    )
    for path in (f"/topics/{topic}/records", f"/topics/{topic}/records/0/0", "/dead-letters/letters", "/dead-letters",
                 f"/dead-letters/letters/{dlq}/0/0", "/retries", "/audit"):  # fmt: skip
        response = program.get(f"/api/v1{path}")
        assert response.status_code == 200, (path, response.content[:500])
        assert response.headers["Content-Type"].startswith(
            ("application/json", "application/problem+json")
        ), path
        json.loads(response.content)
    assert json.loads(program.post(f"/api/v1/topics/{topic}/records/0/0/reveal").content)


@pytest.mark.parametrize("name", ["script", "turned", "10,000 brackets", "invalid UTF-8"])
def test_a_replay_shows_what_it_edits_as_text(visitor, broker, projector, name):
    _, dlq = dead(broker, projector, VALUES[name])
    spec = {"dlq": dlq, "letters": [f"{dlq}/0@0"], "to": "group", "guard": 100.0}
    operation = life.draft(KINDS["replay"], spec, Actor(a_person(Role.ADMIN)))
    for path in (f"/operations/{operation.pk}/", "/operations/", "/audit/"):
        assert harms(of(visitor.get(path))) == [], path

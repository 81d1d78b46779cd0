"""The records of a topic in the browser's hands: found honestly, and harmless whatever they hold."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from tests.builders import a_topic, numbered, produce

pytestmark = pytest.mark.django_db

HOSTILE = [
    b"<script>alert(1)</script>",
    b'"><img src=x onerror=alert(1)>',
    b"\xff\xfe\x00",
    b"[" * 10_000 + b"]" * 10_000,
    b'{"a": "</script><script>alert(1)</script>"}',
    "\u202egnp.exe".encode(),
    b"\x1b[31mred",
    b"x" * 10_000_000,
    b"",
]


def html_of(client: Client, address: str, **query: str) -> str:
    response = client.get(address, query)
    assert response.status_code == 200, response.content.decode()[:500]
    return response.content.decode()


def offsets(html: str) -> list[str]:
    return re.findall(r'<tr data-key="(\d+-\d+)"', html)


def following(html: str) -> str:
    [href] = re.findall(r'<a class="more" href="([^"]+)"', html)
    return href.replace("&amp;", "&")


def test_the_newest_records_come_first_and_the_rest_by_continuing(visitor, broker):
    topic = a_topic(broker)
    produce(broker, topic, numbered(120))
    seen: list[str] = []
    path, pages = f"/topics/{topic}/messages/", 0
    while path:
        html = html_of(visitor, path)
        seen += offsets(html)
        pages += 1
        path = following(html) if "Continue" in html else ""
    assert seen == [f"0-{n}" for n in range(119, -1, -1)]
    assert pages == 3
    assert "looked at 120 of 120" in html


def test_a_filter_finds_by_path_key_and_text_and_says_how_much_it_looked_at(visitor, broker):
    topic = a_topic(broker)
    produce(broker, topic, [b'{"country": "France"}', b'{"country": "Norway"}'] * 10, key=b"k7")
    path = f"/topics/{topic}/messages/"
    assert len(offsets(html_of(visitor, path, path="$.country = France"))) == 10
    assert len(offsets(html_of(visitor, path, text="norway"))) == 10
    assert len(offsets(html_of(visitor, path, key="k7"))) == 20
    html = html_of(visitor, path, key="k8")
    assert "No record matches" in html and "All 20 were looked at" in html


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ({"path": "$.["}, "is no JSON path"),
        ({"offset": "x"}, "is no offset"),
        ({"offset": "4"}, "choose it too"),
        ({"partition": "9"}, "There is no partition 9"),
        ({"at": "yesterday"}, "is no time"),
        ({"c": "1_nonsense"}, "was cut off"),
        ({"key": "0xf"}, "hexadecimal"),
    ],
)
def test_what_is_asked_wrongly_is_said_and_the_page_still_shows_something(visitor, broker, query, says):
    topic = a_topic(broker)
    produce(broker, topic, numbered(3))
    html = html_of(visitor, f"/topics/{topic}/messages/", **query)
    assert says in html
    assert offsets(html)


def test_an_offset_is_where_it_begins_in_either_direction(visitor, broker):
    topic = a_topic(broker)
    produce(broker, topic, numbered(10))
    path = f"/topics/{topic}/messages/"
    assert offsets(html_of(visitor, path, partition="0", offset="4"))[0] == "0-4"
    oldest = html_of(visitor, path, partition="0", offset="4", order="oldest")
    assert offsets(oldest) == [f"0-{n}" for n in range(4, 10)]


@pytest.mark.parametrize("value", HOSTILE, ids=lambda value: repr(value[:12]))
def test_hostile_records_are_text_and_nothing_else(visitor, broker, value):
    topic = a_topic(broker, max_message_bytes=20_000_000)
    with broker.producer(max_request_size=20_000_000) as producer:
        producer.send(topic, value, key=value[:5000], headers=[("<b>x</b>", value[:1000])]).get(30)
    for path in (f"/topics/{topic}/messages/", f"/topics/{topic}/records/0/0/"):
        html = html_of(visitor, path)
        assert "<script>alert" not in html
        assert "<img src=x" not in html
        assert "<b>x" not in html
        assert "\x1b" not in html and "\u202e" not in html
        assert len(html) < 1_000_000


def test_a_record_is_shown_whole_and_downloaded_as_it_is_stored(visitor, broker):
    topic = a_topic(broker)
    headers = [("ce_type", b"order.placed"), ("ce_id", b"7"), ("trace", None)]
    produce(broker, topic, [b'{"n":1}'], key=b"k", headers=headers)
    html = html_of(visitor, f"/topics/{topic}/records/0/0/")
    assert "order.placed" in html and "&quot;n&quot;: 1" in html
    response = visitor.get(f"/topics/{topic}/records/0/0/value")
    assert response.content == b'{"n":1}'
    assert response.headers["Content-Type"] == "application/octet-stream"
    assert response.headers["Content-Disposition"].startswith("attachment;")


def test_what_is_not_there_is_a_404_that_says_why(visitor, broker):
    topic = a_topic(broker)
    for path, says in (
        ("/topics/nothing/messages/", "There is no topic"),
        (f"/topics/{topic}/records/0/0/", "There is no record at offset 0"),
        (f"/topics/{topic}/records/7/0/", "There is no partition"),
        (f"/topics/{topic}/records/0/99999999999999999999/", "There is no record"),
    ):
        response = visitor.get(path)
        assert response.status_code == 404, path
        assert says in response.content.decode()


def test_only_a_view_that_follows_the_newest_is_live(visitor, broker):
    topic = a_topic(broker)
    produce(broker, topic, numbered(3))
    assert 'data-live-key=""' in html_of(visitor, f"/topics/{topic}/messages/")
    assert 'data-live-key="/topics/' in html_of(visitor, f"/topics/{topic}/messages/", tail="1")

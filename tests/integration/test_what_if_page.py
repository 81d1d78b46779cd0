"""The what-if page: worked out from a real topic's keys, linked from what it is about, hiding what masking hides."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from pytest_django import Settings

from dashboard import advice
from dashboard.access.roles import Role
from dashboard.audit.trail import Actor
from dashboard.masking import rules as masking
from dashboard.pages.what_if import memory_a_byte
from streamlab import keys
from streamlab.broker import Broker
from streamlab.cli import snapshots
from tests.advisor_worlds import GROUP, TOPIC, a_world
from tests.integration.test_advisor import measured
from tests.people import a_person

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def nothing_heard(monkeypatch):
    """What pages heard in another test is forgotten."""
    monkeypatch.setattr(advice, "_asked", advice._Asked())


@pytest.fixture
def viewer(client: Client, redis_url: str, settings: Settings) -> Client:
    settings.STREAMLAB_URL = redis_url
    client.force_login(a_person(Role.VIEWER))
    return client


def text(response) -> str:
    return re.sub(r"\s+", " ", response.content.decode())


def keyed(broker: Broker, keys: int = 60) -> None:
    broker.admin().create_topics({TOPIC: {"num_partitions": 6}})
    with broker.producer() as producer:
        for n in range(keys):
            producer.send(TOPIC, b"x" * 100, key=b"customer-%d" % n)


def test_everything_is_worked_out_from_keys_and_rates(viewer, broker):
    keyed(broker)
    measured(broker, a_world([20.0] * 6, [10.0] * 6, members=2))
    page = text(viewer.get("/what-if/", {"topic": TOPIC, "partitions": "12", "members": "8", "keep": "2h"}))
    assert "12 partitions" in page and "would go elsewhere" in page
    assert "8 members" in page and "never" in page
    assert "Kept for 2h" in page
    assert "10 times as much as now, 1,200/s" in page


@pytest.mark.both_engines
def test_memory_is_what_the_server_says_that_the_logs_take(broker, monkeypatch):
    """Small batches take more for each byte than full ones."""
    monkeypatch.setattr("dashboard.pages.what_if.broker", lambda: broker)
    took = {}
    for name, batch_size in (("single", 1), ("full", 100_000)):
        broker.admin().create_topics({name: {"num_partitions": 1}})
        with broker.producer(batch_size=batch_size, linger_ms=1_000) as producer:
            for n in range(2_000):
                producer.send(name, b"%d" % n * 25)
        here = snapshots.topic_of(snapshots.take(broker), name)
        used = broker.connection.client.memory_usage(keys.log(name, 0), samples=0)
        assert memory_a_byte(here) == pytest.approx(used / here.size_bytes, rel=0.1)
        took[name] = memory_a_byte(here)
    assert took["single"] > 1.1 * took["full"]


def test_a_group_alone_is_enough_and_what_is_left_open_is_chosen(viewer, broker):
    keyed(broker)
    measured(broker, a_world([20.0] * 6, [10.0] * 6, members=2))
    assert f"<option selected>{TOPIC}</option>" in text(viewer.get("/what-if/", {"group": GROUP}))


@pytest.mark.parametrize(
    "query", [{}, {"topic": "gone"}, {"topic": TOPIC, "partitions": "-3", "keep": "x", "times": "nan"}]
)
def test_what_cannot_be_asked_is_answered_all_the_same(viewer, broker, query):
    keyed(broker)
    measured(broker, a_world([20.0] * 6))
    assert viewer.get("/what-if/", query).status_code == 200


def test_keys_that_rules_hide_are_not_shown(viewer, broker):
    keyed(broker)
    measured(broker, a_world([20.0] * 6))
    asked = {"topic": TOPIC, "partitions": "12"}
    assert "customer-" in text(viewer.get("/what-if/", asked))
    masking.add(TOPIC, "@key", Actor(user=a_person(Role.ADMIN)))
    hidden = text(viewer.get("/what-if/", asked))
    assert "customer-" not in hidden and "hidden by masking rules" in hidden


@pytest.mark.parametrize("path", [f"/topics/{TOPIC}/", f"/groups/{GROUP}/"])
def test_it_is_linked_from_topic_and_group(viewer, broker, path):
    measured(broker, a_world())
    assert "/what-if/?" in text(viewer.get(path))


def test_findings_lead_to_it(viewer, broker):
    measured(broker, a_world([20.0] * 6, [10.0] * 6, members=2))
    assert f"/what-if/?group={GROUP}&amp;topic={TOPIC}&amp;members=5" in text(viewer.get("/advisor/"))

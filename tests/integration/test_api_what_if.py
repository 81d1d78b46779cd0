"""What if over the API: the page's answers, from a real topic's keys, with what masking hides hidden."""

from __future__ import annotations

import re
from html import unescape

import pytest
from django.test import Client
from pytest_django import Settings

from dashboard.access.roles import Role
from dashboard.audit.trail import Actor
from dashboard.masking import rules as masking
from streamlab.broker import Broker
from tests.advisor_worlds import GROUP, TOPIC, a_world
from tests.integration.broker_pictures import busy_snapshot, publish
from tests.integration.test_advisor import measured
from tests.people import a_person
from tests.programs import Program, problem_of

pytestmark = pytest.mark.django_db
ASKED = {"topic": TOPIC, "partitions": 12, "members": 8, "keep": "2h", "times": 10}


@pytest.fixture
def viewer(redis_url: str, settings: Settings) -> Program:
    settings.STREAMLAB_URL = redis_url
    return Program(Role.VIEWER, "api:read")


@pytest.fixture
def keyed(viewer: Program, broker: Broker) -> None:
    """A topic with keys, and a group that falls behind it."""
    broker.admin().create_topics({TOPIC: {"num_partitions": 6}})
    with broker.producer() as producer:
        for n in range(60):
            producer.send(TOPIC, b"x" * 100, key=b"customer-%d" % n)
    measured(broker, a_world([20.0] * 6, [10.0] * 6, members=2))


def test_the_answers_are_those_of_the_page(viewer, keyed):
    found = viewer.asks("/what-if", **ASKED)
    page = Client()
    page.force_login(a_person())
    shown = re.sub(r"\s+", " ", unescape(page.get("/what-if/", ASKED).content.decode()))
    for answer in ("partitions", "members", "retention", "capacity"):
        assert found[answer]["headline"] in shown, answer
        assert all(sentence in shown for sentence in found[answer].get("sentences", [])), answer
    assert (found["topic"], found["group"]) == (TOPIC, GROUP)
    assert found["asked"] == {"partitions": 12, "members": 8, "keep": "2h", "times": 10.0}
    assert len(found["partitions"]["then"]["shares"]) == 12
    assert sum(found["partitions"]["now"]["shares"]) == pytest.approx(1)
    assert found["partitions"]["moves"][0]["before"] < 6
    assert any("asked" in step["kind"] for step in found["members"]["steps"])


def test_a_group_alone_is_enough(viewer, keyed):
    found = viewer.asks("/what-if", group=GROUP)
    assert (found["topic"], found["asked"]["partitions"], found["asked"]["members"]) == (TOPIC, 12, 3)


def test_keys_that_rules_hide_are_not_told(viewer, keyed):
    assert "customer-" in str(viewer.asks("/what-if", **ASKED))
    masking.add(TOPIC, "@key", Actor(user=a_person(Role.ADMIN)))
    hidden = str(viewer.asks("/what-if", **ASKED))
    assert "customer-" not in hidden and "hidden by masking rules" in hidden


def test_what_cannot_be_asked_is_refused_with_its_reason(viewer, redis_url):
    publish(redis_url, busy_snapshot())
    assert problem_of(viewer.get("/what-if", topic="gone"), 404)
    assert problem_of(viewer.get("/what-if", topic="orders", group="gone"), 404)
    for query in ({}, {"topic": "orders", "keep": "soon"}, {"topic": "orders", "partitions": 0},
                  {"topic": "orders", "members": 1.5}, {"topic": "orders", "times": "nan"}):  # fmt: skip
        assert problem_of(viewer.get("/what-if", **query), 422)

"""The line that an operation names as "the same in a shell" does the same when it is pasted into one."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from dashboard.access.roles import Role
from dashboard.operations.models import Operation
from dashboard.operations.registry import KINDS
from dashboard.presenters.commands import PYTHON
from streamlab.broker import Broker
from streamlab.configs.store import Configs
from streamlab.delivery.dead_letters import DeadLetters
from streamlab.delivery.policy import RetryPolicy
from streamlab.groups import describe
from streamlab.model import TopicPartition
from tests.builders import a_group_that_read, a_topic, numbered, produce
from tests.people import a_person
from tests.shell import Shell
from tests.waiting import until

pytestmark = pytest.mark.django_db

Pasted = Callable[..., str]
"""(kind, fields) -> what the shell wrote; the operation itself is never confirmed."""


@pytest.fixture
def pasted(client: Client, redis_url: str, settings: Settings, tmp_path: Path) -> Pasted:
    settings.STREAMLAB_URL = redis_url
    shell = Shell(redis_url, tmp_path)
    client.force_login(a_person(Role.OPERATOR))

    def paste(kind: str, **fields: Any) -> str:
        response = client.post(f"/operations/new/{kind}/", fields)
        assert response.status_code == 302, response.content.decode()
        drafted = Operation.objects.latest("pk")
        said = ""
        for line in KINDS[kind].command(drafted.spec).split(" && "):
            words = shlex.split(line)
            assert words[:3] == [PYTHON, "-m", "streamlab"], line
            done = shell(*words[3:])
            assert done.returncode == 0, (line, done.stderr)
            said += done.stdout
        return said

    return paste


def committed(broker: Broker, topic: str) -> int:
    return broker.admin().list_group_offsets("revenue")["revenue"][TopicPartition(topic, 0)].offset


@pytest.mark.parametrize(
    ("fields", "then"),
    [
        ({"to": "earliest"}, 0),
        ({"to": "shift", "records": -15}, 25),
        ({"to": "offset", "records": 7}, 7),
        ({"to": "duration", "minutes": 60}, 0),
        ({"to": "datetime", "moment": "2020-01-01T00:00:00"}, 0),
        ({"to": "earliest", "partitions": "0"}, 0),
    ],
    ids=lambda value: " ".join(map(str, value.values())) if isinstance(value, dict) else "",
)
def test_a_reset_of_offsets(pasted: Pasted, broker: Broker, fields, then):
    topic = a_group_that_read(broker, 40)
    pasted("reset-offsets", group="revenue", topic=topic, **fields)
    assert committed(broker, topic) == then


def test_a_topic_from_its_making_to_its_end(pasted: Pasted, broker: Broker):
    pasted("create-topic", topic="orders", partitions=2, retention_days=1)
    edges = broker.admin().list_partition_offsets("orders")
    assert len(edges) == 2
    pasted("add-partitions", topic="orders", total=5)
    assert len(broker.admin().list_partition_offsets("orders")) == 5
    produce(broker, "orders", numbered(20))
    pasted("purge", topic="orders", before="2020-01-01T00:00:00")
    assert _kept(broker, "orders") == 20
    pasted("purge", topic="orders", before=f"{datetime.now(UTC).year + 1}-01-01T00:00:00")
    assert _kept(broker, "orders") == 0
    produce(broker, "orders", numbered(3))
    pasted("purge", topic="orders")
    assert _kept(broker, "orders") == 0
    pasted("delete-topic", topic="orders")
    assert "orders" not in broker.admin().list_topics()


def _kept(broker: Broker, topic: str) -> int:
    edges = broker.admin().list_partition_offsets(topic).values()
    return sum(edge.log_end - edge.log_start for edge in edges)


def test_a_pause_for_a_while_with_its_reason_and_its_end(pasted: Pasted, broker: Broker):
    a_group_that_read(broker, 1)
    pasted("pause-group", group="revenue", minutes=90, reason="we look; don't")
    paused = describe.describe(broker.connection, "revenue").paused
    assert paused is not None and paused.reason == "we look; don't" and paused.until_ms > 0
    pasted("resume-group", group="revenue")
    assert describe.describe(broker.connection, "revenue").paused is None


def test_settings_that_are_set_and_others_that_are_taken_away(pasted: Pasted, broker: Broker):
    a_group_that_read(broker, 1)
    Configs(broker.connection).change("group:revenue", {"fetch_min_bytes": 5_000})
    pasted("configure", entity="group:revenue", max_poll_records="50", fetch_min_bytes="")
    assert Configs(broker.connection).get("group:revenue").values == {"max_poll_records": 50}


def test_dead_letters_are_replayed_as_the_operation_would_changed_and_guarded(pasted: Pasted, broker: Broker):
    topic, handled, refuses = a_topic(broker), [], [True]

    def handle(record) -> None:
        if refuses:
            raise ValueError("it's refused")
        handled.append(record.value)

    produce(broker, topic, [b'{"country": "??"}', b'{"country": "DE"}'])
    at_once = RetryPolicy(base_ms=1, cap_ms=1, max_attempts=1)
    with broker.worker(topic, group_id="revenue", handler=handle, retry=at_once):
        dlq = f"{topic}.revenue.dlq"
        until(lambda: _dead(broker, topic) == 2, 30, "two dead letters")
        refuses.clear()
        chosen = {"dlq": dlq, "text": "it's", "since": "2020-01-01T00:00:00"}
        pasted("replay", **chosen, letters=f"{dlq}/0@0", to="group", guard=55, merge='{"country": "it\'s"}')
        until(lambda: handled == [b'{"country":"it\'s"}'], 30, "the changed one was handled")
        pasted("discard", **chosen, reason="it's a test")
        assert _dead(broker, topic) == 0
        pasted("restore", **chosen)
        assert _dead(broker, topic) == 1


def _dead(broker: Broker, topic: str) -> int:
    if f"{topic}.revenue.dlq" not in broker.admin().list_topics():
        return 0
    return DeadLetters(broker.connection, topic, "revenue").counts().dead

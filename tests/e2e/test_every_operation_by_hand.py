"""Every operation that no other test of the browser carries out: filled in, previewed, confirmed, done. Real Celery."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

import streamlab
from dashboard.operations.kinds.scale import DESIRED_KEY
from streamlab import RetryPolicy
from streamlab.broker import Broker
from streamlab.delivery.dead_letters import DeadLetters
from streamlab.groups.describe import describe
from tests.builders import a_topic, numbered, produce
from tests.waiting import until

pytestmark = pytest.mark.e2e

ORDER = '{"type": "record", "name": "Order", "fields": [{"name": "total", "type": "double"}]}'


@pytest.fixture(scope="module", autouse=True)
def jobs(stack) -> None:
    stack.run("celery", "-m", "celery", "-A", "dashboard.config", "worker", "--beat", "-c", "1", "-s",
              str(stack.var / "beat"), "-l", "warning")  # fmt: skip


@pytest.fixture
def broker(stack) -> Iterator[Broker]:
    with streamlab.connect(str(stack.server.url)) as connected:
        yield connected


def carry_out(page: Page, kind: str, typed: str = "", **fields: str) -> None:
    """Fill in its form, look at the preview, confirm, and see it done."""
    page.goto(f"/operations/new/{kind}/")
    for name, value in fields.items():
        field = page.locator(f'.operation-form [name="{name}"]')
        if field.evaluate("element => element.tagName") == "SELECT":
            field.select_option(value)
        else:
            field.fill(value)
    page.get_by_role("button", name="Preview").click()
    if typed:
        page.get_by_label("to confirm").fill(typed)
    page.get_by_role("button", name=re.compile(": confirm$")).click()
    is_done(page)


def is_done(page: Page) -> None:
    expect(page.locator("#headline .status")).to_have_text("done")


def take_back(page: Page) -> None:
    page.get_by_role("button", name="Undo…").click()
    page.get_by_role("button", name=re.compile(": confirm$")).click()
    is_done(page)


def test_a_topic_is_made_filled_grown_emptied_and_deleted(open_page, broker):
    page = open_page("/topics/")
    carry_out(page, "create-topic", topic="by-hand", partitions="2", retention_days="1")
    carry_out(page, "produce", topic="by-hand", key="a", value='{"total": 1.5}', headers="from: hand")
    carry_out(page, "add-partitions", topic="by-hand", total="4")
    edges = broker.admin().list_partition_offsets("by-hand")
    assert len(edges) == 4 and sum(edge.log_end for edge in edges.values()) == 1
    carry_out(page, "purge", typed="by-hand", topic="by-hand")
    assert all(e.log_start == e.log_end for e in broker.admin().list_partition_offsets("by-hand").values())
    carry_out(page, "delete-topic", typed="by-hand", topic="by-hand")
    assert "by-hand" not in broker.admin().list_topics()


def test_a_group_is_paused_and_let_go_on(open_page, broker):
    topic = a_topic(broker)
    with broker.consumer(topic, group_id="packing") as consumer:
        until(
            lambda: consumer.poll(timeout_ms=100) is not None and consumer.assignment(),
            30,
            "it has partitions",
        )
        page = open_page("/groups/")  # its own page is there when it was measured
        carry_out(page, "pause-group", group="packing", minutes="30", reason="stock-taking")
        assert describe(broker.connection, "packing").paused
        carry_out(page, "resume-group", group="packing")
        assert not describe(broker.connection, "packing").paused


def test_a_schema_is_registered_and_shown(open_page, broker):
    page = open_page("/schemas/")
    carry_out(page, "register-schema", subject="orders-value", type="AVRO", text=ORDER)
    page.goto("/schemas/")
    expect(page.locator("main")).to_contain_text("orders-value")


def test_consumers_of_the_demo_are_scaled_and_scaled_back(open_page, broker):
    page = open_page("/groups/")
    carry_out(page, "scale-consumers", group="revenue", consumers="3")
    assert broker.connection.client.hget(DESIRED_KEY, "revenue") == b"3"
    take_back(page)
    assert broker.connection.client.hget(DESIRED_KEY, "revenue") != b"3"


def test_dead_letters_are_given_up_and_called_back(open_page, broker):
    topic = a_topic(broker)
    produce(broker, topic, numbered(3))

    def refuse(record) -> None:
        raise ValueError("no stock")

    letters = DeadLetters(broker.connection, topic, "billing")
    with broker.worker(topic, group_id="billing", handler=refuse, retry=RetryPolicy(max_attempts=1)):
        until(lambda: f"{topic}.billing.dlq" in broker.admin().list_topics(), 60, "something died")
        until(lambda: letters.counts().dead == 3, 60, "all three died")
    page = open_page("/dead-letters/")
    carry_out(page, "discard", dlq=f"{topic}.billing.dlq", reason="of no use")
    assert (letters.counts().dead, letters.counts().discarded) == (0, 3)
    take_back(page)
    assert (letters.counts().dead, letters.counts().discarded) == (3, 0)

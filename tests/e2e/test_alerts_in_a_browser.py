"""A rule is made, fires, is told and clears: real watchman, real receiver, real browser."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

import streamlab
from streamlab.broker import Broker
from tests.builders import a_topic, numbered, produce
from tests.e2e.browsing import serious_violations
from tests.receivers import WebhookReceiver
from tests.waiting import until

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module", autouse=True)
def webhooks_may_come_here() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("STREAMLAB_WEBHOOK_PRIVATE", "1")
        yield


@pytest.fixture(scope="module")
def watched(stack) -> None:
    stack.run("alerts", "manage.py", "watch_alerts")


@pytest.fixture
def broker(stack) -> Iterator[Broker]:
    with streamlab.connect(str(stack.server.url)) as connected:
        yield connected


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    with WebhookReceiver() as listening:
        yield listening


def stopped_group(broker: Broker, group: str) -> str:
    """A group that read, committed and left, and then records came."""
    topic = a_topic(broker)
    produce(broker, topic, numbered(5))
    with broker.consumer(topic, group_id=group, auto_offset_reset="earliest") as consumer:
        until(lambda: consumer.poll(timeout_ms=200), what="it reads")
        consumer.commit()
    produce(broker, topic, numbered(400))
    return topic


def test_a_rule_is_made_fires_is_told_and_clears(open_page, stack, watched, broker, receiver):
    page = open_page("/alerts/")
    expect(page.locator("#firing")).to_contain_text("Nobody watches for anything yet")
    expect(page.locator("#summary .status")).to_have_text("watching")

    page.get_by_role("link", name="New webhook").click()
    page.get_by_label("Name").fill("night watch")
    page.get_by_label("Address").fill(receiver.url)
    page.get_by_role("button", name="Save").click()
    page.get_by_role("button", name="Send a test").click()
    expect(page.locator("#main")).to_contain_text("It arrived")
    expect(page.locator("#main")).to_contain_text("thank you")
    assert receiver.received[0].body["commonLabels"]["test"] == "true"

    page.goto("/alerts/")
    page.get_by_role("link", name="A group is stopped", exact=True).click()
    page.get_by_label("before it fires").fill("0")
    page.get_by_label("before it clears").fill("0")
    page.get_by_label("night watch", exact=True).check()
    page.get_by_role("button", name="What would have fired").click()
    expect(page.locator("#preview")).to_contain_text("Nothing that it looks at is there now")
    expect(page.get_by_label("night watch", exact=True)).to_be_checked()
    page.get_by_role("button", name="Watch").click()
    expect(page.locator("#rules")).to_contain_text("status of any group is stopped")
    expect(page.locator("#rules .status")).to_have_text("calm")

    topic = stopped_group(broker, "inventory")
    expect(page.locator("#firing tbody")).to_contain_text("Group inventory is stopped")
    expect(page.locator("#firing tbody")).to_contain_text("night watch")
    [told] = receiver.received[1:]
    assert (
        told.body["status"] == "firing" and told.body["alerts"][0]["labels"]["subject"] == "group inventory"
    )

    page.locator("#firing tbody th a").click()
    expect(page.locator("#told tbody")).to_contain_text("HTTP 200 OK")
    expect(page.locator("#told tbody")).to_contain_text(told.headers["webhook-id"])
    page.get_by_role("button", name="I am at it").click()
    expect(page.locator("#headline")).to_contain_text("Acknowledged")

    stack.start_consumer(topic, "inventory")
    expect(page.locator("#headline")).to_contain_text("Cleared: Group inventory is", timeout=60_000)
    expect(page.locator("#told tbody tr")).to_have_count(2)
    until(lambda: len(receiver.received) == 3, what="the receiver is told that it cleared")
    assert receiver.received[2].body["status"] == "resolved"
    page.goto("/history/?group=inventory")
    expect(page.locator('#marks [data-mark-kind="alert"]')).to_have_count(2)
    page.goto("/audit/?q=alert")
    expect(page.locator("#list")).to_contain_text("alert.acknowledged")

    paths = ["/alerts/", "/alerts/1/", "/alerts/rules/1/", "/alerts/channels/1/", "/alerts/rules/new/"]
    for path in paths:
        page.goto(path)
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            assert serious_violations(page) == [], (path, scheme)
        for width in (360, 1440):
            page.set_viewport_size({"width": width, "height": 800})
            assert page.evaluate("() => document.documentElement.scrollWidth") <= width, (path, width)


def test_a_receiver_that_hangs_holds_no_page_up(open_page, stack, receiver):
    page = open_page("/alerts/channels/new/webhook/")
    page.get_by_label("Name").fill("hangs")
    page.get_by_label("Address").fill(receiver.url)
    page.get_by_role("button", name="Save").click()
    receiver.holds.set()
    page.get_by_role("button", name="Send a test").click(no_wait_after=True)
    until(lambda: receiver.received, what="the receiver is asked, and says nothing")
    other = open_page("/topics/")
    expect(other.get_by_role("heading", level=1)).to_have_text("Topics")
    receiver.release.set()
    expect(page.locator("#main")).to_contain_text("It arrived")

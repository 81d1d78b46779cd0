"""What operators do with their own hands: look at a failure, replay it, reset a group, turn a knob. Real worker, real
Celery, real projector."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

import streamlab
from streamlab import RetryPolicy
from streamlab.broker import Broker
from tests.builders import a_topic, numbered, produce
from tests.e2e.browsing import serious_violations
from tests.waiting import until

pytestmark = pytest.mark.e2e

AT_ONCE = RetryPolicy(base_ms=1, cap_ms=1, max_attempts=2)


class Fussy:
    """A handler that refuses records while it is told to."""

    def __init__(self) -> None:
        self.refuses = threading.Event()
        self.refuses.set()

    def __call__(self, record) -> None:
        if self.refuses.is_set():
            raise ValueError(f"no stock for order {record.value.decode()}")


@pytest.fixture(scope="module", autouse=True)
def jobs(stack) -> None:
    """Celery and the projector, beside sampler and web."""
    stack.run("celery", "-m", "celery", "-A", "dashboard.config", "worker", "--beat", "-c", "1", "-s",
              str(stack.var / "beat"), "-l", "warning")  # fmt: skip
    stack.run("projector", "manage.py", "project")


@pytest.fixture
def broker(stack) -> Iterator[Broker]:
    with streamlab.connect(str(stack.server.url)) as connected:
        yield connected


@pytest.fixture
def handler() -> Fussy:
    return Fussy()


@pytest.fixture
def topic(broker: Broker, handler: Fussy) -> Iterator[str]:
    """A topic that a worker of group `billing` reads and refuses."""
    name = a_topic(broker)
    with broker.worker(name, group_id="billing", handler=handler, retry=AT_ONCE):
        yield name


def failure_row(page: Page, topic: str):
    return page.locator("#list tbody tr", has_text=topic)


def test_a_dead_letter_appears_at_once_is_replayed_by_a_click_and_recovers(open_page, broker, topic, handler):
    page = open_page("/dead-letters/")
    expect(page.locator("#connection")).to_have_text("Live")
    produce(broker, topic, [b"40"])  # the first one makes the topic of dead letters
    expect(failure_row(page, topic)).to_contain_text("ValueError")
    died = time.monotonic()
    produce(broker, topic, [b"41"])
    expect(failure_row(page, topic).locator("td.n").first).to_have_text("2")
    print(f"on the page {time.monotonic() - died:.1f} s after it was sent")
    failure_row(page, topic).get_by_role("link", name="ValueError").click()
    handler.refuses.clear()
    page.locator("tbody th a").first.click()
    expect(page.locator("#headline")).to_contain_text("no stock for order")
    page.get_by_role("button", name="Replay it to billing").click()
    expect(page.locator("#headline .status")).to_have_text("recovered")
    expect(page.locator("#way")).to_contain_text("handled")
    assert page.get_by_role("button", name="Replay it to billing").count() == 0


def test_a_replay_of_many_shows_its_progress_and_is_cancelled_midway(open_page, broker, topic, handler):
    produce(broker, topic, numbered(200))
    page = open_page(f"/dead-letters/?topic={topic}")
    expect(failure_row(page, topic).locator("td.n").first).to_have_text("200", timeout=40_000)
    handler.refuses.clear()
    failure_row(page, topic).get_by_role("link", name="Replay…").click()
    page.get_by_label("At most a second").fill("20")
    page.get_by_role("button", name="Preview").click()
    expect(page.locator("#headline")).to_contain_text(
        "200 dead letters of group billing go back to group billing"
    )
    page.get_by_role("button", name="Replay: confirm").click()
    bar = page.get_by_role("progressbar")
    expect(bar).to_be_visible(timeout=15_000)
    expect(page.locator("#progress")).to_contain_text(re.compile(r"[1-9]\d* of 200"))
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#headline .status")).to_have_text("cancelled")
    done = page.locator("#outcome dl.facts").first
    replayed = int(re.findall(r"Replayed\s*(\d+)", done.inner_text())[0])
    assert 0 < replayed < 200
    page.get_by_role("button", name="The same again…").click()
    expect(page.locator("#headline")).to_contain_text(f"{200 - replayed} dead letters")
    page.get_by_role("button", name="Replay: confirm").click()
    expect(page.locator("#headline .status")).to_have_text("done", timeout=40_000)
    expect(page.locator("#outcome")).to_contain_text(f"{200 - replayed} dead letters")


def test_a_stopped_group_is_reset_and_the_reset_is_taken_back(open_page, broker):
    topic = a_topic(broker)
    produce(broker, topic, numbered(30))
    with broker.consumer(topic, group_id="reports", auto_offset_reset="earliest") as consumer:
        while not consumer.poll(1000):
            pass
        consumer.commit()
    page = open_page("/operations/new/reset-offsets/?group=reports")
    expect(page.get_by_label("Moment (UTC)")).to_be_hidden()
    page.get_by_label("Move to").select_option("shift")
    page.get_by_label("Records, or the offset").fill("-12")
    page.get_by_role("button", name="Preview").click()
    expect(page.locator("#headline")).to_contain_text("12 records will be processed again")
    page.get_by_role("button", name="Reset: confirm").click()
    expect(page.locator("#headline .status")).to_have_text("done")
    page.get_by_role("button", name="Undo…").click()
    expect(page.locator("#headline")).to_contain_text("12 records will be skipped")
    page.get_by_role("button", name="Reset: confirm").click()
    expect(page.locator("#headline .status")).to_have_text("done")
    page.goto("/audit/?q=reports")
    expect(page.locator("#list")).to_contain_text("operation.done")


def test_a_rebalance_is_previewed_and_seen_on_the_time_line(open_page, broker):
    topic = a_topic(broker, partitions=4)
    with (
        broker.consumer(topic, group_id="packing", client_id="one") as one,
        broker.consumer(topic, group_id="packing", client_id="two") as two,
    ):

        def settled() -> bool:
            one.poll(timeout_ms=100)
            two.poll(timeout_ms=100)
            return len(one.assignment()) == len(two.assignment()) == 2

        until(settled, 30, "both have two partitions")
        page = open_page("/operations/new/rebalance/?group=packing")
        page.get_by_label("Assignor").select_option("range")
        page.get_by_role("button", name="Preview").click()
        expect(page.locator("#headline")).to_contain_text("packing")
        page.get_by_role("button", name="Rebalance: confirm").click()
        done = page.locator("#headline .status")

        def is_done() -> bool:
            settled()
            return done.inner_text() == "done"

        until(is_done, 60, "the operation is done")
        page.goto("/groups/packing/")
        expect(page.locator("#rebalances tbody tr").first).to_be_visible(timeout=30_000)
        expect(page.locator("#rebalances svg .work").first).to_be_attached()
        expect(page.locator("#rebalances tbody")).to_contain_text("joined")
        expect(page.locator("#rebalances tbody")).to_contain_text("forced")


def test_a_knob_reaches_the_clients_that_run(open_page, broker):
    topic = a_topic(broker)
    with broker.producer(client_id="till") as producer:
        producer.send(topic, b"x").get(30)
        page = open_page("/clients/?q=till")
        expect(page.locator("#list")).to_contain_text("till")
        page.get_by_role("link", name="till").click()
        page.get_by_role("link", name="Settings…").click()
        page.get_by_label("linger_ms").fill("25")
        page.get_by_role("button", name="Preview").click()
        expect(page.locator("#headline")).to_contain_text("1 of 1 running client")
        page.get_by_role("button", name="Change: confirm").click()
        expect(page.locator("#headline")).to_contain_text("applied by 1 of 1 clients")


def test_records_are_found_by_what_they_hold(open_page, broker):
    topic = a_topic(broker)
    produce(broker, topic, [b'{"country": "France"}', b'{"country": "<script>alert(1)</script>"}'])
    page = open_page(f"/topics/{topic}/messages/")
    page.get_by_label("JSON path").fill("$.country = France")
    page.get_by_role("search").get_by_role("button", name="Find").click()
    expect(page.locator("#list tbody tr")).to_have_count(1)
    page.get_by_role("link", name="Follow the newest").click()
    expect(page.locator("#connection")).to_have_text("Live")
    produce(broker, topic, [b'{"country": "France"}'])
    expect(page.locator("#list tbody tr")).to_have_count(2)


def test_the_pages_of_acting_are_open_to_everybody_and_fit_narrow_screens(open_page, broker, topic):
    produce(broker, topic, [b"7"])
    page = open_page("/dead-letters/")
    expect(failure_row(page, topic)).to_contain_text("ValueError", timeout=40_000)
    letter = page.request.get("/dead-letters/letters/?topic=" + topic).text()
    [address] = re.findall(rf'href="(/dead-letters/{topic}[^"]+)"', letter)
    paths = [
        "/dead-letters/",
        "/dead-letters/letters/",
        address,
        "/retries/",
        "/operations/",
        "/audit/",
        "/clients/",
    ]
    paths += [f"/topics/{topic}/messages/", f"/topics/{topic}/records/0/0/", "/operations/new/replay/"]
    paths += ["/operations/new/configure/", "/operations/new/reset-offsets/"]
    for path in paths:
        page.goto(path)
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            assert serious_violations(page) == [], (path, scheme)
        for width in (360, 1440):
            page.set_viewport_size({"width": width, "height": 800})
            assert page.evaluate("() => document.documentElement.scrollWidth") <= width, (path, width)

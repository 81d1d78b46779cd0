"""The lab in a browser: click a scenario, watch it, turn a knob, pull a lever, stop. Real processes."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

import streamlab
from streamlab.lab.loads.desired import Loads
from streamlab.metrics.telemetry import read_states
from tests.e2e.browsing import live, serious_violations
from tests.waiting import until

pytestmark = pytest.mark.e2e
PRODUCER = "lab-full-speed-producer-1"


@pytest.fixture(scope="module", autouse=True)
def jobs(stack) -> None:
    """Celery and the lab, beside sampler and web."""
    stack.run(
        "celery",
        "-m",
        "celery",
        "-A",
        "dashboard.config",
        "worker",
        "-P",
        "threads",
        "-c",
        "2",
        "-l",
        "warning",
    )
    stack.run("lab", "-m", "streamlab", "lab", "run")


@pytest.fixture
def loads(stack):
    with streamlab.connect(str(stack.server.url)) as broker:
        yield Loads(broker.connection)


def test_a_scenario_is_started_watched_turned_and_stopped(open_page, loads):
    until(loads.status, 60, "the lab is open")
    page = live(open_page("/lab/"))
    assert serious_violations(page) == []
    page.get_by_role("button", name="Start Poison records").click()
    page.wait_for_url(re.compile("/lab/poison-records/"))
    expect(page.locator("#headline")).to_contain_text("It runs", timeout=60_000)
    dead = page.locator("#figures div", has_text="Died").locator("dd").first
    expect(dead).not_to_have_text(re.compile(r"^\s*[0—]"), timeout=60_000)

    expect(page.locator(".plot .main-svg").first).to_be_visible(timeout=30_000)
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert serious_violations(page) == [], scheme
    for width in (360, 768, 1440):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("() => document.documentElement.scrollWidth") <= width, width

    slider = page.get_by_label("Readers")
    slider.focus()
    slider.evaluate("slider => { slider.value = 1; slider.dispatchEvent(new Event('input')) }")
    expect(page.locator(".knob", has_text="Readers").locator("output")).to_have_text(re.compile(r"^1"))
    page.get_by_role("button", name="Apply").click()
    expect(page.locator("#processes")).not_to_contain_text("reader-2", timeout=60_000)
    changes = loads.require("poison-records")
    assert changes.version == 2
    assert changes.load.consumers.count == 1
    assert changes.load.producers.rate == 60, "sliders that were not moved change nothing"

    lever = page.locator(".levers li", has_text="Mend the handler")
    lever.get_by_role("button", name="Pull").click()
    until(lambda: loads.require("poison-records").load.consumers.failures.permanent_share == 0, 30)

    page.get_by_role("button", name="Stop").click()
    expect(page.locator("#headline")).to_contain_text("It does not run")
    assert loads.all() == {}


def test_a_sweep_over_five_values_is_asked_for_watched_and_drawn(open_page, loads, stack):
    """From the page of the scenario that has no rate, so that throughput has something to say."""
    until(loads.status, 60, "the lab is open")
    page = live(open_page("/lab/full-speed/"))
    page.get_by_role("button", name="Start", exact=True).click()
    sweep = page.get_by_role("link", name="Experiment: batch_size over five values")
    expect(sweep).to_be_visible(timeout=60_000)
    with streamlab.connect(str(stack.server.url)) as broker:
        until(lambda: PRODUCER in {c.client_id for c in read_states(broker.connection).values()}, 60)
        page.goto(f"/lab/experiments/new/?entity=client:{PRODUCER}&setting=linger_ms")
        page.get_by_label("Lever", exact=True).select_option("batch_size")
        page.wait_for_url(re.compile("setting=batch_size"))
        assert page.get_by_label("Values", exact=True).input_value() == "1024, 1, 4096, 16384, 65536", (
            "today's first"
        )
        page.goto("/lab/full-speed/")
        sweep.click()
        assert page.get_by_label("Values", exact=True).input_value() == "1,1024,4096,16384,65536"
        assert page.get_by_label("Topic", exact=True).input_value() == "lab-full-speed"
        for label, value in (("Rounds", "2"), ("Warm-up (s)", "2"), ("Window (s)", "2")):
            page.get_by_label(label, exact=True).fill(value)
        expect(page.locator("#estimate")).to_have_text("40 s")
        assert serious_violations(page) == []

        page.get_by_role("button", name="Preview").click()
        expect(page.locator("#headline")).to_contain_text("It takes 40 s.")
        page.get_by_role("button", name="Experiment: confirm").click()
        page.get_by_role("link", name="Watch it being measured").click(timeout=30_000)
        expect(page.locator("#progress")).to_contain_text(re.compile(r"[1-9] of 10 windows"), timeout=60_000)
        expect(page.locator("#headline .status")).to_have_text("done", timeout=180_000)
        assert broker.configs().get(f"client:{PRODUCER}").values == {}, "it is as it was"

    expect(page.locator(".sweep .spot")).to_have_count(5)
    expect(page.locator(".sweep .label", has_text="(today)")).to_have_text("1024 (today)")
    expect(page.locator(".sweep .faint")).to_have_count(10)
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert serious_violations(page) == [], scheme
    for width in (360, 768, 1440):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("() => document.documentElement.scrollWidth") <= width, width
    page.get_by_role("navigation", name="Value").get_by_role("link", name="65536").click()
    expect(page.get_by_role("heading", name="1 → 65536")).to_be_visible()
    page.goto("/lab/experiments/")
    expect(page.locator("#list tbody tr")).to_have_count(1)
    assert serious_violations(page) == []
    loads.stop("full-speed")


def test_a_scenario_is_told_by_keys_alone(open_page, loads):
    until(loads.status, 60, "the lab is open")
    page = live(open_page("/lab/too-few-partitions/story/"))
    expect(page.locator("#caption")).to_contain_text("Four readers share two partitions")
    page.keyboard.press("Space")
    expect(page.locator("#caption")).to_contain_text("It runs:")
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert serious_violations(page) == [], scheme
    for width in (360, 768, 1440, 3840):
        page.set_viewport_size({"width": width, "height": 1000})
        assert page.evaluate("() => document.documentElement.scrollWidth") <= width, width

    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")  # quicker than the picture follows
    expect(page.locator(".steps .count")).to_have_text("3 / 9")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#caption .words")).to_have_text("Lag rises by about 50 records a second.")
    assert page.url.endswith("?step=4"), "each step is a link"
    expect(page.locator("#caption .sight")).to_contain_text("seen", timeout=120_000)
    expect(page.locator("[data-chart=story-lag] .main-svg").first).to_be_visible(timeout=30_000)

    page.keyboard.press("ArrowRight")
    page.keyboard.press("PageDown")  # as a remote control does
    expect(page.locator("#caption .words")).to_have_text("Six readers")
    page.keyboard.press("Space")
    expect(page.locator("#caption .then")).to_contain_text("now four of them idle")
    assert loads.require("too-few-partitions").load.consumers.count == 6
    page.keyboard.press("ArrowLeft")
    expect(page.locator(".steps .count")).to_have_text("5 / 9")
    page.locator(".steps ol a").last.click()
    page.get_by_role("button", name="Stop the load").click()
    expect(page.locator("#story-says")).to_contain_text("was stopped")
    assert loads.all() == {}

"""The lab in a browser: click a scenario, watch it, turn a knob, pull a lever, stop. Real processes."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

import streamlab
from streamlab.lab.loads.desired import Loads
from tests.e2e.test_pages_in_a_browser import live, serious_violations
from tests.waiting import until

pytestmark = pytest.mark.e2e


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
    dead = page.locator("#figures div", has_text="Dead letters").locator("dd").first
    expect(dead).not_to_have_text(re.compile(r"^\s*[0—]"), timeout=60_000)

    page.reload()
    expect(page.locator(".plot .main-svg").first).to_be_visible(timeout=15_000)
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
    expect(page.locator("#headline")).to_contain_text("It does not run", timeout=30_000)
    assert loads.all() == {}

"""The whole path, in a real browser: records flow, a group stops, its lag rises, it starts again, the lag falls."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.e2e


def lag_of(page: Page) -> int | None:
    """The lag that the group's page shows; None while it is unknown."""
    figure = page.locator("#figures > dl > div", has_text="Lag").first.locator("data")
    return int(float(figure.first.get_attribute("value"))) if figure.count() else None


def wait_for_lag(page: Page, wanted, timeout_s: float = 60) -> int:
    for _ in range(int(timeout_s * 10)):
        lag = lag_of(page)
        if lag is not None and wanted(lag):
            return lag
        page.wait_for_timeout(100)
    raise AssertionError(f"the lag stays at {lag_of(page)}")


def test_the_lag_of_a_stopped_group_rises_and_falls_to_0_without_a_reload(stack, load, open_page):
    flowing = load("orders", per_s=300)
    consumer = stack.start_consumer("orders", "revenue")
    page = open_page("/")
    page.locator("#groups").get_by_role("link", name="revenue").click(timeout=30_000)
    expect(page).to_have_url(re.compile(r"/groups/revenue/$"))
    expect(page.locator("#connection")).to_have_text("Live")
    page.evaluate("() => { window.neverReloaded = true; }")
    wait_for_lag(page, lambda lag: lag < 300)

    stack.stop(consumer)
    expect(page.locator("#figures")).to_contain_text("stopped")
    risen = wait_for_lag(page, lambda lag: lag > 600)
    wait_for_lag(page, lambda lag: lag > risen + 300)
    expect(page.locator("#members")).to_contain_text("No member")

    stack.start_consumer("orders", "revenue")
    wait_for_lag(page, lambda lag: lag < 300)
    flowing.stop()
    assert wait_for_lag(page, lambda lag: lag == 0) == 0
    expect(page.locator("#figures .status")).to_have_text("ok")
    assert page.evaluate("() => window.neverReloaded"), "the page was loaded again"


def test_the_chart_shows_what_was_before_the_page_was_opened(stack, load, open_page):
    page = open_page("/groups/revenue/")
    points = page.evaluate("() => JSON.parse(document.getElementById('chart-data').textContent)[0].y[0]")
    assert max(point for point in points if point is not None) > 600
    drawn = page.locator("[data-chart=lag] .scatterlayer path.js-line")
    expect(
        drawn.nth(1)
    ).to_be_attached()  # the edge of the area, and the line on it; a gap makes more of them


def test_the_page_says_when_its_figures_are_old_and_comes_back_by_itself(stack, load, open_page):
    page = open_page("/")
    expect(page.locator("#connection")).to_have_text("Live")
    stack.stop("sampler")
    expect(page.locator("#connection")).to_contain_text("Stale since")
    stack.start_sampler()
    expect(page.locator("#connection")).to_have_text("Live")


def test_a_web_server_that_restarts_is_found_again(stack, load, open_page):
    page = open_page("/topics/")
    expect(page.locator("#connection")).to_have_text("Live")
    stack.stop("web")
    expect(page.locator("#connection")).to_contain_text("Reconnecting")
    stack.start_web()
    expect(page.locator("#connection")).to_have_text("Live")


def test_where_no_websocket_can_be_had_the_page_polls(stack, load, browser, signed_in):
    context = browser.new_context(base_url=stack.address, storage_state=signed_in)
    context.add_init_script(
        "window.WebSocket = class { constructor() { setTimeout(() => this.onclose({ code: 1006 })); } };"
    )
    page = context.new_page()
    page.goto("/")
    expect(page.locator("#connection")).to_have_text("Live, by polling")
    first = page.locator("#as-of").inner_text()
    expect(page.locator("#as-of")).not_to_have_text(first)
    context.close()


def test_a_hidden_tab_pauses_and_catches_up(stack, open_page):
    page = open_page("/topics/")
    expect(page.locator("#connection")).to_have_text("Live")
    turn = """(hidden) => {
        Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
        document.dispatchEvent(new Event("visibilitychange"));
    }"""
    page.evaluate(turn, True)
    expect(page.locator("#connection")).to_have_text("Paused")
    paused_at = page.locator("#as-of").inner_text()
    page.evaluate(turn, False)
    expect(page.locator("#connection")).to_have_text("Live")
    expect(page.locator("#as-of")).not_to_have_text(paused_at)

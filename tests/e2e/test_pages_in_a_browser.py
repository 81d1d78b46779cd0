"""What only a browser can tell: accessibility, weight, keyboard, narrow screens, and that patching disturbs nobody."""

from __future__ import annotations

from pathlib import Path

import brotli
import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import Load

pytestmark = pytest.mark.e2e

AXE = (Path(__file__).resolve().parents[1] / "vendor/axe/axe.min.js").read_text()
PATHS = ["/", "/topics/", "/topics/orders/", "/groups/", "/groups/revenue/"]
WITH_CHARTS = {"/", "/topics/orders/", "/groups/revenue/"}
MOST_BYTES_WITH_CHARTS, MOST_BYTES_WITHOUT = 560_000, 130_000


@pytest.fixture(scope="module", autouse=True)
def something_to_see(stack, browser, signed_in):
    """A topic with traffic and a group that reads it, on the pages already."""
    flowing = Load(str(stack.server.url), "orders", per_s=100)
    stack.start_consumer("orders", "revenue")
    context = browser.new_context(base_url=stack.address, storage_state=signed_in)
    page = context.new_page()
    page.goto("/")
    expect(page.locator("#groups")).to_contain_text("revenue", timeout=30_000)
    context.close()
    yield
    flowing.stop()


def live(page: Page) -> Page:
    expect(page.locator("#connection")).to_have_text("Live", timeout=20_000)
    return page


def serious_violations(page: Page) -> list[str]:
    page.evaluate(AXE)
    result = page.evaluate("() => axe.run(document, { resultTypes: ['violations'] })")
    return [
        f"{found['id']}: {node['target']} {node['failureSummary']}"
        for found in result["violations"]
        if found["impact"] in ("serious", "critical")
        for node in found["nodes"]
    ]


@pytest.mark.parametrize("path", PATHS)
def test_axe_finds_nothing_serious_in_either_theme(open_page, path):
    page = live(open_page(path))
    if path in WITH_CHARTS:
        expect(page.locator(".plot .main-svg").first).to_be_visible(timeout=15_000)
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert serious_violations(page) == [], scheme


def test_axe_finds_nothing_serious_before_signing_in(browser, stack):
    context = browser.new_context(base_url=stack.address)
    page = context.new_page()
    for path in ("/sign-in/", "/sign-in/spent"):
        page.goto(path)
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            assert serious_violations(page) == [], (path, scheme)
    context.close()


@pytest.mark.parametrize("path", PATHS)
def test_a_first_load_is_light(open_page, path):
    page = open_page("about:blank")
    sizes: dict[str, int] = {}

    def weigh(response) -> None:
        if response.status == 200:
            body = response.body()
            packed = body if response.url.endswith(".woff2") else brotli.compress(body, quality=11)
            sizes[response.url] = len(packed)

    page.on("response", weigh)
    page.goto(path)
    live(page)
    most = MOST_BYTES_WITH_CHARTS if path in WITH_CHARTS else MOST_BYTES_WITHOUT
    assert 20_000 < sum(sizes.values()) <= most, sizes
    assert any("plotly" in url for url in sizes) == (path in WITH_CHARTS)


@pytest.mark.parametrize("path", PATHS)
def test_no_page_is_wider_than_its_screen(open_page, path):
    page = live(open_page(path))
    for width in (360, 768, 1440, 3840):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("() => document.documentElement.scrollWidth") <= width, width


def test_updates_keep_focus_selection_and_open_details(open_page):
    page = live(open_page("/topics/orders/"))
    page.locator("details summary").first.click()
    expect(page.locator("[data-table] table")).to_be_visible()
    link = page.locator("#readers a").first
    link.focus()
    before = page.locator("#as-of").inner_text()
    expect(page.locator("#as-of")).not_to_have_text(before, timeout=10_000)
    expect(link).to_be_focused()
    expect(page.locator("details").first).to_have_attribute("open", "")


def test_the_keyboard_reaches_search_pages_and_help(open_page):
    page = live(open_page("/"))
    page.keyboard.press("g")
    page.keyboard.press("t")
    expect(page.get_by_role("heading", level=1)).to_have_text("Topics")
    live(page)
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.type("zebra")
    expect(page.locator("#list")).to_contain_text("No topic has “zebra”", timeout=10_000)
    expect(page.get_by_role("searchbox")).to_be_focused()
    assert page.url.endswith("?q=zebra")
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()


def test_the_theme_can_be_chosen_and_is_kept_without_a_flash(open_page):
    page = live(open_page("/topics/", color_scheme="light"))
    paper = "() => getComputedStyle(document.documentElement).backgroundColor"
    light = page.evaluate(paper)
    button = page.get_by_role("button", name="Theme")
    button.click()
    button.click()
    expect(button).to_have_text("Theme: dark")
    dark = page.evaluate(paper)
    assert dark != light
    page.reload(wait_until="commit")
    assert page.evaluate(paper) == dark


def test_updates_move_nothing_around(open_page):
    page = live(open_page("/"))
    expect(page.locator(".plot .main-svg").first).to_be_visible(timeout=15_000)
    page.evaluate(
        """() => {
            window.shifted = 0;
            new PerformanceObserver((list) => {
                for (const entry of list.getEntries()) window.shifted += entry.value;
            }).observe({ type: "layout-shift" });
        }"""
    )
    page.wait_for_timeout(5_000)
    assert page.evaluate("() => window.shifted") < 0.02


def test_signing_out_leads_to_the_sign_in_page(browser, stack):
    context = browser.new_context(base_url=stack.address)
    page = context.new_page()
    page.goto(stack.signin_path())
    page.get_by_role("button", name="Sign in").click()
    live(page)
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    page.goto("/groups/")
    assert page.url.endswith("/sign-in/?next=/groups/")
    context.close()

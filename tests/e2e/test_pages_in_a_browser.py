"""What only a browser can tell: keyboard, themes, and that patching disturbs nobody."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.e2e.browsing import live, serious_violations
from tests.e2e.conftest import Load

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module", autouse=True)
def something_to_see(stack, browser, signed_in):
    """A topic with traffic and a group that reads it, on the pages already."""
    flowing = Load(str(stack.server.url), "orders", per_s=100)
    stack.start_consumer("orders", "revenue")
    context = browser.new_context(base_url=stack.address, storage_state=signed_in)
    page = context.new_page()
    page.goto("/")
    expect(page.locator("#groups")).to_contain_text("revenue")
    context.close()
    yield
    flowing.stop()


def test_axe_finds_nothing_serious_before_signing_in(browser, stack):
    context = browser.new_context(base_url=stack.address)
    page = context.new_page()
    for path in ("/sign-in/", "/sign-in/spent"):
        page.goto(path)
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            assert serious_violations(page) == [], (path, scheme)
    context.close()


def test_updates_keep_focus_selection_and_open_details(open_page):
    page = live(open_page("/topics/orders/"))
    page.locator("details summary").first.click()
    expect(page.locator("[data-table] table")).to_be_visible()
    link = page.locator("#readers a").first
    link.focus()
    before = page.locator("#as-of").inner_text()
    expect(page.locator("#as-of")).not_to_have_text(before)
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
    expect(page.locator("#list")).to_contain_text("No topic has “zebra”")
    expect(page.get_by_role("searchbox")).to_be_focused()
    assert page.url.endswith("?q=zebra")
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()


def test_the_palette_finds_a_group_and_what_the_page_offers(open_page):
    page = live(open_page("/topics/orders/"))
    page.keyboard.press("Control+k")
    box = page.get_by_role("combobox")
    expect(box).to_be_focused()
    box.fill("purge")
    expect(page.get_by_role("option").first).to_contain_text("Purge…")
    assert serious_violations(page) == []
    box.fill("reve")
    expect(page.get_by_role("option").first).to_contain_text("revenue")
    page.keyboard.press("Enter")
    page.wait_for_url("**/groups/revenue/")
    page.keyboard.press("Control+k")
    box.fill("something else")
    for key in ("Escape", "g", "t"):  # closed at once, though something is typed
        page.keyboard.press(key)
    page.wait_for_url("**/topics/")


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
    page.wait_for_function("() => document.body")  # nothing is painted before
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

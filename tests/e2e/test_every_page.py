"""Every page, form and error page in a real browser: accessible in both themes, light, no wider than its screen, and
without one complaint of its scripts. A page that is registered and not in the table below fails the first test.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import brotli
import pytest
from playwright.sync_api import Page, expect

from dashboard.operations.registry import KINDS
from dashboard.pages.registry import PAGES, PERSONAL
from tests.e2e.browsing import live, serious_violations
from tests.e2e.busy import Busy, make_busy

pytestmark = pytest.mark.e2e

MOST_BYTES_WITH_CHARTS, MOST_BYTES_WITHOUT = 560_000, 130_000
WIDTHS = (360, 768, 1440, 3840)

ADDRESSES: dict[str, str] = {
    "overview": "/",
    "advisor": "/advisor/",
    "history": "/history/",
    "topics": "/topics/",
    "what-if": "/what-if/",
    "messages": "/topics/orders/messages/",
    "record": "/topics/avro/records/0/0/",
    "topic": "/topics/orders/?keys=1",
    "groups": "/groups/",
    "group": "/groups/revenue/",
    "clients": "/clients/",
    "client": "/clients/{busy.client}/",
    "schemas": "/schemas/",
    "schema": "/schemas/avro-value/",
    "dead-letters": "/dead-letters/",
    "letters": "/dead-letters/letters/?group=revenue&topic=orders",
    "letter": "/dead-letters/orders.revenue.dlq/{busy.letter}/",
    "retries": "/retries/",
    "alerts": "/alerts/",
    "alert": "/alerts/{busy.alert}/",
    "operations": "/operations/",
    "operation": "/operations/{busy.operation}/",
    "audit": "/audit/",
    "lab": "/lab/",
    "experiments": "/lab/experiments/",
    "experiments-compared": "/lab/experiments/compare/?of={busy.experiment}",
    "experiment": "/lab/experiments/{busy.experiment}/",
    "load": "/lab/steady-shop/",
    "story": "/lab/hot-key/story/",
    "tokens": "/tokens/",
    "api-docs": "/api/",
    "people": "/people/",
    "masking": "/masking/",
}
"""Of every page, something to look at."""

MORE = [
    "/schemas/avro-value/check/",
    "/alerts/rules/new/",
    "/alerts/channels/new/webhook/",
    "/alerts/channels/new/e-mail/",
]
MISSING = ["/nothing-here/", "/topics/nothing/", "/?at=2020-01-01T00:00:00"]


@pytest.fixture(scope="module")
def busy(stack) -> Iterator[Busy]:
    made = make_busy(stack)
    yield made
    made.stop()


packed: dict[str, int] = {}
"""Compressed bytes of static files by address: they come many times."""

FETCHED = """() => [...new Set([location.href,
    ...[...document.querySelectorAll("link[rel~=icon]")].map((link) => link.href),
    ...performance.getEntriesByType("resource")
        .filter((entry) => entry.initiatorType !== "fetch").map((entry) => entry.name)])]"""
"""The page, its icon, which no timing names, and all that either asked for; what comes later is no first load."""


def weights(page: Page) -> dict[str, int]:
    """Compressed bytes of all that the page made the browser fetch, by address."""
    return {address: _weight(page, address) for address in page.evaluate(FETCHED)}


def _weight(page: Page, address: str) -> int:
    if address in packed:
        return packed[address]
    answer = page.request.get(address)
    if "/static/" not in address:  # as it is sent, and shrunk by the server itself
        assert answer.headers["content-encoding"] == "gzip", address
        return int(answer.headers["content-length"])
    body = answer.body()  # shrunk when static files are collected, as they are not here
    packed[address] = len(body if address.endswith(".woff2") else brotli.compress(body, quality=9))
    return packed[address]


def looks_right(page: Page) -> None:
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert serious_violations(page) == [], scheme
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("() => document.documentElement.scrollWidth") <= width, width


def test_the_table_below_has_every_page():
    assert set(ADDRESSES) == {page.name for page in PAGES} | {entry.name for entry in PERSONAL}


@pytest.mark.parametrize("name", ADDRESSES)
def test_every_page_is_accessible_light_and_fits(open_page: Callable[..., Page], busy: Busy, name: str):
    page = open_page(ADDRESSES[name].format(busy=busy))
    if page.locator("#connection").count():
        live(page)
    charts = page.locator("[data-chart]").count() > 0
    if charts:
        expect(page.locator(".plot .main-svg").first).to_be_visible(timeout=15_000)
    sizes = weights(page)
    assert 20_000 < sum(sizes.values()) <= (MOST_BYTES_WITH_CHARTS if charts else MOST_BYTES_WITHOUT), sizes
    assert any("plotly" in url for url in sizes) == charts
    looks_right(page)


@pytest.mark.parametrize("name", KINDS)
def test_every_form_of_an_operation_is_accessible_and_fits(open_page, busy: Busy, name: str):
    page = open_page(f"/operations/new/{name}/")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    looks_right(page)


@pytest.mark.parametrize("path", MORE)
def test_other_forms_are_accessible_and_fit(open_page, busy: Busy, path: str):
    page = open_page(path)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    looks_right(page)


def test_error_pages_are_accessible_and_fit(browser, stack, signed_in):
    context = browser.new_context(base_url=stack.address, storage_state=signed_in)
    page = context.new_page()
    for path in MISSING:
        response = page.goto(path)
        assert response is not None and response.status == 404, path
        expect(page.get_by_role("link", name="Overview").first).to_be_visible()
        looks_right(page)
    context.close()


def test_the_figures_of_the_overview_are_painted_at_once(open_page, busy: Busy):
    """Printed, not held to: how fast a machine under test is says nothing of the page."""
    page = open_page("/")
    expect(page.locator("#figures data").first).to_be_visible()
    painted = page.evaluate("() => performance.getEntriesByName('first-contentful-paint')[0].startTime")
    print(f"the overview's figures were painted {painted:.0f} ms after the click")
    assert painted > 0

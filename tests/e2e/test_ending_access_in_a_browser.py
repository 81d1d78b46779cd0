"""Deactivating somebody and revoking a token, by keyboard and on a phone: each asks first on a page of its own."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.test_every_page import looks_right

pytestmark = pytest.mark.e2e

PHONE = {"width": 360, "height": 800}
LONG = "bernadette.lindqvist-oyelaran@warehouse.example"


@pytest.fixture
def people(open_page, stack) -> Page:
    """The page People as a phone shows it, with somebody whose name is long and who has a token."""
    page = open_page("/people/")
    if not page.get_by_role("row", name=LONG).count():
        page.get_by_label("Name", exact=True).fill(LONG)
        page.get_by_role("button", name="Add", exact=True).click()
        expect(page.get_by_role("heading", name="Sign-in link of")).to_be_visible()
        stack.manage("api_token", "create", "--user", LONG, "--scope", "api:read", "--name", "report")
    page.set_viewport_size(PHONE)
    page.goto("/people/")
    return page


def test_a_phone_shows_what_can_be_done_about_somebody_without_scrolling_sideways(people):
    row = people.get_by_role("row", name=LONG)
    for control in (
        row.get_by_role("button", name="New sign-in link"),
        row.get_by_role("link", name="Deactivate"),
    ):
        box = control.bounding_box()
        assert box is not None and box["x"] >= 0 and box["x"] + box["width"] <= PHONE["width"], control
        control.click(trial=True)  # nothing lies over it


def test_deactivating_and_revoking_ask_first_and_are_done_by_keyboard(people):
    people.goto("/tokens/")
    people.get_by_role("link", name="Revoke").first.click()
    expect(people.get_by_role("heading", name="Ends this token")).to_be_visible()
    looks_right(people)
    people.get_by_role("link", name="Back", exact=True).click()
    expect(people.get_by_role("heading", name="API tokens", level=1)).to_be_visible()

    people.goto("/people/")
    people.get_by_role("row", name=LONG).get_by_role("link", name="Deactivate").press("Enter")
    expect(
        people.get_by_role("heading", name=re.compile("^Ends 1 token and 1 sign-in link of"))
    ).to_be_visible()
    looks_right(people)
    people.get_by_role("button", name="Deactivate: confirm").press("Enter")
    expect(people.get_by_role("alert")).to_have_text(
        f"{LONG} is deactivated. Ended 1 token and 1 sign-in link."
    )
    expect(people.get_by_role("row", name=LONG).get_by_role("button", name="Activate")).to_be_visible()

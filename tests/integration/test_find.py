"""The command palette finds what there is, and offers nobody what the server would refuse."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from pytest_django import Settings

from dashboard.access.roles import Role
from dashboard.pages.registry import PAGES
from tests.integration.broker_pictures import busy_snapshot, publish
from tests.people import a_person

pytestmark = pytest.mark.django_db


@pytest.fixture
def somebody(client: Client, redis_url: str, settings: Settings):
    """A client signed in with a role."""
    settings.STREAMLAB_URL = redis_url

    def signed_in(role: Role = Role.VIEWER) -> Client:
        client.force_login(a_person(role))
        return client

    return signed_in


def found(client: Client, wanted: str = "") -> dict[str, tuple[str, str]]:
    response = client.get("/find/", {"q": wanted})
    assert response.status_code == 200
    return {item["label"]: (item["kind"], item["href"]) for item in response.json()["items"]}


def test_what_begins_with_the_words_comes_first(somebody, redis_url):
    publish(redis_url, busy_snapshot())
    names = found(somebody(), "inv")
    assert names["inventory"] == ("group", "/groups/inventory/")
    assert next(iter(names)) == "inventory"
    assert found(somebody(), "orders topic")["orders"] == ("topic", "/topics/orders/")


def test_a_place_in_a_log_leads_to_its_record_and_any_words_to_the_dead_letters(somebody):
    names = found(somebody(), "shop.orders/3@41")
    assert names["shop.orders/3@41"] == ("record", "/topics/shop.orders/records/3/41/")
    [(kind, href)] = [told for label, told in names.items() if label.startswith("Search")]
    assert (kind, href) == ("search", "/dead-letters/letters/?q=shop.orders%2F3%4041")


def test_operations_are_offered_to_those_who_may_run_them(somebody):
    assert "operation" not in {kind for kind, _ in found(somebody(Role.VIEWER)).values()}
    assert found(somebody(Role.OPERATOR), "reset")["Reset offsets…"] == (
        "operation",
        "/operations/new/reset-offsets/",
    )
    assert "People" not in found(somebody(Role.OPERATOR))
    assert "People" in found(somebody(Role.ADMIN))


def test_without_a_broker_it_still_finds_pages(somebody, settings):
    client = somebody()
    settings.STREAMLAB_URL = ""
    assert found(client, "group")["Groups"] == ("page", "/groups/")


def test_no_part_of_a_page_has_the_name_of_something_in_the_frame(somebody, redis_url):
    """An update would replace the frame's instead: parts are found by their id."""
    publish(redis_url, busy_snapshot())
    page = somebody().get("/lab/").content.decode()
    around = page[: page.index('<main id="main"')] + page[page.index("</main>") :]
    frame = set(re.findall(r'\bid="([^"]+)"', around)) - {"summary"}  # stands in the head, as a part
    assert {"connection", "keyboard", "palette", "find"} <= frame
    assert frame.isdisjoint(part for page in PAGES for part in page.parts)

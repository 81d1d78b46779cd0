"""Lists in a URL: search, sort, page."""

from __future__ import annotations

import pytest
from django.http import QueryDict

from dashboard.pages.page import Address
from dashboard.pages.table import PAGE_SIZE, Column, listing

COLUMNS = (
    Column("name", "Name", lambda row: row[0], numeric=False),
    Column("size", "Size", lambda row: row[1]),
)
ROWS = [("pear", 3), ("apple", None), ("plum", 9), ("fig", 0)]


def view(query: str = "", rows=ROWS):
    address = Address("/things/", {}, QueryDict(query))
    return listing(rows, address, COLUMNS, text=lambda row: row[0], default_sort="name")


def names(found):
    return [row[0] for row in found.rows]


def test_the_default_order_holds_without_a_query():
    assert names(view()) == ["apple", "fig", "pear", "plum"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [("sort=size", ["fig", "pear", "plum", "apple"]), ("sort=-size", ["plum", "pear", "fig", "apple"])],
)
def test_what_is_unknown_sorts_last_either_way(query, expected):
    assert names(view(query)) == expected


def test_search_looks_at_the_name_whatever_the_case():
    assert names(view("q=P")) == ["apple", "pear", "plum"]


@pytest.mark.parametrize(
    "query", ["sort=nonsense", "page=-1", "page=999", "page=١", "sort=__class__", "page=1e9"]
)
def test_a_query_that_makes_no_sense_shows_the_nearest_thing(query):
    assert names(view(query)) == ["apple", "fig", "pear", "plum"]


def test_a_heading_links_to_its_order_and_back_to_page_one():
    [by_name, by_size] = view("q=p&page=3&sort=name").headings
    assert (by_name.sorted, by_name.href) == ("ascending", "/things/?q=p&sort=-name")
    assert (by_size.sorted, by_size.href) == ("none", "/things/?q=p&sort=-size")


def test_paging_cuts_and_keeps_the_rest_of_the_view():
    many = [(f"n{i:03}", i) for i in range(PAGE_SIZE + 20)]
    first, second = view("q=n", many), view("q=n&page=2", many)
    assert (len(first.rows), first.previous_href, first.next_href) == (PAGE_SIZE, "", "/things/?q=n&page=2")
    assert (len(second.rows), second.first, second.last) == (20, PAGE_SIZE + 1, PAGE_SIZE + 20)
    assert second.previous_href == "/things/?q=n&page=1"

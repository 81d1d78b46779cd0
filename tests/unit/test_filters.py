"""What each condition matches."""

from __future__ import annotations

import pytest

from streamlab import filters
from streamlab.errors import IllegalArgumentError
from streamlab.model import ConsumerRecord


def a_record(value: bytes | None = b"{}", key: bytes | None = None, headers=None) -> ConsumerRecord:
    return ConsumerRecord("orders", 0, 0, 0, key, value, headers)


ORDER = (
    b'{"Country": "France", "Quantity": -6, "items": [{"qty": 1}, {"qty": 200}], "paid": true, "note": null}'
)


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("$.Country = France", True),
        ("$.Country == 'France'", True),
        ("$.Country != France", False),
        ("$.Country ~ fra", True),
        ("$.Quantity < 0", True),
        ("$.Quantity >= 0", False),
        ("$.Quantity = -6.0", True),
        ("$.Quantity = six", False),
        ("$.Quantity != six", True),
        ("$.items[*].qty > 100", True),
        ("$.items[?@.qty > 100]", True),
        ("$.items[?@.qty > 1000]", False),
        ("$.paid = true", True),
        ("$.note", True),
        ("$.note = null", True),
        ("$.missing", False),
        ("$.missing != x", False),
        ("$.items = x", False),
        ("$['Country'] = France", True),
    ],
)
def test_a_condition_on_a_path(condition, expected):
    assert filters.by_path(condition)(a_record(ORDER)) is expected


@pytest.mark.parametrize("value", [None, b"", b"no json", b"\xff\xfe", b"[" * 10_000 + b"]" * 10_000])
def test_what_is_no_json_does_not_match_and_harms_nothing(value):
    assert filters.by_path("$..a")(a_record(value)) is False


@pytest.mark.parametrize(
    "condition",
    [
        "Country = France",
        "$.[",
        "$[?@.a",
        "",
        "$" + "[0]" * 1000,
        "$[?search(@.a, '(a+)+$')]",
        "$[?match(@.a, 'x')]",
    ],
)
def test_what_is_no_condition_is_refused_with_a_reason(condition):
    with pytest.raises(IllegalArgumentError):
        filters.by_path(condition)


def test_text_is_found_in_key_value_and_headers_in_any_case():
    record = a_record(b'{"a": "Lamp"}', b"K1", [("Source", b"Web")])
    assert [filters.by_text(t)(record) for t in ("lamp", "k1", "WEB", "source", "nothing")] == [True] * 4 + [
        False
    ]


def test_a_key_is_text_or_hexadecimal():
    assert filters.by_key("0xff00")(a_record(key=b"\xff\x00"))
    assert not filters.by_key("K")(a_record(key=b"K1"))
    assert not filters.by_key("K")(a_record(key=None))
    with pytest.raises(IllegalArgumentError):
        filters.by_key("0xf")


def test_a_header_is_found_by_name_and_value():
    record = a_record(headers=[("a", b"1"), ("a", b"2"), ("b", None)])
    assert filters.by_header("b")(record)
    assert filters.by_header("a", "2")(record)
    assert not filters.by_header("a", "3")(record)


def test_every_condition_must_hold():
    both = filters.all_of([filters.by_key("k"), filters.by_path("$.Country = France")])
    assert both(a_record(ORDER, b"k"))
    assert not both(a_record(ORDER, b"j"))
    assert filters.all_of([])(a_record())

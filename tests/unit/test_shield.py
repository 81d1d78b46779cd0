"""Masking: what a rule names never comes out, whatever the record looks like; what no rule names stays as it is."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dashboard.masking.shield import EventShield, Rule, Shield, holds_for, problem_with
from streamlab.delivery import letter_headers
from streamlab.delivery.dead_letter_topics import dlq_topic
from streamlab.model import ConsumerRecord

SECRET = "s3cret-7f1e"
NAMES = st.sampled_from(["email", "EMAIL", "name", "items", "é", "a.b", ""])
LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)


def _with_secrets(children: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Objects, lists, and JSON within a text; under the name that is hidden stands the secret, in whatever shape."""
    secret = st.sampled_from([SECRET, [SECRET], {"deep": [{SECRET: 1}]}, f'{{"x": "{SECRET}"}}'])
    fields = st.dictionaries(NAMES, children, max_size=4)
    hidden = st.tuples(fields, secret, st.sampled_from(["email", "Email"])).map(
        lambda t: {**t[0], t[2]: t[1]}
    )
    plain = fields.map(lambda found: {n: v for n, v in found.items() if n.casefold() != "email"})
    nested = plain | hidden | st.lists(children, max_size=3)
    return nested | nested.map(json.dumps)


DOCUMENTS = _with_secrets(st.recursive(LEAVES, _with_secrets, max_leaves=8)).filter(
    lambda found: not isinstance(found, str)
)


@settings(max_examples=300)
@given(DOCUMENTS, st.booleans())
def test_what_stands_under_a_hidden_name_never_comes_out(document, indented):
    text = json.dumps(document, indent=2 if indented else None, ensure_ascii=not indented).encode()
    headers = [("email", SECRET.encode()), ("ce_Email", SECRET.encode()), ("body", text), ("kept", b"yes")]
    record = ConsumerRecord("orders", 0, 7, 1, text, text, headers)
    shown = Shield([Rule("orders", "email")]).record(record)
    assert SECRET not in f"{shown.key!r} {shown.value!r} {shown.headers!r}"
    assert (shown.offset, dict(shown.headers)["kept"]) == (7, b"yes")


@settings(max_examples=200)
@given(st.binary(max_size=60), st.binary(max_size=60))
def test_a_value_that_cannot_be_judged_is_hidden_whole(before, after):
    for value in (before + SECRET.encode() + after, b"{" + before + SECRET.encode() + after):
        assert SECRET.encode() not in (Shield([Rule("*", "email")]).value(value) or b"")


@pytest.mark.parametrize(
    ("says", "value"),
    [
        ("text", b"s3cret-7f1e"),
        ("a bare JSON string", b'"s3cret-7f1e"'),
        ("nested too deeply", b"[" * 100_000 + b'"s3cret-7f1e"' + b"]" * 100_000),
        ("invalid UTF-8", b'{"email": "s3cret-7f1e", "x": "\xff"}'),
        ("a name that stands twice", b'{"email": "s3cret-7f1e", "email": 1}'),
        ("hidden below a name that stands twice", b'{"a": {"email": "s3cret-7f1e"}, "a": 1}'),
        ("an escaped name", b'{"\\u0065mail": "s3cret-7f1e"}'),
        (
            "JSON in a text in a text",
            json.dumps({"a": json.dumps({"b": json.dumps({"email": SECRET})})}).encode(),
        ),
        ("a text that only begins like JSON", b'{"a": "{email: s3cret-7f1e"}'),
        ("after a schema's frame", b'\x00\x00\x00\x00\x07{"email": "s3cret-7f1e"}'),
    ],
)
def test_no_way_of_writing_it_gets_past_a_rule(says, value):
    shown = Shield([Rule("orders", "email")]).value(value)
    assert b"s3cret" not in shown, says


@pytest.mark.parametrize(
    ("field", "value", "shown"),
    [
        ("email", {"email": "x", "n": 1}, {"email": "▒▒▒▒", "n": 1}),
        ("email", {"email": None}, {"email": None}),
        ("email", [{"email": 5}], [{"email": "▒▒▒▒"}]),
        (
            "$.customer.email",
            {"customer": {"email": "x"}, "email": "y"},
            {"customer": {"email": "▒▒▒▒"}, "email": "y"},
        ),
        ("$.items[*].price", {"items": [{"price": 1}, {"price": 2}]}, {"items": [{"price": "▒▒▒▒"}] * 2}),
        ("$.nothing", {"a": 1}, {"a": 1}),
    ],
)
def test_only_what_is_named_is_hidden(field, value, shown):
    assert json.loads(Shield([Rule("*", field)]).value(json.dumps(value).encode())) == shown


def test_rules_that_meet_in_one_place_hide_it_together():
    shield = Shield([Rule("*", "customer"), Rule("*", "$.customer.email"), Rule("*", "$..email")])
    shown = json.loads(shield.value(b'{"customer": {"email": "x"}, "email": "y"}'))
    assert shown == {"customer": "▒▒▒▒", "email": "▒▒▒▒"}


def test_key_and_value_may_be_hidden_whole():
    shield = Shield([Rule("*", "@key"), Rule("*", "@value")])
    assert SECRET.encode() not in shield.key(SECRET.encode()) + shield.value(SECRET.encode())
    assert shield.key(None) is None and shield.value(None) is None


def test_without_a_rule_every_byte_stays():
    record = ConsumerRecord("orders", 0, 0, 0, b"\xff", b'{"a":1, "a":2}', [("h", None)])
    assert Shield([]).record(record) is record


def test_headers_of_a_dead_letter_that_quote_the_record_are_hidden():
    told = [
        header.name
        for header in letter_headers.TABLE
        if header.name != letter_headers.FINGERPRINT and ("essage" in header.holds or "trace" in header.holds)
    ]
    assert len(told) >= 6
    shown = Shield([Rule("orders", "email")]).headers(
        [(name, SECRET.encode()) for name in [*told, "sl-attempts"]]
    )
    assert SECRET not in str(shown)


def test_the_history_hides_what_was_said_of_records_of_such_topics_alone():
    shield = EventShield([Rule("orders", "email")])
    of_orders, of_clicks = (
        json.dumps({"topic": t, "message": SECRET, "key": "a2V5", "group": "g"}).encode()
        for t in ("orders", "clicks")
    )
    assert json.loads(shield.value(of_orders)) == {
        "topic": "orders",
        "message": "▒▒▒▒",
        "key": "▒▒▒▒",
        "group": "g",
    }
    assert SECRET.encode() in shield.value(of_clicks)


@pytest.mark.parametrize("field", ["", "$", "$.[", "a b", "@everything", "a" * 300, "x[0]"])
def test_what_no_rule_can_hide_is_refused(field):
    assert problem_with(field)


@pytest.mark.parametrize("length", [1, 100, 200, 234, 235, 236, 237, 248, 249])
@pytest.mark.parametrize("group", ["revenue", "g" * 240, "Umsatz: täglich"])
def test_a_rule_holds_for_the_dead_letters_of_a_topic_however_their_name_was_cut(length, group):
    topic = "orders-".rjust(length, "x")[:length]
    assert holds_for(topic, dlq_topic(topic, group))
    assert not holds_for(f"y{topic}"[:249], dlq_topic(topic, group))

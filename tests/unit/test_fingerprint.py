"""Like failures share a fingerprint, unlike ones do not."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamlab.delivery.fingerprint import (
    call_site,
    call_site_of,
    failure_of,
    fingerprint,
    message_of,
    normalised,
    root_cause,
    traceback_of,
)

SAME = [
    ("an order's number", "no stock for order 536365", "no stock for order 7"),
    ("an invoice's number with its letter", "C536379 is cancelled", "C100000 is cancelled"),
    ("a fraction and an exponent", "waited 3.5 s", "waited 1e-07 s"),
    ("a sign", "balance is -5", "balance is 12"),
    ("thousands", "1,234,567 rows", "3 rows"),
    (
        "a uuid",
        "no user 550e8400-e29b-41d4-a716-446655440000",
        "no user 67e55044-10b1-426f-9247-bb680e5fe0c8",
    ),
    ("an address in memory", "<Order object at 0x7f1c2a>", "<Order object at 0xdeadbeef>"),
    ("a digest", "digest 9f86d081884c7d65 differs", "digest 2c26b46b68ffc68f differs"),
    ("an e-mail address", "cannot write to ann@example.org", "cannot write to bo.b+x@mail.example.com"),
    ("a moment", "too late: 2010-12-01T08:26:00Z", "too late: 2026-01-31 23:59:59.123+02:00"),
    ("a day as people write it", "on 1/12/2010 8:26", "on 31.01.2011 17:05:10"),
    ("a quoted name", "no such column: 'total'", "no such column: 'it\\'s'"),
    ("a name in double quotes", 'cannot open "a.csv"', 'cannot open "/tmp/b c.csv"'),
    ("how many items a list has", "bad ids [1, 2, 3]", "bad ids [4]"),
    ("line breaks and indents", "bad\n    row 7", "bad row 8"),
    ("an address of a host", "connect to 10.0.0.1:6379 failed", "connect to 192.168.17.254:16379 failed"),
]
DIFFERENT = [
    ("another word", "no stock for order 5", "no price for order 5"),
    ("an apostrophe quotes nothing", "can't read the file", "can't write the file"),
    ("a word of hex letters is a word", "the facade decade", "the decade facade"),
]


@pytest.mark.parametrize(("what", "one", "other"), SAME, ids=[row[0] for row in SAME])
def test_a_message_is_the_same_but_for(what, one, other):
    assert normalised(one) == normalised(other)


@pytest.mark.parametrize(("what", "one", "other"), DIFFERENT, ids=[row[0] for row in DIFFERENT])
def test_a_message_differs_by(what, one, other):
    assert normalised(one) != normalised(other)


@given(st.text(max_size=300))
def test_what_was_normalised_stays_as_it_is(text):
    once = normalised(text)
    assert normalised(once) == once


@pytest.mark.parametrize(
    "text", ["'" * 5000, "a" * 5000, "1-" * 5000, "a@a." * 3000, "'\\" * 5000, "1:" * 5000]
)
def test_no_message_takes_long(text):
    script = f"from streamlab.delivery.fingerprint import normalised; normalised({text!r})"
    subprocess.run([sys.executable, "-c", script], check=True, timeout=30)


def test_the_parts_of_a_fingerprint_do_not_run_into_each_other():
    assert fingerprint("ab", "c", "") != fingerprint("a", "bc", "")


def test_a_fingerprint_never_changes_between_versions():
    assert fingerprint("KeyError", "shop/orders.py:book", "no stock for order 17841") == "360cca461d8a4d37"


def raised(what: BaseException) -> BaseException:
    try:
        raise what
    except BaseException as error:
        return error


def parsed() -> BaseException:
    import json

    try:
        json.loads("{")
    except ValueError as error:
        return error
    raise AssertionError


def test_the_call_site_is_where_the_users_code_was_left_not_where_the_library_failed():
    assert failure_of(parsed()).call_site == "tests/unit/test_fingerprint.py:parsed"


def test_the_call_site_is_that_of_the_exception_not_of_its_cause():
    try:
        try:
            parsed_inside()
        except ValueError as cause:
            raise KeyError("x") from cause
    except KeyError as error:
        assert call_site(traceback_of(error)).endswith(
            ":test_the_call_site_is_that_of_the_exception_not_of_its_cause"
        )
        assert isinstance(root_cause(error), ValueError)


def parsed_inside() -> None:
    raise ValueError


def test_an_exception_that_was_never_raised_has_no_call_site():
    assert failure_of(ValueError("x")).call_site == ""


@pytest.mark.parametrize("error", [parsed(), raised(ValueError()), ValueError()])
def test_the_call_site_of_an_exception_is_that_of_its_printed_traceback(error):
    assert call_site_of(error) == call_site(traceback_of(error))


def test_an_exception_without_a_cause_has_no_root():
    assert root_cause(raised(ValueError())) is None


def test_two_failures_at_one_line_are_one_problem_and_at_two_lines_too():
    assert (
        failure_of(raised(ValueError("row 1"))).fingerprint
        == failure_of(raised(ValueError("row 2"))).fingerprint
    )


def test_an_exception_whose_text_cannot_be_made_is_described_all_the_same():
    class Broken(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no")

    failure = failure_of(raised(Broken()))
    assert "Broken" in failure.message
    assert failure.call_site.endswith(":raised")


def test_a_message_with_half_a_character_can_be_stored():
    message_of(ValueError("\ud800")).encode()
    assert fingerprint("E", None, "\ud800")


def test_a_very_long_traceback_keeps_its_beginning_and_its_end():
    trace = traceback_of(raised(ValueError("x" * 100_000 + "end")))
    assert trace.startswith("Traceback")
    assert trace.rstrip().endswith("end")
    assert len(trace) < 40_000

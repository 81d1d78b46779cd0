"""The parts of a worker that need no server."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamlab.clock import SYSTEM_CLOCK
from streamlab.delivery.dead_letter import Cause
from streamlab.delivery.steps import Steps
from streamlab.delivery.tally import Latencies
from streamlab.delivery.verdicts import Permanent, Release
from streamlab.delivery.watermark import Watermark
from streamlab.errors import IllegalArgumentError, KafkaConnectionError
from streamlab.model import ConsumerRecord


@given(st.permutations(range(12)), st.integers(0, 12), st.integers(1, 5))
def test_a_watermark_stands_at_the_first_record_that_is_not_done(order, count, step):
    mark = Watermark()
    offsets = [100 + step * n for n in range(12)]
    for offset in offsets:
        mark.seen(offset)
    for number in order[:count]:
        mark.done(offsets[number])
    left = [offsets[number] for number in range(12) if number not in order[:count]]
    assert mark.position == (left[0] if left else offsets[-1] + 1)
    assert mark.outstanding == len(left)


def test_a_watermark_that_saw_nothing_has_no_position():
    assert Watermark().position is None


@given(st.lists(st.floats(1e-5, 100), min_size=1, max_size=200), st.sampled_from([50, 95, 99]))
def test_percentiles_are_right_to_within_five_percent(seconds, percent):
    latencies = Latencies()
    for value in seconds:
        latencies.add(value)
    exact_ms = sorted(seconds)[max(0, -(-len(seconds) * percent // 100) - 1)] * 1000
    assert latencies.percentile_ms(percent) == pytest.approx(exact_ms, rel=0.05)


def record(value: bytes = b"7", headers=None) -> ConsumerRecord:
    return ConsumerRecord("orders", 3, 41, 1_000, b"k", value, headers)


class Jobs:
    """Just enough of a job for the steps."""

    def __init__(self, record):
        self.record = record


def outcome(handler, value=b"7", *, headers=None, value_deserializer=None, validate=None):
    steps = Steps(handler, None, value_deserializer, validate, None, SYSTEM_CLOCK)
    return steps.run(Jobs(record(value, headers)))


def test_a_record_walks_through_decode_validate_and_handle():
    seen = []
    assert (
        outcome(lambda r: seen.append(r.value), value_deserializer=int, validate=lambda r: seen.append("ok"))
        is None
    )
    assert seen == ["ok", 7]


def test_bytes_that_cannot_be_decoded_never_reach_the_handler():
    failure = outcome(lambda r: pytest.fail("handled"), b"seven", value_deserializer=int)
    assert (failure.cause, type(failure.error)) == (Cause.DESERIALIZATION, ValueError)


def test_a_registry_that_is_away_is_no_fault_of_the_record():
    def decode(data):
        raise KafkaConnectionError("away")

    assert outcome(lambda r: None, value_deserializer=decode).cause is None


def test_a_deserializer_may_say_that_it_is_the_schema():
    class SchemaError(ValueError):
        dead_letter_cause = "schema"

    def decode(data):
        raise SchemaError("no price")

    assert outcome(lambda r: None, value_deserializer=decode).cause is Cause.SCHEMA


def test_a_record_that_is_not_valid_breaks_its_schema():
    def strict(record):
        raise ValueError("price <= 0")

    assert outcome(lambda r: pytest.fail("handled"), validate=strict).cause is Cause.SCHEMA


def test_what_a_handler_raises_is_its_failure():
    def handle(record):
        raise KeyError("stock")

    failure = outcome(handle)
    assert (failure.cause, type(failure.error)) == (None, KeyError)


def test_a_verdict_counts_also_when_it_is_returned():
    assert isinstance(outcome(lambda r: Permanent("no")).error, Permanent)
    assert isinstance(outcome(lambda r: Release()).error, Release)


def test_any_other_answer_of_a_handler_means_nothing():
    assert outcome(lambda r: ValueError("returned, not raised")) is None


def test_a_handler_that_exits_ends_its_attempt_only():
    def handle(record):
        raise SystemExit(1)

    assert isinstance(outcome(handle).error, SystemExit)


@pytest.mark.parametrize("wrong", [None, "orders", lambda: None, lambda a, b, c: None])
def test_what_cannot_be_called_with_a_record_is_no_handler(wrong):
    with pytest.raises(IllegalArgumentError):
        outcome(wrong)


async def later(record):
    """A coroutine function, which nobody would await."""


def test_a_coroutine_function_is_refused_with_a_word_about_it():
    with pytest.raises(IllegalArgumentError, match=r"asyncio\.run"):
        outcome(later)


def test_methods_and_callable_objects_are_handlers():
    class Book:
        def __init__(self):
            self.seen = []

        def __call__(self, record):
            self.seen.append(record.offset)

        def handle(self, record, context):
            self.seen.append(context.record.offset)

    book = Book()
    assert outcome(book) is None and outcome(book.handle) is None
    assert book.seen == [41, 41]

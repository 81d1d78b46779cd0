"""The format of a dead letter: what other tools read in it, what is read of theirs, and what no hop overwrites."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamlab.delivery.dead_letter import Cause, dead_letter_of, headers_of, letter_for, origin_of
from streamlab.delivery.letter_headers import LETTER_NAMES
from streamlab.model import ConsumerRecord, Headers
from tests.dead_letter_builders import DIED_MS, a_letter, a_record, an_error


def stored(headers: Headers, topic: str = "orders.revenue.dlq", offset: int = 0) -> ConsumerRecord:
    return a_record(topic=topic, offset=offset, _headers=headers)


names = st.one_of(st.text(max_size=8), st.sampled_from(sorted(LETTER_NAMES)))


@given(st.lists(st.tuples(names, st.none() | st.binary(max_size=12)), max_size=8))
def test_a_letter_is_read_as_it_was_written_whatever_headers_its_record_had(headers: Headers) -> None:
    record = a_record(_headers=headers or None)
    letter = letter_for(record, group="revenue", cause=Cause.SCHEMA, died_ms=DIED_MS, error=an_error())
    assert dead_letter_of(stored(headers_of(letter))) == letter


@given(st.lists(st.tuples(names, st.none() | st.binary(max_size=12)), max_size=12))
def test_whatever_strangers_write_into_headers_can_be_read(headers: Headers) -> None:
    assert dead_letter_of(stored(headers)).value == a_record().value
    assert origin_of(stored(headers)).record_id


def test_spring_reads_its_names_and_its_binary_numbers() -> None:
    told = dict(headers_of(a_letter()))
    assert told["kafka_dlt-original-topic"] == b"orders"
    assert told["kafka_dlt-original-partition"] == b"\0\0\0\3"
    assert told["kafka_dlt-original-offset"] == b"\0\0\0\0\0\0\0\x29"
    assert told["kafka_dlt-original-timestamp"] == (DIED_MS - 5_000).to_bytes(8, "big")
    assert told["kafka_dlt-original-timestamp-type"] == b"CreateTime"
    assert told["kafka_dlt-original-consumer-group"] == b"revenue"
    assert told["kafka_dlt-exception-fqcn"] == b"tests.dead_letter_builders.OutOfStock"
    assert (told["kafka_dlt-exception-stacktrace"] or b"").startswith(b"Traceback")


def test_connect_streams_and_share_groups_read_text() -> None:
    told = dict(headers_of(a_letter()))
    for family in ("__connect.errors", "__streams.errors", "__dlq.errors"):
        place = [told[f"{family}.{part}"] for part in ("topic", "partition", "offset")]
        assert place == [b"orders", b"3", b"41"]
    assert told["__connect.errors.stage"] == b"TASK_PUT"
    assert (
        told["__streams.errors.exception"]
        == b"tests.dead_letter_builders.OutOfStock: no stock for order 536365"
    )
    assert told["__dlq.errors.delivery.count"] == b"2"
    assert told["__dlq.errors.message"] == b"Offset delivery count exceeded the threshold."


def test_a_letter_of_spring_is_read() -> None:
    headers: Headers = [
        ("own", b"1"),
        ("kafka_dlt-original-topic", b"payments"),
        ("kafka_dlt-original-partition", b"\0\0\0\2"),
        ("kafka_dlt-original-offset", b"\0\0\0\0\0\0\0\7"),
        ("kafka_dlt-original-consumer-group", b"billing"),
        ("kafka_dlt-exception-fqcn", b"java.lang.IllegalStateException"),
        ("kafka_dlt-exception-message", b"closed"),
    ]
    letter = dead_letter_of(stored(headers))
    assert (letter.topic, letter.partition, letter.offset, letter.group) == ("payments", 2, 7, "billing")
    assert (letter.error_class, letter.error_message) == ("java.lang.IllegalStateException", "closed")
    assert letter.headers == [("own", b"1")] and letter.record_id == "payments/2@7" and letter.fingerprint


def test_a_letter_of_a_share_group_is_read() -> None:
    headers: Headers = [
        ("__dlq.errors.topic", b"payments"),
        ("__dlq.errors.partition", b"2"),
        ("__dlq.errors.offset", b"7"),
        ("__dlq.errors.group", b"billing"),
        ("__dlq.errors.message", b"Offset delivery count exceeded the threshold."),
    ]
    letter = dead_letter_of(stored(headers))
    assert (letter.topic, letter.partition, letter.offset) == ("payments", 2, 7)
    assert (letter.group, letter.cause) == ("billing", Cause.EXHAUSTED)


def test_a_dead_letter_that_dies_itself_still_says_where_it_was_produced() -> None:
    first = stored(headers_of(a_letter()), "orders.revenue.dlq", offset=5)
    second = a_letter(first, group="repair")
    assert (second.topic, second.partition, second.offset, second.record_id) == ("orders", 3, 41, "536365-1")
    assert (second.read_topic, second.read_offset) == ("orders.revenue.dlq", 5)
    assert dead_letter_of(stored(headers_of(second))) == second


def test_a_record_that_only_claims_to_be_replayed_is_taken_for_what_it_is() -> None:
    record = a_record(
        _headers=[("sl-replays", b"9"), ("sl-dead-letter", b"a.b.dlq/0@1"), ("sl-record-id", b"x")]
    )
    origin = origin_of(record)
    assert (origin.topic, origin.offset, origin.replays, origin.letter) == ("orders", 41, 0, None)
    assert origin.record_id == "orders/3@41"


def test_an_exception_whose_text_cannot_be_made_still_makes_a_letter() -> None:
    class Broken(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no text")

    letter = a_letter(error=Broken())
    assert letter.error_class.endswith("Broken") and letter.error_message
    assert dead_letter_of(stored(headers_of(letter))) == letter


@pytest.mark.parametrize("cause", list(Cause))
def test_every_cause_survives(cause: Cause) -> None:
    letter = msgspec.structs.replace(a_letter(), cause=cause)
    assert dead_letter_of(stored(headers_of(letter))).cause is cause

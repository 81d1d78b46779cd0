"""A setting is right, or its error says what would be."""

from __future__ import annotations

import pytest

from streamlab.config import CONSUMER, PRODUCER, resolved, topic_configs
from streamlab.errors import InvalidConfigurationError, KafkaConfigurationError


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"linger": 5}, "Did you mean 'linger_ms'"),
        ({"batch_size": "big"}, "must be a number of bytes"),
        ({"linger_ms": -1}, "must be between 0 and 2147483647 ms"),
        ({"acks": 2}, "must be one of 0, 1, -1, 'all'"),
        ({"compression_type": "brotli"}, "must be one of 'none', 'gzip', 'lz4', 'zstd'"),
        ({"enable_idempotence": 1}, "must be True or False"),
        ({"max_in_flight_requests_per_connection": 6}, "must be between 1 and 5"),
    ],
)
def test_a_wrong_producer_setting_says_what_would_be_right(given, says):
    with pytest.raises(KafkaConfigurationError, match=says):
        resolved(given, PRODUCER)


def test_defaults_are_kafkas():
    consumer = resolved({}, CONSUMER)
    assert (consumer["max_poll_records"], consumer["fetch_max_wait_ms"], consumer["session_timeout_ms"]) == (
        500,
        500,
        45_000,
    )
    producer = resolved({}, PRODUCER)
    assert (producer["batch_size"], producer["linger_ms"], producer["buffer_memory"]) == (
        16_384,
        5,
        33_554_432,
    )


def test_settings_of_kafka_python_without_a_meaning_here_are_accepted():
    assert "bootstrap_servers" not in resolved({"bootstrap_servers": "ignored:9092"}, PRODUCER)


def test_topic_settings_come_as_text_too():
    assert topic_configs({"retention.ms": "-1", "retention.bytes": 1000}) == {
        "retention.ms": -1,
        "retention.bytes": 1000,
    }


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"retention.m": 1}, "Did you mean 'retention.ms'"),
        ({"retention.ms": "soon"}, "whole number"),
        ({"retention.bytes": -2}, "between -1"),
    ],
)
def test_a_wrong_topic_setting_says_what_would_be_right(given, says):
    with pytest.raises(InvalidConfigurationError, match=says):
        topic_configs(given)

"""What a topic's settings do to records: how large, whose time, with a key; and who may create a topic."""

from __future__ import annotations

import pytest

from streamlab import keys
from streamlab.errors import InvalidRecordError, MessageSizeTooLargeError, UnknownTopicOrPartitionError
from streamlab.model import CREATE_TIME, LOG_APPEND_TIME
from tests.builders import a_topic, read
from tests.waiting import until

LONG_AGO_MS = 1_000_000_000_000


def set_for_the_server(broker, **configs):
    named = {name.replace("_", "."): str(value).lower() for name, value in configs.items()}
    broker.connection.client.hset(keys.config_of("broker"), mapping=named)


def test_a_record_larger_than_the_topic_allows_is_refused_with_the_numbers(broker):
    topic = a_topic(broker, max_message_bytes=1000)
    with broker.producer() as producer:
        with pytest.raises(MessageSizeTooLargeError, match=r"1208 bytes.*max.message.bytes of .* is 1000"):
            producer.send(topic, b"x" * 1200)
        assert producer.send(topic, b"x" * 900).get(30).offset == 0


def test_a_record_that_fits_only_when_compressed_is_taken(broker):
    topic = a_topic(broker, max_message_bytes=1000)
    with broker.producer(compression_type="gzip") as producer:
        assert producer.send(topic, b"x" * 5000).get(30).offset == 0


def test_a_record_that_does_not_fit_even_compressed_fails_its_future(broker):
    topic = a_topic(broker, max_message_bytes=1000)
    noise = bytes((n * n * 31 + n // 7) % 251 for n in range(50_000))
    with broker.producer(compression_type="gzip") as producer:
        with pytest.raises(MessageSizeTooLargeError, match="batch of 1 records takes"):
            producer.send(topic, noise).get(30)
        assert producer.send(topic, b"small").get(30).offset == 0


def test_batches_stay_below_the_limit_of_a_topic_that_allows_little(broker):
    topic = a_topic(broker, max_message_bytes=600)
    with broker.producer(linger_ms=50) as producer:
        futures = [
            producer.send(topic, b"", key=b"k", headers=[("h", b"")], timestamp_ms=n * 100_000_000)
            for n in range(500)
        ]
        offsets = [future.get(30).offset for future in futures]
    assert offsets == list(range(500))
    stored = broker.connection.client.xrange(keys.log(topic, 0))
    assert len(stored) > 10 and max(len(fields[b"b"]) for _, fields in stored) <= 600


def test_a_running_producer_follows_the_topics_limit(broker):
    topic = a_topic(broker)
    with broker.producer(metadata_max_age_ms=100) as producer:
        producer.send(topic, b"x" * 2000).get(30)
        broker.admin().configure_topic(topic, {"max.message.bytes": 1000})

        def refused():
            try:
                producer.send(topic, b"x" * 2000).get(30)
            except MessageSizeTooLargeError:
                return True
            return False

        until(refused, 60, "the producer has learned the new limit")


def test_a_compacted_topic_refuses_records_without_a_key(broker):
    topic = a_topic(broker, cleanup_policy="compact")
    with broker.producer() as producer:
        with pytest.raises(InvalidRecordError, match="needs a key"):
            producer.send(topic, b"value")
        with pytest.raises(InvalidRecordError):
            producer.send(topic, b"value", partition=0)
        assert producer.send(topic, b"value", key=b"").get(30).offset == 0


def test_records_carry_the_producers_time_unless_the_topic_says_otherwise(broker):
    topic = a_topic(broker)
    with broker.producer() as producer:
        assert producer.send(topic, b"v", timestamp_ms=LONG_AGO_MS).get(30).timestamp == LONG_AGO_MS
    consumer = broker.consumer(topic, auto_offset_reset="earliest")
    [record] = read(consumer, 1)
    consumer.close()
    assert (record.timestamp, record.timestamp_type) == (LONG_AGO_MS, CREATE_TIME)


@pytest.mark.parametrize("headers", [None, [("h", b"1")]])
def test_with_log_append_time_everybody_sees_the_time_of_the_append(broker, headers):
    topic = a_topic(broker, message_timestamp_type="LogAppendTime")
    before = broker.connection.server_time_ms()
    with broker.producer() as producer:
        sent = producer.send(topic, b"v", key=b"k", timestamp_ms=LONG_AGO_MS, headers=headers).get(30)
    consumer = broker.consumer(topic, auto_offset_reset="earliest", value_deserializer=bytes.decode)
    [record] = read(consumer, 1)
    consumer.close()
    assert before <= record.timestamp == sent.timestamp <= broker.connection.server_time_ms()
    assert (record.timestamp_type, record.headers, record.value) == (LOG_APPEND_TIME, headers or [], "v")


def test_a_topic_comes_into_being_with_as_many_partitions_as_the_server_says(broker):
    set_for_the_server(broker, num_partitions=4)
    with broker.producer() as producer:
        producer.send("made-by-use", b"v").get(30)
    broker.admin().create_topics(["made-by-hand"])
    described = broker.admin().describe_topics(["made-by-use", "made-by-hand"])
    assert [len(topic["partitions"]) for topic in described] == [4, 4]


def test_a_server_can_forbid_that_topics_come_into_being_by_use(broker):
    set_for_the_server(broker, auto_create_topics_enable=False)
    with broker.producer() as producer, pytest.raises(UnknownTopicOrPartitionError, match="enable is off"):
        producer.send("not-there", b"v")
    assert broker.admin().list_topics() == []


def test_a_client_can_do_without_topics_that_come_into_being_by_use(broker):
    with (
        broker.producer(allow_auto_create_topics=False) as producer,
        pytest.raises(UnknownTopicOrPartitionError),
    ):
        producer.send("not-there", b"v")


def test_a_default_of_the_server_holds_for_topics_that_have_no_value_of_their_own(broker):
    set_for_the_server(broker, max_message_bytes=500)
    small, large = a_topic(broker), a_topic(broker, max_message_bytes=5000)
    with broker.producer() as producer:
        with pytest.raises(MessageSizeTooLargeError):
            producer.send(small, b"x" * 1000)
        producer.send(large, b"x" * 1000).get(30)

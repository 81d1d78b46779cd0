"""send() keeps order, fills batches, repeats without repeating itself, and never loses a future."""

from __future__ import annotations

import threading
from urllib.parse import urlsplit

import pytest

import streamlab
from streamlab import keys
from streamlab.errors import (
    IllegalArgumentError,
    IllegalStateError,
    InvalidTopicError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    UnknownTopicOrPartitionError,
)
from streamlab.model import TopicPartition
from streamlab.partitioner import partition_for
from tests.builders import a_server, a_topic, kill_and_restart, numbered, produce, read, values
from tests.fault_proxy import FaultProxy
from tests.waiting import until


def everything(broker, topic, count):
    with broker.consumer(topic, auto_offset_reset="earliest") as consumer:
        return read(consumer, count)


def entries(broker, topic, partition=0):
    return broker.connection.client.xlen(keys.log(topic, partition))


def test_the_metadata_says_where_the_record_landed(broker):
    topic = a_topic(broker, 6)
    with broker.producer() as producer:
        metadata = producer.send(topic, b"value", b"key", headers=[("h", b"123")], timestamp_ms=1234).get(30)
    partition = partition_for(b"key", 6)
    assert metadata.topic_partition == TopicPartition(topic, partition)
    assert (metadata.offset, metadata.timestamp) == (0, 1234)
    assert (
        metadata.serialized_key_size,
        metadata.serialized_value_size,
        metadata.serialized_header_size,
    ) == (3, 5, 4)


def test_a_record_comes_back_with_all_its_parts(broker):
    topic = a_topic(broker)
    with broker.producer() as producer:
        producer.send(topic, b"\x00\xff", b"", headers=[("a", b"1"), ("a", None)], timestamp_ms=99).get(30)
        producer.send(topic, None, None).get(30)
    first, second = everything(broker, topic, 2)
    assert (first.key, first.value, first.timestamp) == (b"", b"\x00\xff", 99)
    assert first.headers == [("a", b"1"), ("a", None)]
    assert (second.key, second.value, second.headers) == (None, None, [])
    assert (second.serialized_key_size, second.serialized_value_size) == (-1, -1)


def test_records_of_one_key_keep_the_order_of_send(broker):
    topic = a_topic(broker, 3)
    with broker.producer(linger_ms=0, batch_size=200) as producer:
        for n in range(3000):
            producer.send(topic, b"%d" % n, b"key-%d" % (n % 7))
    seen: dict[bytes, list[int]] = {}
    for record in everything(broker, topic, 3000):
        seen.setdefault(record.key, []).append(int(record.value))
    assert sum(map(len, seen.values())) == 3000
    assert all(numbers == sorted(numbers) for numbers in seen.values())


def test_lingering_gathers_records_into_few_batches(broker):
    topic = a_topic(broker)
    with broker.producer(linger_ms=200, batch_size=1 << 20) as producer:
        for future in [producer.send(topic, value) for value in numbered(500)]:
            future.get(30)
    assert entries(broker, topic) <= 3


def test_batch_size_bounds_a_batch(broker):
    topic = a_topic(broker)
    with broker.producer(linger_ms=1000, batch_size=1000) as producer:
        for _ in range(100):
            producer.send(topic, b"x" * 92)
    assert entries(broker, topic) == 10


def test_without_a_key_all_partitions_get_records_batch_by_batch(broker):
    topic = a_topic(broker, 4)
    with broker.producer(batch_size=1000) as producer:
        for _ in range(2000):
            producer.send(topic, b"x" * 92)
    counts = [entries(broker, topic, n) for n in range(4)]
    assert sum(counts) >= 200 and min(counts) > 20


def test_send_without_linger_is_acknowledged_at_once(broker):
    topic = a_topic(broker)
    with broker.producer(linger_ms=0) as producer:
        for _ in range(50):
            producer.send(topic, b"v").get(30)


def test_flush_waits_for_everything_that_was_sent(broker):
    topic = a_topic(broker)
    with broker.producer(linger_ms=60_000) as producer:
        futures = [producer.send(topic, value) for value in numbered(100)]
        producer.flush(10)
        assert all(future.succeeded() for future in futures)


def test_close_sends_what_still_lingers(broker):
    topic = a_topic(broker)
    producer = broker.producer(linger_ms=60_000)
    future = producer.send(topic, b"v")
    producer.close()
    assert future.get(0).offset == 0
    with pytest.raises(IllegalStateError):
        producer.send(topic, b"too late")


def test_callbacks_get_the_metadata_and_a_broken_one_harms_nobody(broker):
    topic = a_topic(broker)
    landed, called = [], threading.Event()
    with broker.producer(linger_ms=50) as producer:
        producer.send(topic, b"1").add_callback(lambda metadata: 1 / 0)
        producer.send(topic, b"2").add_callback(
            lambda tag, metadata: (landed.append((tag, metadata.offset)), called.set()), "tag"
        )
        assert called.wait(60)
        assert producer.send(topic, b"3").get(30).offset == 2
    assert landed == [("tag", 1)]


def test_many_threads_may_share_a_producer(broker):
    topic = a_topic(broker)
    with broker.producer(batch_size=500) as producer:

        def work(name):
            for n in range(500):
                producer.send(topic, b"%d:%d" % (name, n))

        threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    per_thread: dict[bytes, list[int]] = {}
    for record in everything(broker, topic, 4000):
        name, _, number = record.value.partition(b":")
        per_thread.setdefault(name, []).append(int(number))
    assert all(numbers == list(range(500)) for numbers in per_thread.values()) and len(per_thread) == 8


@pytest.mark.parametrize("codec", ["gzip", "lz4", "zstd"])
def test_compressed_batches_take_less_room_and_read_the_same(broker, codec):
    topic, sent = a_topic(broker), [b'{"n": %d, "text": "the same again"}' % n for n in range(300)]
    with broker.producer(compression_type=codec, linger_ms=100) as producer:
        for value in sent:
            producer.send(topic, value)
    assert values(everything(broker, topic, 300)) == sent
    assert producer.metrics()["producer-metrics"]["compression-rate-avg"] < 0.5


def test_serializers_are_applied(broker):
    topic = a_topic(broker)
    with broker.producer(key_serializer=str.encode, value_serializer=lambda n: b"%d" % n) as producer:
        producer.send(topic, 42, "key").get(30)
    [record] = everything(broker, topic, 1)
    assert (record.key, record.value) == (b"key", b"42")


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"value": "text"}, TypeError),
        ({"value": b"v", "key": 17}, TypeError),
        ({"value": b"v", "headers": [("a", "text")]}, IllegalArgumentError),
        ({"value": b"v", "headers": [("\ud800", b"1")]}, IllegalArgumentError),
        ({"value": b"v", "timestamp_ms": 2**70}, IllegalArgumentError),
        ({"value": b"v", "partition": 9}, UnknownTopicOrPartitionError),
        ({"value": b"v", "partition": -1}, UnknownTopicOrPartitionError),
        ({"value": b"x" * 2_000_000}, MessageSizeTooLargeError),
    ],
)
def test_what_cannot_be_sent_is_refused_at_once(broker, arguments, error):
    topic = a_topic(broker, 2)
    with broker.producer() as producer:
        with pytest.raises(error):
            producer.send(topic, **arguments)
        assert producer.send(topic, b"fine", partition=1).get(30).offset == 0


def test_topics_are_created_at_first_use_unless_that_is_turned_off(broker):
    with broker.producer() as producer:
        assert producer.send("made-by-use", b"v").get(30).offset == 0
        with pytest.raises(InvalidTopicError):
            producer.send("no spaces", b"v")
    with (
        broker.producer(allow_auto_create_topics=False) as strict,
        pytest.raises(UnknownTopicOrPartitionError),
    ):
        strict.send("not-made", b"v")
    assert "not-made" not in broker.admin().list_topics()


def test_records_for_a_topic_that_was_deleted_fail_and_say_so(broker):
    topic = a_topic(broker)
    with broker.producer(linger_ms=0) as producer:
        producer.send(topic, b"v").get(30)
        broker.admin().delete_topics([topic])
        with pytest.raises(UnknownTopicOrPartitionError):
            producer.send(topic, b"w").get(30)


def test_a_partition_that_was_added_can_be_sent_to(broker):
    topic = a_topic(broker, 1)
    with broker.producer() as producer:
        producer.send(topic, b"v").get(30)
        broker.admin().create_partitions({topic: 3})
        assert producer.send(topic, b"w", partition=2).get(30).offset == 0


@pytest.mark.standalone_only
def test_a_lost_reply_does_not_store_a_batch_twice(redis_url):
    proxy = FaultProxy(urlsplit(redis_url).path)
    try:
        with streamlab.connect(proxy.url) as broker, broker.producer(linger_ms=0) as producer:
            topic = a_topic(broker)
            producer.send(topic, b"before").get(30)
            proxy.drop_replies_to = b"EVALSHA"
            assert producer.send(topic, b"the reply is lost").get(30).offset == 1
            assert proxy.dropped == 1
            assert producer.send(topic, b"after").get(30).offset == 2
            assert entries(broker, topic) == 3
    finally:
        proxy.close()


def test_a_full_buffer_makes_send_wait_and_then_say_why(tmp_path):
    with a_server(tmp_path) as server, streamlab.connect(server.url) as broker:
        topic = a_topic(broker)
        producer = broker.producer(
            buffer_memory=10_000, max_block_ms=200, delivery_timeout_ms=1_000, linger_ms=0
        )
        producer.send(topic, b"v").get(30)
        server.stop()
        with pytest.raises(KafkaTimeoutError, match="buffer_memory"):
            for _ in range(20):
                producer.send(topic, b"x" * 1000)
        producer.close(timeout=0)


def test_what_cannot_be_delivered_in_time_fails_its_future(tmp_path):
    with a_server(tmp_path) as server, streamlab.connect(server.url) as broker:
        topic = a_topic(broker)
        producer = broker.producer(delivery_timeout_ms=500, linger_ms=0)
        producer.send(topic, b"v").get(30)
        server.stop()
        future = producer.send(topic, b"w")
        with pytest.raises(KafkaTimeoutError, match="Not delivered within 500 ms"):
            future.get(30)
        assert producer.metrics()["producer-metrics"]["record-error-total"] == 1
        producer.close()


def test_sending_goes_on_by_itself_after_the_server_was_killed(tmp_path):
    with a_server(tmp_path, appendfsync="always") as server, streamlab.connect(server.url) as broker:
        topic = a_topic(broker)
        with broker.producer(linger_ms=1, batch_size=400) as producer:
            futures = []
            for n, value in enumerate(numbered(2000)):
                futures.append(producer.send(topic, value))
                if n == 1000:
                    until(lambda: futures[0].is_done, 60, "the first record is acknowledged")
                    kill_and_restart(server)
            offsets = [future.get(30).offset for future in futures]
        assert offsets == list(range(2000))
        assert values(everything(broker, topic, 2000)) == numbered(2000)


def test_when_the_log_lost_its_end_the_producer_goes_on_under_a_new_epoch(broker, caplog):
    topic = a_topic(broker)
    with broker.producer(linger_ms=0) as producer:
        for value in numbered(3):
            producer.send(topic, value).get(30)
        client = broker.connection.client  # as a failover to a stale copy would leave it
        client.delete(keys.log(topic, 0), keys.producers(topic, 0))
        client.hset(keys.meta(topic, 0), mapping={"end": 0, "bytes": 0})
        assert producer.send(topic, b"again").get(30).offset == 0
    assert "going on under epoch 1" in caplog.text


def test_acks_0_does_not_wait_and_acks_all_waits_for_what_the_server_can_tell(broker):
    topic = a_topic(broker)
    with broker.producer(acks=0, linger_ms=0) as producer:
        assert producer.send(topic, b"v").get(30).offset == -1
        producer.flush(10)
    with broker.producer(acks="all", linger_ms=0) as producer:
        assert producer.send(topic, b"w").get(30).offset == 1


def test_metrics_have_kafkas_names(broker):
    topic = a_topic(broker)
    with broker.producer() as producer:
        for _ in range(100):
            producer.send(topic, b"x" * 100)
        producer.flush(10)
        metrics = producer.metrics()["producer-metrics"]
    assert metrics["record-send-total"] == 100
    assert metrics["batch-size-avg"] > 100
    assert metrics["request-latency-avg"] > 0


def test_numbers_sent_by_the_builder_arrive(broker):
    topic = a_topic(broker)
    produce(broker, topic, numbered(10))
    assert values(everything(broker, topic, 10)) == numbered(10)


def test_nothing_is_acknowledged_and_not_stored_when_the_script_was_forgotten_midway(broker):
    topic = a_topic(broker)
    with broker.producer(linger_ms=0, batch_size=1) as producer:
        futures = []
        for value in numbered(200):
            futures.append(producer.send(topic, value))
            if len(futures) % 20 == 0:
                broker.connection.client.script_flush()
        offsets = [future.get(30).offset for future in futures]
    assert offsets == list(range(200))
    assert values(everything(broker, topic, 200)) == numbered(200)


def test_a_partition_that_was_just_added_takes_everything_that_it_acknowledges(broker):
    topic = a_topic(broker)
    with broker.producer(linger_ms=0, batch_size=1, metadata_max_age_ms=100) as producer:
        producer.send(topic, b"v").get(30)
        broker.connection.client.hset(
            keys.TOPICS, topic, b'{"partitions": 2}'
        )  # as a crash leaves it: not made yet
        futures = [producer.send(topic, value, partition=1) for value in numbered(50)]
        assert [future.get(30).offset for future in futures] == list(range(50))


def test_without_acknowledgements_records_arrive_all_the_same(broker):
    topic = a_topic(broker)
    with broker.producer(acks=0, linger_ms=0) as producer:
        for value in numbered(100):
            assert producer.send(topic, value).get(30).offset == -1
        producer.flush(10)
        broker.connection.client.script_flush()
        for value in numbered(100, start=100):
            producer.send(topic, value)
    assert values(everything(broker, topic, 200)) == numbered(200)


def test_without_acknowledgements_a_record_that_was_looked_at_can_still_be_repeated(broker):
    topic = a_topic(broker)
    with broker.producer(acks=0, linger_ms=0) as producer:
        for value in numbered(50):
            broker.connection.client.script_flush()
            assert producer.send(topic, value).get(30).serialized_value_size == len(value)
        producer.flush(10)
    assert values(everything(broker, topic, 50)) == numbered(50)


def test_without_acknowledgements_what_the_server_refuses_is_said_in_the_log(broker, caplog):
    topic = a_topic(broker)
    with broker.producer(acks=0, linger_ms=0) as producer:
        producer.send(topic, b"v").get(30)
        producer.flush(10)
        broker.admin().delete_topics([topic])
        producer.send(topic, b"w")
    assert f"1 records of {topic}/0 are lost" in caplog.text


def test_a_callback_that_would_wait_for_its_own_thread_is_told_so(broker):
    topic = a_topic(broker)
    told, done = [], threading.Event()
    with broker.producer(linger_ms=0) as producer:

        def wait_for_another(_):
            try:
                producer.send(topic, b"2").get()
            except IllegalStateError as error:
                told.append(str(error))
            done.set()

        producer.send(topic, b"1").add_callback(wait_for_another)
        assert done.wait(60)
    assert "callback" in told[0]


def test_a_full_buffer_does_not_wait_for_the_linger(broker):
    topic = a_topic(broker, 2)
    with broker.producer(
        linger_ms=60_000, batch_size=100_000, buffer_memory=30_000, max_block_ms=5_000
    ) as producer:
        for _ in range(100):
            producer.send(topic, b"x" * 1_000)
        producer.flush(10)
    assert len(everything(broker, topic, 100)) == 100

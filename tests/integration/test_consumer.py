"""poll() returns what is there, in order, from where it should, whatever happened to the log meanwhile."""

from __future__ import annotations

import logging
import time

import pytest

import streamlab
from streamlab import codec, keys
from streamlab.consumer import ConsumerRebalanceListener
from streamlab.errors import (
    CorruptRecordError,
    IllegalStateError,
    InvalidGroupIdError,
    NonEmptyGroupError,
    NoOffsetForPartitionError,
    OffsetOutOfRangeError,
    RecordError,
    UnknownTopicOrPartitionError,
)
from streamlab.model import OffsetAndMetadata, TopicPartition
from tests.builders import (
    a_server,
    a_topic,
    fall_silent,
    kill_and_restart,
    numbered,
    produce,
    read,
    settle,
    values,
)
from tests.waiting import until


@pytest.fixture
def consumer_of(broker):
    """Makes consumers that begin at the earliest record, and closes them."""
    made = []

    def make(*topics, **config):
        consumer = broker.consumer(*topics, **{"auto_offset_reset": "earliest", **config})
        made.append(consumer)
        return consumer

    yield make
    for consumer in made:
        consumer.close(autocommit=False)


def test_records_come_in_offset_order(broker, consumer_of):
    topic = a_topic(broker)
    produce(broker, topic, numbered(1000))
    records = read(consumer_of(topic), 1000)
    assert values(records) == numbered(1000)
    assert [r.offset for r in records] == list(range(1000))


def test_max_poll_records_bounds_what_poll_returns_and_nothing_is_skipped(broker, consumer_of):
    topic = a_topic(broker, 3)
    for partition in range(3):
        produce(broker, topic, numbered(50), partition=partition)
    consumer, seen = consumer_of(topic, max_poll_records=7), []

    def all_read():
        polled = [r for records in consumer.poll(500).values() for r in records]
        assert len(polled) <= 7
        seen.extend(polled)
        return len(seen) == 150

    until(all_read)
    for partition in range(3):
        assert values([r for r in seen if r.partition == partition]) == numbered(50)


def test_poll_without_records_waits_as_long_as_asked(broker, consumer_of):
    consumer = consumer_of(a_topic(broker))
    consumer.poll(0)
    started = time.monotonic()
    assert consumer.poll(300) == {}
    assert time.monotonic() - started > 0.25


def test_a_record_wakes_a_waiting_poll(broker, consumer_of):
    topic = a_topic(broker)
    consumer = consumer_of(topic, fetch_max_wait_ms=60_000)
    consumer.poll(100)
    produce(broker, topic, [b"v"])
    assert values(read(consumer, 1, timeout_s=30)) == [b"v"]


def test_a_group_goes_on_where_it_committed(broker, consumer_of):
    topic = a_topic(broker)
    produce(broker, topic, numbered(100))
    with broker.consumer(topic, group_id="g", auto_offset_reset="earliest", max_poll_records=30) as first:
        assert values(read(first, 30)) == numbered(30)
    second = consumer_of(topic, group_id="g")
    assert values(read(second, 70)) == numbered(70, start=30)


def test_a_commit_in_the_middle_of_a_batch_goes_on_in_the_middle(broker, consumer_of):
    topic = a_topic(broker)
    with broker.producer(linger_ms=100) as producer:
        for value in numbered(100):
            producer.send(topic, value)
    partition = TopicPartition(topic, 0)
    with broker.consumer(
        topic, group_id="g", auto_offset_reset="earliest", enable_auto_commit=False
    ) as first:
        read(first, 100)
        first.commit({partition: OffsetAndMetadata(37, "by hand")})
        assert first.committed(partition, metadata=True) == OffsetAndMetadata(37, "by hand")
    assert read(consumer_of(topic, group_id="g"), 63)[0].value == b"37"


def test_what_was_polled_but_not_committed_is_read_again_after_a_crash(broker, consumer_of):
    topic = a_topic(broker)
    produce(broker, topic, numbered(20))
    crashed = consumer_of(
        topic, group_id="g", enable_auto_commit=False, session_timeout_ms=300, heartbeat_interval_ms=100
    )
    read(crashed, 20)
    fall_silent(crashed)
    assert values(read(consumer_of(topic, group_id="g"), 20)) == numbered(20)


def test_iteration_counts_only_what_was_yielded(broker, consumer_of):
    topic = a_topic(broker)
    produce(broker, topic, numbered(50))
    with broker.consumer(topic, group_id="g", auto_offset_reset="earliest") as first:
        for record in first:
            if record.value == b"10":
                break
        assert first.position(TopicPartition(topic, 0)) == 11
    assert read(consumer_of(topic, group_id="g"), 39)[0].value == b"11"


def test_iteration_ends_after_consumer_timeout_ms(broker, consumer_of):
    topic = a_topic(broker)
    produce(broker, topic, numbered(5))
    consumer, seen = consumer_of(topic, consumer_timeout_ms=300), []
    until(lambda: seen.extend(values(list(consumer))) or len(seen) >= 5)
    assert seen == numbered(5) and list(consumer) == []


def test_latest_begins_behind_what_was_there(broker, consumer_of):
    topic = a_topic(broker)
    produce(broker, topic, [b"old"])
    consumer = consumer_of(topic, auto_offset_reset="latest")
    consumer.poll(10)
    produce(broker, topic, [b"new"])
    assert values(read(consumer, 1)) == [b"new"]


def test_without_a_commit_and_a_policy_poll_says_so(broker, consumer_of):
    consumer = consumer_of(a_topic(broker), group_id="g", auto_offset_reset="none")
    with pytest.raises(NoOffsetForPartitionError, match=r"seek\(\) first"):
        consumer.poll(500)


def test_seek_goes_back_and_forth(broker, consumer_of):
    topic = a_topic(broker)
    produce(broker, topic, numbered(100))
    partition = TopicPartition(topic, 0)
    consumer = consumer_of()
    consumer.assign([partition])
    for offset in (90, 3, 57, 0):
        consumer.seek(partition, offset)
        assert consumer.position(partition) == offset
        assert read(consumer, 1)[0].offset == offset
    consumer.seek_to_end(partition)
    assert consumer.poll(200) == {}
    produce(broker, topic, [b"next"])
    assert read(consumer, 1)[0].offset == 100


def test_a_paused_partition_waits_while_the_others_go_on(broker, consumer_of):
    topic = a_topic(broker, 2)
    paused, other = TopicPartition(topic, 0), TopicPartition(topic, 1)
    consumer = consumer_of(topic)
    until(lambda: consumer.poll(10) == {} and len(consumer.assignment()) == 2)
    consumer.pause(paused)
    produce(broker, topic, [b"waits"], partition=0)
    produce(broker, topic, [b"goes on"], partition=1)
    assert values(read(consumer, 1)) == [b"goes on"] and consumer.paused() == {paused}
    assert consumer.poll(200) == {}
    consumer.resume(paused)
    assert values(read(consumer, 1)) == [b"waits"]
    assert consumer.position(other) == 1


def test_offsets_can_be_asked_for(broker, consumer_of):
    topic = a_topic(broker, 2)
    produce(broker, topic, numbered(10), partition=1)
    broker.admin().delete_records({TopicPartition(topic, 1): 4})
    consumer = consumer_of(topic)
    both = [TopicPartition(topic, 0), TopicPartition(topic, 1)]
    assert consumer.beginning_offsets(both) == {both[0]: 0, both[1]: 4}
    assert consumer.end_offsets(both) == {both[0]: 0, both[1]: 10}
    found = consumer.offsets_for_times({both[0]: 0, both[1]: 0})
    assert found[both[0]] is None and found[both[1]].offset <= 4
    assert consumer.partitions_for_topic(topic) == {0, 1} and topic in consumer.topics()


def test_records_removed_before_they_were_read_are_counted_and_reading_goes_on(broker, consumer_of, caplog):
    topic = a_topic(broker)
    produce(broker, topic, numbered(10))
    with broker.consumer(topic, group_id="g", auto_offset_reset="earliest", max_poll_records=3) as first:
        read(first, 3)
    broker.admin().delete_records({TopicPartition(topic, 0): 8})
    second = consumer_of(topic, group_id="g")
    assert values(read(second, 2)) == [b"8", b"9"]
    assert "offsets 3 to 7 were removed before they were read" in caplog.text
    assert second.metrics()["consumer-fetch-manager-metrics"]["records-lost-total"] == 5


def test_a_position_outside_the_log_is_an_error_when_there_is_no_policy(broker, consumer_of):
    topic = a_topic(broker)
    produce(broker, topic, numbered(10))
    partition = TopicPartition(topic, 0)
    broker.admin().delete_records({partition: 5})
    consumer = consumer_of(auto_offset_reset="none")
    with pytest.raises(NoOffsetForPartitionError):
        consumer.assign([partition])
    consumer.seek(partition, 2)
    with pytest.raises(OffsetOutOfRangeError, match="goes from 5 to 10"):
        read(consumer, 1)
    consumer.seek(partition, 5)
    assert values(read(consumer, 5)) == numbered(5, start=5)


def test_a_log_that_went_back_is_read_on_from_where_it_continues(broker, consumer_of, caplog):
    topic = a_topic(broker)
    produce(broker, topic, numbered(10))
    consumer = consumer_of(topic)
    read(consumer, 10)
    client = broker.connection.client  # as a failover to a copy that misses the last four
    for entry, _ in client.xrange(keys.log(topic, 0)):
        client.xdel(keys.log(topic, 0), entry)
    client.hset(keys.meta(topic, 0), "end", 6)
    client.delete(keys.producers(topic, 0))
    produce(broker, topic, [b"6 again", b"7 again"])
    assert values(read(consumer, 2)) == [b"6 again", b"7 again"]
    assert "the log went back" in caplog.text


def test_who_waited_at_the_end_of_a_log_that_lost_it_misses_nothing(broker, consumer_of, caplog):
    topic = a_topic(broker)
    produce(broker, topic, numbered(6))
    produce(broker, topic, numbered(4))
    consumer = consumer_of(topic, auto_offset_reset="latest")
    until(lambda: not consumer.poll(20) and consumer.highwater(TopicPartition(topic, 0)) == 10)
    client = broker.connection.client  # as a failover to a copy that misses the last four
    client.xdel(keys.log(topic, 0), client.xrevrange(keys.log(topic, 0), count=1)[0][0])
    client.hset(keys.meta(topic, 0), "end", 6)
    again = numbered(20, start=100)  # one batch, which reaches over the offset that was waited at
    produce(broker, topic, again)
    assert values(read(consumer, 20)) == again
    assert "the log went back" in caplog.text


def test_a_damaged_batch_halts_its_partition_and_no_other(broker, consumer_of):
    topic = a_topic(broker, 2)
    produce(broker, topic, [b"good"], partition=0)
    places = [keys.log(topic, 0), keys.meta(topic, 0), keys.producers(topic, 0)]
    damaged = bytearray(codec.encode([1, 1], [None, None], [b"x" * 50, b"y"]))
    damaged[40] ^= 1
    broker.connection.run("append", places, [-1, 0, 0, 2, bytes(damaged)])
    produce(broker, topic, [b"behind"], partition=0)
    produce(broker, topic, numbered(5), partition=1)
    consumer, seen, errors = consumer_of(topic), [], []

    def rest_read():
        try:
            for records in consumer.poll(100).values():
                seen.extend(values(records))
        except CorruptRecordError as error:
            errors.append(error)
        return len(seen) == 6 and errors

    until(rest_read)
    assert sorted(seen) == sorted([b"good", *numbered(5)])
    assert (errors[0].topic, errors[0].partition, errors[0].next_offset) == (topic, 0, 3)
    produce(broker, topic, [b"more"], partition=1)
    assert values(read(consumer, 1)) == [b"more"]
    consumer.seek(TopicPartition(topic, 0), errors[0].next_offset)
    assert values(read(consumer, 1)) == [b"behind"]


def test_a_record_that_cannot_be_deserialized_is_named_and_can_be_skipped(broker, consumer_of):
    topic = a_topic(broker)
    produce(broker, topic, [b"1", b"2", b"three", b"4"])
    consumer = consumer_of(topic, value_deserializer=int)
    assert values(read(consumer, 2)) == [1, 2]
    with pytest.raises(RecordError, match="offset 2 cannot be deserialized: ValueError"):
        read(consumer, 1)
    consumer.seek(TopicPartition(topic, 0), 3)
    assert values(read(consumer, 1)) == [4]


def test_a_pattern_finds_topics_that_come_later(broker, consumer_of):
    consumer = consumer_of(group_id="g", metadata_max_age_ms=100, heartbeat_interval_ms=100)
    consumer.subscribe(pattern="orders-.*")
    consumer.poll(10)
    broker.admin().create_topics(["orders-eu", "payments"])
    produce(broker, "orders-eu", [b"v"])
    produce(broker, "payments", [b"w"])
    assert values(read(consumer, 1, timeout_s=30)) == [b"v"]
    assert consumer.subscription() == {"orders-eu"}


def test_a_manual_assignment_commits_while_the_group_has_no_members(broker, consumer_of):
    topic = a_topic(broker)
    produce(broker, topic, numbered(10))
    partition = TopicPartition(topic, 0)
    manual = consumer_of(group_id="g", enable_auto_commit=False)
    manual.assign([partition])
    read(manual, 10)
    manual.commit({partition: 4})
    member = consumer_of(topic, group_id="g")
    assert values(read(member, 6)) == numbered(6, start=4)
    late = consumer_of(group_id="g", enable_auto_commit=False)
    late.assign([partition])
    with pytest.raises(NonEmptyGroupError, match="running members"):
        late.commit({partition: 0})


def test_fetch_min_bytes_makes_fewer_and_larger_fetches(broker):
    topic = a_topic(broker)
    fetches = {}
    for least in (1, 5_000):
        with broker.consumer(topic, fetch_min_bytes=least, fetch_max_wait_ms=2_000) as consumer:
            consumer.poll(50)
            with broker.producer(linger_ms=0) as producer:
                for _ in range(100):
                    producer.send(topic, b"x" * 100).get(30)
                read(consumer, 100)
            fetches[least] = consumer.metrics()["consumer-fetch-manager-metrics"]["fetch-size-avg"]
    assert fetches[5_000] > 2 * fetches[1]


def test_a_consumer_without_a_group_cannot_commit(broker, consumer_of):
    consumer = consumer_of(a_topic(broker))
    consumer.poll(10)
    with pytest.raises(InvalidGroupIdError):
        consumer.commit()


def test_a_closed_consumer_says_so(broker):
    consumer = broker.consumer(a_topic(broker))
    consumer.close()
    consumer.close()
    with pytest.raises(IllegalStateError):
        consumer.poll(0)


def test_reading_goes_on_by_itself_after_the_server_was_killed(tmp_path, caplog):
    caplog.set_level(logging.WARNING)
    with a_server(tmp_path, appendfsync="always") as server, streamlab.connect(server.url) as broker:
        topic = a_topic(broker, 2)
        consumer = broker.consumer(
            topic, group_id="g", auto_offset_reset="earliest", heartbeat_interval_ms=100
        )
        settle([consumer], 2)
        produce(broker, topic, numbered(50), partition=0)
        first = values(read(consumer, 1, 20))
        kill_and_restart(server)
        produce(broker, topic, numbered(50, start=50), partition=1)
        seen = first + values(read(consumer, 100 - len(first), 20))
        assert sorted(seen, key=int) == numbered(100)
        consumer.commit()
        consumer.close()


def test_stopping_in_the_middle_of_an_iteration_over_two_partitions_skips_nothing(broker, consumer_of):
    topic = a_topic(broker, 2)
    for partition in range(2):
        produce(broker, topic, numbered(50), partition=partition)
    with broker.consumer(topic, group_id="g", auto_offset_reset="earliest") as first:
        read(first, 100)  # both are assigned and have records here
        first.seek_to_beginning()
        seen = [(record.partition, record.offset) for _, record in zip(range(3), first, strict=False)]
    rest = [(r.partition, r.offset) for r in read(consumer_of(topic, group_id="g"), 100 - len(seen))]
    assert sorted({*seen, *rest}) == [(p, o) for p in range(2) for o in range(50)]


def test_a_topic_that_was_made_anew_is_read_from_its_beginning(broker, consumer_of):
    topic = a_topic(broker)
    produce(broker, topic, numbered(30))
    old = consumer_of(topic, group_id="g")
    read(old, 30)
    broker.admin().delete_topics([topic])
    old.close()  # its last commit comes after the deletion
    broker.admin().create_topics([topic])
    produce(broker, topic, numbered(5))
    assert values(read(consumer_of(topic, group_id="g"), 5)) == numbered(5)


def test_a_deleted_partition_is_named_and_the_others_are_read_on(broker, consumer_of):
    kept, gone = a_topic(broker), a_topic(broker)
    consumer = consumer_of(allow_auto_create_topics=False)
    consumer.assign([TopicPartition(kept, 0), TopicPartition(gone, 0)])
    broker.admin().delete_topics([gone])
    consumer.seek_to_beginning(TopicPartition(kept, 0))
    consumer.seek(TopicPartition(gone, 0), 0)
    produce(broker, kept, numbered(5))
    seen, errors = [], []

    def done():
        try:
            seen.extend(r for records in consumer.poll(100).values() for r in records)
        except UnknownTopicOrPartitionError as error:
            errors.append(error)
        return len(seen) == 5 and errors

    until(done)
    assert gone in str(errors[0])


@pytest.mark.short_times
def test_a_slow_deserializer_does_not_cost_the_membership(broker, consumer_of):
    topic = a_topic(broker)
    produce(broker, topic, numbered(8))

    def slow(data):
        time.sleep(0.2)
        return data

    consumer = consumer_of(
        topic, group_id="g", value_deserializer=slow, session_timeout_ms=600, heartbeat_interval_ms=100
    )
    assert values(read(consumer, 8)) == numbered(8)
    assert consumer.group_metadata().generation_id == 1


def test_a_listener_may_seek_what_it_is_given(broker, consumer_of):
    topic = a_topic(broker)
    produce(broker, topic, numbered(10))
    consumer = consumer_of(group_id="g", auto_offset_reset="none")

    class FromFive(ConsumerRebalanceListener):
        def on_partitions_assigned(self, assigned):
            for partition in assigned:
                consumer.seek(partition, 5)

    consumer.subscribe([topic], listener=FromFive())
    assert read(consumer, 5)[0].offset == 5


def test_a_consumer_may_change_from_topics_to_partitions(broker, consumer_of):
    topic = a_topic(broker, 2)
    produce(broker, topic, numbered(10), partition=1)
    consumer = consumer_of(topic, group_id="g")
    read(consumer, 10)
    consumer.unsubscribe()
    consumer.assign([TopicPartition(topic, 1)])
    consumer.seek(TopicPartition(topic, 1), 7)
    assert values(read(consumer, 3)) == numbered(3, start=7)


def test_a_new_subscription_drops_the_old_topics_at_once(broker, consumer_of):
    old, new = a_topic(broker), a_topic(broker)
    consumer = consumer_of(old, group_id="g")
    until(lambda: consumer.poll(10) == {} and consumer.assignment())
    consumer.subscribe([new])
    produce(broker, old, numbered(5))
    produce(broker, new, [b"new"])
    assert values(read(consumer, 1)) == [b"new"]
    assert {p.topic for p in consumer.assignment()} == {new}

"""A stopped group is moved: the plan says exactly what it would mean, and all of it is committed or nothing is."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

import streamlab
from streamlab.errors import (
    CommitFailedError,
    KafkaConnectionError,
    NonEmptyGroupError,
    NoOffsetForPartitionError,
    StalePlanError,
)
from streamlab.groups import offsets, reset
from streamlab.groups.reset import ShiftBy, Stay
from streamlab.log import PartitionLog
from streamlab.metrics.collect import Collector
from streamlab.model import OffsetSpec, OffsetTimestamp, TopicPartition
from streamlab.topics import Topics
from tests.builders import a_topic, numbered, produce, read, values
from tests.fault_proxy import FaultProxy
from tests.integration.log_builder import ORDERS, LogBuilder, a_hundred, committed
from tests.waiting import until


@pytest.fixture
def log(broker):
    return LogBuilder(broker)


@pytest.fixture
def hundred(log):
    return a_hundred(log)


def partition_log(broker):
    return PartitionLog(broker.connection, Topics(broker.connection))


def plan(broker, targets, group="g"):
    return reset.plan(broker.connection, partition_log(broker), group, targets)


def execute(broker, planned):
    return reset.execute(broker.connection, partition_log(broker), planned)


def the_row(broker, target, partition=ORDERS):
    return plan(broker, {partition: target}).partitions[0]


# where a target leads


@pytest.mark.parametrize(
    ("target", "new"),
    [
        (OffsetSpec.EARLIEST, 20),
        (OffsetSpec.LATEST, 100),
        (Stay.CURRENT, 50),
        (0, 20),
        (20, 20),
        (73, 73),
        (100, 100),
        (ShiftBy(7), 57),
        (ShiftBy(-7), 43),
        (ShiftBy(0), 50),
    ],
)
def test_a_target_leads_to_an_offset_inside_the_log(broker, hundred, target, new):
    assert the_row(broker, target).new == new


@pytest.mark.parametrize(
    ("target", "new", "warning"),
    [
        (19, 20, "offset 19 lies before the log start, so the log start 20 is taken"),
        (-1, 20, "offset -1 lies before the log start, so the log start 20 is taken"),
        (101, 100, "offset 101 lies past the log end, so the log end 100 is taken"),
        (ShiftBy(-31), 20, "offset 19 lies before the log start, so the log start 20 is taken"),
        (ShiftBy(51), 100, "offset 101 lies past the log end, so the log end 100 is taken"),
    ],
)
def test_what_lies_outside_is_clamped_with_a_warning(broker, hundred, target, new, warning):
    row = the_row(broker, target)
    assert (row.new, row.warning, row.error) == (new, warning, None)


@pytest.mark.parametrize("target", [OffsetSpec.EARLIEST, 20, 100, ShiftBy(-30), ShiftBy(50)])
def test_what_lies_inside_is_not_warned_of(broker, hundred, target):
    assert the_row(broker, target).warning is None


def test_a_time_leads_to_the_first_record_appended_then_or_later(broker, hundred):
    for number in range(2, 10):
        ms = hundred[number].append_ms
        assert the_row(broker, OffsetTimestamp(ms)).new == number * 10
        assert the_row(broker, OffsetTimestamp(hundred[number - 1].append_ms + 1)).new == number * 10
    assert the_row(broker, OffsetTimestamp(0)).new == 20


def test_a_time_never_leads_to_records_that_were_deleted(broker, hundred):
    broker.admin().delete_records({ORDERS: 25})  # in the middle of a batch
    assert the_row(broker, OffsetTimestamp(hundred[2].append_ms)).new == 25


def test_a_time_without_a_later_record_is_the_log_end_with_a_warning(broker, hundred):
    row = the_row(broker, OffsetTimestamp(hundred[9].append_ms + 1))
    assert row.new == 100
    assert row.warning.startswith("no record was appended at or after 20")
    assert row.warning.endswith("so the log end 100 is taken")


def test_a_partition_that_was_never_written_to_can_be_reset(broker):
    partition = TopicPartition(a_topic(broker), 0)
    planned = plan(broker, {partition: OffsetTimestamp(1)})
    assert (planned.partitions[0].new, planned.partitions[0].entry) == (0, None)
    assert execute(broker, planned) == {partition: None}
    assert committed(broker) == {str(partition): 0}


def test_without_a_commit_a_shift_is_impossible_and_current_is_the_log_end(broker, hundred):
    other = {ORDERS: ShiftBy(1)}
    assert plan(broker, other, "h").partitions[0].error == "nothing is committed here that could be shifted"
    row = plan(broker, {ORDERS: Stay.CURRENT}, "h").partitions[0]
    assert (row.new, row.warning) == (100, "nothing is committed, so the log end 100 is taken")


# what a plan says


def test_the_plan_counts_what_is_repeated_in_records_and_time(broker, hundred):
    row = the_row(broker, 25)
    assert (row.again, row.skipped) == (25, 0)
    assert (row.current_append_ms, row.new_append_ms) == (hundred[5].append_ms, hundred[2].append_ms)
    assert row.span_ms == hundred[4].append_ms - hundred[2].append_ms, "from record 25 to record 49"


def test_the_plan_counts_what_is_skipped_and_there_is_no_time_at_the_log_end(broker, hundred):
    row = the_row(broker, OffsetSpec.LATEST)
    assert (row.again, row.skipped) == (0, 50)
    assert (row.current_append_ms, row.new_append_ms) == (hundred[5].append_ms, None)
    assert row.span_ms == hundred[9].append_ms - hundred[5].append_ms


def test_records_that_are_gone_are_neither_repeated_nor_skipped(broker, log, hundred):
    log.commit("g", 5, hundred[0])
    row = the_row(broker, 30)
    assert (row.again, row.skipped, row.current_append_ms) == (0, 10, None)
    log.commit("g", 500, None)
    row = the_row(broker, 90)
    assert (row.again, row.skipped, row.current_append_ms) == (10, 0, None)


def test_what_is_not_known_is_none(broker, hundred):
    row = plan(broker, {ORDERS: 30}, "h").partitions[0]
    assert (row.current, row.again, row.skipped, row.span_ms) == (None, None, None, None)
    assert row.new_append_ms == hundred[3].append_ms


def test_a_step_of_nothing_repeats_and_skips_nothing(broker, hundred):
    row = the_row(broker, Stay.CURRENT)
    assert (row.again, row.skipped, row.span_ms) == (0, 0, None)


def test_a_plan_changes_nothing(broker, hundred):
    before = broker.connection.client.hgetall("sl:{orders/0}:commits")
    the_row(broker, 30)
    assert broker.connection.client.hgetall("sl:{orders/0}:commits") == before


# execution


def test_what_was_planned_is_committed_and_read(broker):
    topic = a_topic(broker, 2)
    first, second = TopicPartition(topic, 0), TopicPartition(topic, 1)
    for partition in (first, second):
        produce(broker, topic, numbered(10), partition=partition.partition)
    broker.admin().alter_group_offsets("g", {first: 10, second: 10})
    assert execute(broker, plan(broker, {first: 3, second: ShiftBy(-1)})) == {first: None, second: None}
    with broker.consumer(topic, group_id="g") as consumer:
        got = read(consumer, 8)
    assert sorted((r.partition, r.value) for r in got) == [(0, v) for v in numbered(7, 3)] + [(1, b"9")]


@pytest.mark.parametrize("offset", [20, 21, 40, 45, 50, 99])
def test_the_time_lag_is_exact_after_a_reset(broker, hundred, offset):
    assert execute(broker, plan(broker, {ORDERS: offset})) == {ORDERS: None}
    collector = Collector(broker.connection)
    try:
        found = collector.collect(1)
    finally:
        collector.close()
    (row,) = found.groups["g"].partitions
    assert row.time_lag_ms == found.as_of_ms - hundred[offset // 10].append_ms


def test_the_entry_of_the_record_before_is_committed(broker, hundred):
    execute(broker, plan(broker, {ORDERS: 40}))
    assert offsets.fetch(broker.connection, "g", [ORDERS])[ORDERS].entry == hundred[3]
    execute(broker, plan(broker, {ORDERS: 20}))
    assert offsets.fetch(broker.connection, "g", [ORDERS])[ORDERS].entry is None, "it was deleted"


def test_a_group_that_nobody_knew_comes_into_being(broker, hundred):
    execute(broker, plan(broker, {ORDERS: 30}, "fresh"))
    assert "fresh" in [group["group_id"] for group in broker.admin().list_groups()]
    assert committed(broker, "fresh") == {"orders/0": 30}


def test_one_impossible_partition_stops_all(broker, log):
    log.topic(partitions=2)
    log.append()
    log.commit("g", 5, None)
    planned = plan(broker, {ORDERS: ShiftBy(1), TopicPartition("orders", 1): ShiftBy(1)})
    with pytest.raises(NoOffsetForPartitionError, match="orders/1: nothing is committed"):
        execute(broker, planned)
    assert committed(broker) == {"orders/0": 5}


def test_a_running_group_is_refused(broker):
    topic = a_topic(broker)
    produce(broker, topic, numbered(3))
    partition = TopicPartition(topic, 0)
    with broker.consumer(topic, group_id="g", auto_offset_reset="earliest") as consumer:
        assert values(read(consumer, 3)) == numbered(3)
        consumer.commit()
        planned = plan(broker, {partition: 0})
        with pytest.raises(NonEmptyGroupError, match="'g' has running members"):
            execute(broker, planned)
        assert committed(broker) == {str(partition): 3}


def test_a_commit_between_plan_and_execution_is_not_overwritten(broker, hundred):
    planned = plan(broker, {ORDERS: 20})
    broker.admin().alter_group_offsets("g", {ORDERS: 60})
    with pytest.raises(StalePlanError, match=r"the group committed on orders/0\. Make the plan again"):
        execute(broker, planned)
    assert committed(broker) == {"orders/0": 60}


def test_a_first_commit_between_plan_and_execution_is_not_overwritten(broker, hundred):
    planned = plan(broker, {ORDERS: 20}, "h")
    broker.admin().alter_group_offsets("h", {ORDERS: 60})
    with pytest.raises(StalePlanError):
        execute(broker, planned)
    assert committed(broker, "h") == {"orders/0": 60}


def test_a_commit_of_the_same_offset_counts_too(broker, log, hundred):
    planned = plan(broker, {ORDERS: 20})
    until(lambda: broker.connection.server_time_ms() > planned.partitions[0].current.commit_ms)
    log.commit("g", 50, hundred[4])
    with pytest.raises(StalePlanError):
        execute(broker, planned)


def test_a_commit_in_the_very_last_moment_is_not_overwritten(broker, monkeypatch):
    """A consumer that was assigned by hand is no member, so only the claim can stop it."""
    topic = a_topic(broker)
    produce(broker, topic, numbered(10))
    partition = TopicPartition(topic, 0)
    with broker.consumer(group_id="g", enable_auto_commit=False) as consumer:
        consumer.assign([partition])
        consumer.commit({partition: 4})
        planned = plan(broker, {partition: 0})
        claim = offsets.claim

        def commit_first(*arguments):
            monkeypatch.setattr(offsets, "claim", claim)
            consumer.commit({partition: 7})
            return claim(*arguments)

        monkeypatch.setattr(offsets, "claim", commit_first)
        with pytest.raises(StalePlanError, match="the group committed on"):
            execute(broker, planned)
        assert committed(broker) == {str(partition): 7}


def test_who_commits_by_hand_is_refused_from_then_on(broker):
    topic = a_topic(broker)
    produce(broker, topic, numbered(10))
    partition = TopicPartition(topic, 0)
    with broker.consumer(group_id="g", enable_auto_commit=False) as consumer:
        consumer.assign([partition])
        consumer.commit({partition: 4})
        execute(broker, plan(broker, {partition: 0}))
        with pytest.raises(CommitFailedError):
            consumer.commit({partition: 7})
    assert committed(broker) == {str(partition): 0}


def test_a_refused_reset_leaves_who_commits_by_hand_alone(broker):
    topic = a_topic(broker)
    produce(broker, topic, numbered(10))
    partition = TopicPartition(topic, 0)
    with broker.consumer(group_id="g", enable_auto_commit=False) as consumer:
        consumer.assign([partition])
        planned = plan(broker, {partition: 0})
        consumer.commit({partition: 4})
        with pytest.raises(StalePlanError):
            execute(broker, planned)
        consumer.commit({partition: 7})
    assert committed(broker) == {str(partition): 7}


def test_retention_between_plan_and_execution_is_noticed(broker, hundred):
    planned = plan(broker, {ORDERS: OffsetSpec.EARLIEST})
    broker.admin().delete_records({ORDERS: 30})
    with pytest.raises(StalePlanError, match="offset 20 of orders/0 is not in the log any more"):
        execute(broker, planned)
    assert committed(broker) == {"orders/0": 50}


@pytest.mark.standalone_only
def test_a_lost_reply_to_the_commit_is_settled(broker, redis_url, monkeypatch):
    partition = TopicPartition(a_topic(broker), 0)
    produce(broker, partition.topic, numbered(10))
    broker.admin().alter_group_offsets("g", {partition: 10})
    proxy = FaultProxy(urlsplit(redis_url).path)
    commit = offsets.commit

    def with_a_lost_reply(*arguments):
        monkeypatch.setattr(offsets, "commit", commit)
        proxy.drop_replies_to = b"EVALSHA"
        return commit(*arguments)

    try:
        with streamlab.connect(proxy.url) as through:
            planned = plan(through, {partition: 2})
            monkeypatch.setattr(offsets, "commit", with_a_lost_reply)
            assert execute(through, planned) == {partition: None}
        assert proxy.dropped == 1
    finally:
        proxy.close()
    assert committed(broker) == {str(partition): 2}


def test_a_commit_that_did_not_reach_the_server_is_repeated(broker, hundred, monkeypatch):
    commit = offsets.commit

    def cut(*arguments):
        monkeypatch.setattr(offsets, "commit", commit)
        raise KafkaConnectionError("cut")

    monkeypatch.setattr(offsets, "commit", cut)
    assert execute(broker, plan(broker, {ORDERS: 20})) == {ORDERS: None}
    assert committed(broker) == {"orders/0": 20}


# the admin


def test_the_admin_resets_as_kafka_python_s_does(broker, hundred):
    admin = broker.admin()
    done = admin.reset_group_offsets("g", {ORDERS: OffsetSpec.EARLIEST})
    assert done == {ORDERS: {"error": None, "offset": 20}}
    assert (
        admin.reset_group_offsets("g", {ORDERS: OffsetTimestamp(hundred[3].append_ms)})[ORDERS]["offset"]
        == 30
    )
    for behind in (1_000, -1, OffsetSpec.LATEST):
        assert admin.reset_group_offsets("g", {ORDERS: behind})[ORDERS]["offset"] == 100
    with pytest.raises(NoOffsetForPartitionError, match="LATEST_TIERED is not supported"):
        admin.reset_group_offsets("g", {ORDERS: OffsetSpec.LATEST_TIERED})
    assert admin.reset_group_offsets("g", {}) == {}
    with pytest.raises(TypeError, match="not 'earliest'"):
        admin.reset_group_offsets("g", {ORDERS: "earliest"})
    assert committed(broker) == {"orders/0": 100}

"""A snapshot of a real server: every figure exact, and unknown where it is not known."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from streamlab import keys
from streamlab.broker import Broker
from streamlab.groups.offsets import claim
from streamlab.log import PartitionLog
from streamlab.metrics.collect import Collector
from streamlab.metrics.positions import GroupPartition
from streamlab.metrics.snapshot import Snapshot
from streamlab.model import EntryId, TopicPartition
from streamlab.topics import Topics

from .log_builder import ORDERS, LogBuilder


@pytest.fixture
def log(broker: Broker) -> LogBuilder:
    return LogBuilder(broker)


@pytest.fixture
def collector(broker: Broker) -> Iterator[Collector]:
    collector = Collector(broker.connection)
    yield collector
    collector.close()


def row(snapshot: Snapshot, group: str = "g", partition: int = 0) -> GroupPartition:
    return snapshot.groups[group].partitions[partition]


def delete_before(broker: Broker, offset: int) -> None:
    PartitionLog(broker.connection, Topics(broker.connection)).delete_before({ORDERS: offset})


def forget_until(broker: Broker, batch: EntryId) -> None:
    """As retention does when what was appended before that batch has come of age."""
    topics = Topics(broker.connection)
    spec = topics.require(ORDERS.topic)
    now_ms = batch.append_ms + spec.config("retention.ms")
    PartitionLog(broker.connection, topics).apply_retention({ORDERS: spec}, now_ms)


def test_an_empty_server_has_a_snapshot_with_nothing_in_it(collector: Collector) -> None:
    snapshot = collector.collect(7)
    assert (snapshot.seq, snapshot.topics, snapshot.groups) == (7, {}, {})
    assert snapshot.server.engine in ("redis", "valkey")
    assert snapshot.server.cpu_share is None


def test_a_topic_that_was_never_used_is_empty_and_not_unknown(collector: Collector, broker: Broker) -> None:
    broker.admin().create_topics({"fresh": {"num_partitions": 2}})
    topic = collector.collect(1).topics["fresh"]
    assert [(p.log_start, p.log_end, p.size_bytes) for p in topic.partitions] == [(0, 0, 0), (0, 0, 0)]
    assert topic.partitions[0].last_append_ms is None
    assert (topic.records, topic.skew) == (0, None)


def test_edges_sizes_and_append_times_are_those_of_the_log(collector: Collector, log: LogBuilder) -> None:
    log.topic(partitions=2)
    log.append(10)
    newest = log.append(5)
    first, second = collector.collect(1).topics["orders"].partitions
    assert (first.log_end, first.size_bytes, first.last_append_ms) == (15, 200, newest.append_ms)
    assert second.log_end == 0


class TestTimeLag:
    """Three batches of 10 records: offsets 0-9, 10-19, 20-29."""

    @pytest.mark.parametrize(
        ("why", "offset", "entry", "first_unread"),
        [
            ("the batch is consumed whole: the next one's time", 10, 0, 1),
            ("in the middle of a batch: that batch's own time", 15, 1, 1),
            ("one record into the last batch", 21, 2, 2),
            ("one record before the end of a batch", 19, 1, 1),
            ("from the beginning, nothing read yet", 0, None, 0),
            ("an operator's commit at the edge of a batch", 20, None, 2),
            ("an operator's commit in the middle of a batch", 13, None, 1),
        ],
    )
    def test_is_the_age_of_the_first_record_not_consumed(
        self,
        collector: Collector,
        log: LogBuilder,
        why: str,
        offset: int,
        entry: int | None,
        first_unread: int,
    ) -> None:
        log.topic()
        batches = log.batches(3)
        log.commit("g", offset, None if entry is None else batches[entry])
        snapshot = collector.collect(1)
        assert row(snapshot).time_lag_ms == snapshot.as_of_ms - batches[first_unread].append_ms, why
        assert row(snapshot).lag == 30 - offset

    def test_is_zero_for_a_group_that_has_caught_up(self, collector: Collector, log: LogBuilder) -> None:
        log.topic()
        log.commit("g", 30, log.batches(3)[-1])
        assert (row(collector.collect(1)).time_lag_ms, row(collector.collect(2)).lag) == (0, 0)

    def test_grows_while_the_group_stands_still(self, collector: Collector, log: LogBuilder) -> None:
        log.topic()
        batches = log.batches(3)
        log.commit("g", 10, batches[0])
        for seq in range(3):
            snapshot = collector.collect(seq)
            assert row(snapshot).time_lag_ms == snapshot.as_of_ms - batches[1].append_ms

    def test_follows_the_group_on(self, collector: Collector, log: LogBuilder) -> None:
        log.topic()
        batches = log.batches(3)
        log.commit("g", 10, batches[0])
        collector.collect(1)
        log.commit("g", 20, batches[1])
        snapshot = collector.collect(2)
        assert row(snapshot).time_lag_ms == snapshot.as_of_ms - batches[2].append_ms

    def test_of_what_retention_removed_is_the_age_of_what_is_left(
        self, collector: Collector, log: LogBuilder
    ) -> None:
        log.topic()
        batches = log.batches(3)
        log.commit("g", 5, batches[0])
        assert row(collector.collect(1)).lost == 0
        forget_until(log.broker, batches[2])
        snapshot = collector.collect(2)
        assert (row(snapshot).lost, row(snapshot).purged) == (15, 0)
        assert row(snapshot).lag == 25
        assert row(snapshot).time_lag_ms == snapshot.as_of_ms - batches[2].append_ms

    def test_of_what_somebody_deleted_is_the_age_of_what_is_left(
        self, collector: Collector, log: LogBuilder
    ) -> None:
        log.topic()
        batches = log.batches(3)
        log.commit("g", 5, batches[0])
        delete_before(log.broker, 20)
        snapshot = collector.collect(1)
        assert (row(snapshot).lost, row(snapshot).purged, row(snapshot).lag) == (0, 15, 25)
        assert row(snapshot).time_lag_ms == snapshot.as_of_ms - batches[2].append_ms

    def test_is_right_after_the_server_lost_its_newest_records(
        self, collector: Collector, log: LogBuilder
    ) -> None:
        log.topic()
        log.commit("g", 20, log.batches(3)[1])
        collector.collect(1)
        log.lose_everything()
        batches = log.batches(5, records=5)
        snapshot = collector.collect(2)
        assert (row(snapshot).lag, row(snapshot).time_lag_ms) == (5, snapshot.as_of_ms - batches[4].append_ms)

    def test_needs_a_script_that_the_server_may_have_forgotten(
        self, collector: Collector, log: LogBuilder
    ) -> None:
        log.topic()
        batches = log.batches(2)
        log.commit("g", 10, batches[0])
        log.commit("by hand", 10, None)
        collector.collect(1)
        log.connection.client.script_flush()
        snapshot = Collector(log.connection).collect(1)
        assert row(snapshot).time_lag_ms == snapshot.as_of_ms - batches[1].append_ms
        assert row(snapshot, "by hand").time_lag_ms == row(snapshot).time_lag_ms

    def test_of_many_groups_and_partitions_is_asked_in_portions(
        self, collector: Collector, log: LogBuilder, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("streamlab.metrics.first_unread.LOOKUPS_A_CALL", 7)
        monkeypatch.setattr("streamlab.metrics.first_unread.CALLS_A_ROUND_TRIP", 2)
        monkeypatch.setattr("streamlab.metrics.first_unread.PAYLOAD_A_CALL_BYTES", 250)
        log.topic(partitions=40)
        unread = {}
        for number in range(40):
            partition = TopicPartition("orders", number)
            read = log.append(10, partition)
            unread[number] = log.append(10, partition)
            log.commit("g", 10, read, partition)
            log.commit("by hand", 10, None, partition)
        snapshot = collector.collect(1)
        for group in ("g", "by hand"):
            for number in range(40):
                age_ms = snapshot.as_of_ms - unread[number].append_ms
                assert row(snapshot, group, number).time_lag_ms == age_ms


def test_a_lookup_stops_early_when_the_entries_are_large(log: LogBuilder) -> None:
    log.topic()
    first = log.append(10)
    logs = [keys.log(*ORDERS)] * 5
    assert log.connection.run("next_entries", logs, [250, *["-"] * 5]) == [str(first).encode()] * 3
    assert log.connection.run("next_entries", logs, [10_000, *["-"] * 5]) == [str(first).encode()] * 5
    assert log.connection.run("next_entries", logs[:1], [10_000, f"({first}"]) == [b""]


def test_a_partition_that_was_taken_and_never_committed_has_no_lag(
    collector: Collector, log: LogBuilder
) -> None:
    log.topic()
    log.append(10)
    claim(log.connection, "g", "member-1", {ORDERS: 1})
    snapshot = collector.collect(1)
    found = row(snapshot)
    assert (found.committed, found.lag, found.time_lag_ms, found.commit_ms) == (None, None, None, None)
    assert (snapshot.groups["g"].lag, snapshot.groups["g"].time_lag_ms) == (None, None)


def test_a_commit_past_the_log_end_is_said_and_not_called_a_lag_of_zero(
    collector: Collector, log: LogBuilder
) -> None:
    log.topic()
    log.commit("g", 15, log.append(10))
    found = row(collector.collect(1))
    assert (found.lag, found.time_lag_ms, found.ahead) == (None, None, 5)


def test_a_group_with_commits_alone_is_empty_and_shown(collector: Collector, log: LogBuilder) -> None:
    log.topic()
    log.commit("g", 4, log.append(10))
    snapshot = collector.collect(1)
    assert (snapshot.groups["g"].state, snapshot.groups["g"].members, snapshot.groups["g"].lag) == (
        "Empty",
        [],
        6,
    )
    assert snapshot.topics["orders"].groups == ["g"]


def test_rates_are_unknown_first_and_exact_from_then_on(collector: Collector, log: LogBuilder) -> None:
    log.topic(partitions=2)
    log.append(10)
    first = collector.collect(1)
    assert (first.topics["orders"].rate, first.topics["orders"].partitions[0].byte_rate) == (None, None)
    time.sleep(0.1)
    log.append(50)
    second = collector.collect(2)
    elapsed_s = (second.as_of_ms - first.as_of_ms) / 1000
    assert second.topics["orders"].rate == pytest.approx(50 / elapsed_s)
    assert second.topics["orders"].partitions[0].byte_rate == pytest.approx(100 / elapsed_s)
    assert second.topics["orders"].partitions[1].rate == 0.0


def test_what_a_group_consumes_a_second_is_measured_by_its_commits(
    collector: Collector, log: LogBuilder
) -> None:
    log.topic()
    batch = log.append(1_000)
    log.commit("g", 100, batch)
    first = row(collector.collect(1))
    time.sleep(0.6)
    log.commit("g", 400, batch)
    second = row(collector.collect(2))
    assert first.commit_ms is not None and second.commit_ms is not None
    assert first.consumed_rate is None
    assert second.consumed_rate == pytest.approx(300 * 1000 / (second.commit_ms - first.commit_ms))


def test_a_deleted_topic_vanishes_with_its_groups(collector: Collector, log: LogBuilder) -> None:
    log.topic()
    log.commit("g", 4, log.append(10))
    assert set(collector.collect(1).topics) == {"orders"}
    log.broker.admin().delete_topics(["orders"])
    snapshot = collector.collect(2)
    assert (snapshot.topics, snapshot.groups) == ({}, {})


def test_a_topic_made_anew_shares_nothing_with_the_one_before(collector: Collector, log: LogBuilder) -> None:
    log.topic()
    batches = log.batches(2, records=50)
    log.commit("g", 50, batches[0])
    collector.collect(1)
    log.broker.admin().delete_topics(["orders"])
    log.topic()
    batches = log.batches(3, records=50)
    log.commit("g", 50, batches[0])
    snapshot = collector.collect(2)
    assert snapshot.topics["orders"].rate is None
    assert row(snapshot).time_lag_ms == snapshot.as_of_ms - batches[1].append_ms
    assert row(snapshot).consumed_rate is None


def test_added_partitions_are_seen_with_the_next_snapshot(collector: Collector, log: LogBuilder) -> None:
    log.topic()
    log.append(10)
    collector.collect(1)
    log.broker.admin().create_partitions({"orders": 3})
    topic = collector.collect(2).topics["orders"]
    assert [p.rate for p in topic.partitions] == [0.0, None, None]


def test_a_real_group_is_shown_as_its_consumer_sees_it(collector: Collector, broker: Broker) -> None:
    broker.admin().create_topics({"orders": {"num_partitions": 3}})
    producer = broker.producer()
    for number in range(30):
        producer.send("orders", value=b"x", partition=number % 3).get(30)
    consumer = broker.consumer("orders", group_id="g", auto_offset_reset="earliest", enable_auto_commit=False)
    seen, deadline = 0, time.monotonic() + 20
    while seen < 30 and time.monotonic() < deadline:
        seen += sum(len(records) for records in consumer.poll(timeout_ms=200).values())
    before = collector.collect(1).groups["g"]
    assert [(p.committed, p.lag, p.owner is None) for p in before.partitions] == [(None, None, False)] * 3
    consumer.commit()
    group = collector.collect(2).groups["g"]
    consumer.close()
    left = collector.collect(3).groups["g"]
    producer.close()

    assert (group.state, group.lag, group.time_lag_ms) == ("Stable", 0, 0)
    (member,) = group.members
    assert list(member.owned) == list(member.assigned) == ["orders/0", "orders/1", "orders/2"]
    assert {p.owner for p in group.partitions} == {member.member_id}
    assert (left.state, left.lag, [p.owner for p in left.partitions]) == ("Empty", 0, [None] * 3)


def test_lag_is_never_negative_while_others_write_and_commit(
    collector: Collector, log: LogBuilder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "streamlab.metrics.camera.COMMANDS_A_REQUEST", 1
    )  # lets others in between any two reads
    log.topic(partitions=4)
    partitions = [TopicPartition("orders", number) for number in range(4)]
    stop = threading.Event()
    rounds = 0

    def work() -> None:
        """Append and commit at once, so that the group is always at the very end."""
        nonlocal rounds
        while not stop.is_set():
            for partition in partitions:
                entry = log.append(10, partition)
                log.commit("g", entry.last_offset + 1, entry, partition)
            rounds += 1

    worker = threading.Thread(target=work)
    worker.start()
    try:
        seen = [collector.collect(seq) for seq in range(150)]
    finally:
        stop.set()
        worker.join()
    rows = [found for snapshot in seen if "g" in snapshot.groups for found in snapshot.groups["g"].partitions]
    assert rounds > 20
    assert len({found.committed for found in rows}) > 20
    assert all(found.lag is not None and found.lag >= 0 for found in rows), [r for r in rows if r.lag is None]
    assert all(found.time_lag_ms is not None and 0 <= found.time_lag_ms < 60_000 for found in rows)


class TestWhatIsGoneUnread:
    """Retention's doing is a loss, a deletion is not, in whatever order they come."""

    def test_each_is_counted_for_itself(self, collector: Collector, log: LogBuilder) -> None:
        log.topic()
        batches = log.batches(8)
        log.commit("g", 5, batches[0])
        log.commit("further", 35, batches[3])
        log.commit("reads along", 80, batches[7])
        forget_until(log.broker, batches[1])
        delete_before(log.broker, 25)
        forget_until(log.broker, batches[4])
        delete_before(log.broker, 45)
        delete_before(log.broker, 60)
        snapshot = collector.collect(1)
        gone = {name: (row(snapshot, name).lost, row(snapshot, name).purged) for name in snapshot.groups}
        # retention took 0-10 and 25-40, somebody 10-25 and 40-60
        assert gone == {"g": (5 + 15, 15 + 20), "further": (5, 20), "reads along": (0, 0)}

    def test_a_deletion_that_finds_nothing_more_to_delete_changes_nothing(
        self, collector: Collector, log: LogBuilder
    ) -> None:
        log.topic()
        batches = log.batches(3)
        log.commit("g", 0, None)
        forget_until(log.broker, batches[2])
        delete_before(log.broker, 20)
        delete_before(log.broker, 7)
        assert (row(collector.collect(1)).lost, row(collector.collect(2)).purged) == (20, 0)

    def test_of_very_many_deletions_the_oldest_are_told_as_lost(
        self, collector: Collector, log: LogBuilder
    ) -> None:
        log.topic()
        batches = log.batches(20)
        log.commit("g", 0, None)
        for n in range(9):
            delete_before(log.broker, 20 * n + 10)
            forget_until(log.broker, batches[2 * n + 2])
        gone = row(collector.collect(1))
        assert (gone.lost, gone.purged) == (9 * 10 + 10, 8 * 10)

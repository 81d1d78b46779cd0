"""Compaction: the newest value of each key stays, offsets never change, and nobody who writes or reads notices."""

from __future__ import annotations

import threading

import pytest

from streamlab import codec, compaction, keys, retention
from streamlab.compaction import cleaner
from streamlab.log import PartitionLog
from streamlab.metrics.collect import Collector
from streamlab.model import TopicPartition
from streamlab.topics import Topics
from tests.builders import a_topic, read
from tests.waiting import until

DAY_MS = 86_400_000


@pytest.fixture
def log(broker):
    return PartitionLog(broker.connection, Topics(broker.connection, max_age_ms=0))


def a_compacted_topic(broker, partitions=1, **configs):
    return a_topic(broker, partitions, **{"cleanup_policy": "compact"} | configs)


def append(broker, topic, *records, codec_name="none"):
    """One batch of (key, value) pairs straight through the script; its base offset."""
    keys_, values = zip(*records, strict=True)
    batch = codec.encode([1] * len(records), keys_, values, codec=codec_name)
    places = [keys.log(topic, 0), keys.meta(topic, 0), keys.producers(topic, 0)]
    return broker.connection.run("append", places, [-1, 0, 0, len(records), batch])[0]


def compact(broker, topic, later_ms=0):
    """One pass over partition 0, whether it is due or not; None when nothing may be compacted."""
    partition, spec = TopicPartition(topic, 0), Topics(broker.connection).require(topic)
    now_ms = broker.connection.server_time_ms() + later_ms
    edge = compaction.edges(broker.connection, [(partition, spec)], now_ms).get(partition)
    return edge and compaction.compact(broker.connection, partition, spec, edge, now_ms)


def everything(broker, topic, start=0):
    """(offset, key, value) of all records from an offset on, as a consumer gets them."""
    partition = TopicPartition(topic, 0)
    end = broker.admin().partition_offsets([partition])[partition].log_end
    found = []
    consumer = broker.consumer(auto_offset_reset="earliest")
    consumer.assign([partition])
    consumer.seek(partition, start)

    def all_read():
        for records in consumer.poll(50).values():
            found.extend((r.offset, r.key, r.value) for r in records)
        return consumer.position(partition) >= end

    until(all_read, 30, f"position {end}")
    consumer.close()
    return found


def test_the_newest_value_of_each_key_stays_under_its_offset(broker):
    topic = a_compacted_topic(broker)
    append(broker, topic, (b"a", b"1"), (b"b", b"1"), (b"a", b"2"))
    append(broker, topic, (b"c", b"1"), (b"b", b"2"))
    append(broker, topic, (b"end", b""))
    done = compact(broker, topic)
    assert (done.records, done.removed) == (5, 2)
    assert everything(broker, topic) == [
        (2, b"a", b"2"),
        (3, b"c", b"1"),
        (4, b"b", b"2"),
        (5, b"end", b""),
    ]


@pytest.mark.parametrize("name", sorted(codec.COMPRESSIONS))
def test_a_thinned_batch_is_compressed_as_it_was(broker, name):
    topic = a_compacted_topic(broker)
    append(broker, topic, (b"a", b"1" * 500), (b"b", b"1"), (b"a", b"2" * 500), codec_name=name)
    append(broker, topic, (b"end", b""))
    compact(broker, topic)
    _, fields = broker.connection.client.xrange(keys.log(topic, 0), count=1)[0]
    assert fields[b"b"][1] == codec.COMPRESSIONS[name].number
    assert everything(broker, topic) == [(1, b"b", b"1"), (2, b"a", b"2" * 500), (3, b"end", b"")]


def test_the_newest_entry_is_left_alone_with_all_its_records(broker):
    topic = a_compacted_topic(broker)
    append(broker, topic, (b"a", b"1"), (b"a", b"2"))
    assert compact(broker, topic) is None
    append(broker, topic, (b"a", b"3"), (b"a", b"4"))
    compact(broker, topic)
    assert [offset for offset, _, _ in everything(broker, topic)] == [1, 2, 3]


def test_records_younger_than_the_compaction_lag_are_left_alone(broker):
    topic = a_compacted_topic(broker, min_compaction_lag_ms=60_000)
    for value in (b"1", b"2", b"3"):
        append(broker, topic, (b"a", value))
    assert compact(broker, topic) is None
    assert compact(broker, topic, later_ms=61_000).removed == 1


def test_entries_that_become_empty_leave_no_gap_for_readers(broker, log):
    topic = a_compacted_topic(broker)
    partition = TopicPartition(topic, 0)
    for n in range(50):
        append(broker, topic, (b"a", b"%d" % n))
    append(broker, topic, (b"b", b"1"))
    compact(broker, topic)
    assert broker.connection.client.xlen(keys.log(topic, 0)) == 2
    for start in (0, 1, 25, 48, 49):
        assert everything(broker, topic, start) == [(49, b"a", b"49"), (50, b"b", b"1")]
    assert everything(broker, topic, 50) == [(50, b"b", b"1")]
    assert [log.locate({partition: n})[partition].entry.last_offset for n in (0, 30, 49, 50)] == [
        49,
        49,
        49,
        50,
    ]
    assert log.offsets([partition])[partition][:2] == (0, 51)


def test_an_offset_by_time_is_that_of_a_record(broker, log):
    topic = a_compacted_topic(broker)
    partition = TopicPartition(topic, 0)
    append(broker, topic, (b"a", b"1"), (b"b", b"1"), (b"c", b"1"))
    append(broker, topic, (b"a", b"2"), (b"b", b"2"), (b"end", b""))
    append(broker, topic, (b"end", b""))
    compact(broker, topic)
    assert log.at_time({partition: 0})[partition].offset == 2


def test_a_tombstone_stays_for_its_time_after_the_first_pass_and_then_goes(broker):
    topic = a_compacted_topic(broker)
    append(broker, topic, (b"a", b"1"), (b"b", b"1"))
    append(broker, topic, (b"a", None))
    append(broker, topic, (b"end", b""))
    assert (
        compact(broker, topic, later_ms=10 * DAY_MS).tombstones == 1
    )  # however old it was when a pass first saw it
    assert everything(broker, topic)[:2] == [(1, b"b", b"1"), (2, b"a", None)]
    compact(broker, topic, later_ms=11 * DAY_MS - 60_000)
    assert (2, b"a", None) in everything(broker, topic)
    compact(broker, topic, later_ms=11 * DAY_MS + 60_000)
    assert everything(broker, topic) == [(1, b"b", b"1"), (3, b"end", b"")]


def test_tombstones_alone_are_a_reason_for_a_pass_once_they_are_over(broker):
    topic = a_compacted_topic(broker, delete_retention_ms=60_000)
    append(broker, topic, (b"a", b"1"), (b"a", None))
    append(broker, topic, (b"end", b""))
    compact(broker, topic)
    partition, spec = TopicPartition(topic, 0), Topics(broker.connection).require(topic)
    now_ms = broker.connection.server_time_ms()
    [edge] = compaction.edges(broker.connection, [(partition, spec)], now_ms).values()
    assert compaction.due(edge, spec, now_ms) is None
    assert "tombstones" in compaction.due(edge, spec, now_ms + 61_000)
    compact(broker, topic, later_ms=61_000)
    [edge] = compaction.edges(broker.connection, [(partition, spec)], now_ms).values()
    assert compaction.due(edge, spec, now_ms + 200_000) is None


def test_records_without_a_key_go(broker):
    topic = a_topic(broker)
    append(broker, topic, (None, b"1"), (b"a", b"1"))
    append(broker, topic, (b"end", b""))
    broker.admin().configure_topic(topic, {"cleanup.policy": "compact"})
    compact(broker, topic)
    assert everything(broker, topic) == [(1, b"a", b"1"), (2, b"end", b"")]


def test_a_damaged_batch_stays_where_it_is(broker):
    topic = a_compacted_topic(broker)
    append(broker, topic, (b"a", b"1"), (b"b", b"1"))
    places = [keys.log(topic, 0), keys.meta(topic, 0), keys.producers(topic, 0)]
    broker.connection.run("append", places, [-1, 0, 0, 2, b"damaged"])
    append(broker, topic, (b"a", b"2"))
    append(broker, topic, (b"end", b""))
    compact(broker, topic)
    stored = broker.connection.client.xrange(keys.log(topic, 0))
    assert [fields[b"b"] for _, fields in stored][1] == b"damaged"
    assert everything(broker, topic, 4) == [(4, b"a", b"2"), (5, b"end", b"")]


def test_sizes_stay_true_through_compaction_and_retention(broker, log):
    topic = a_compacted_topic(broker, cleanup_policy="compact,delete")
    partition = TopicPartition(topic, 0)

    def kept():
        stored = broker.connection.client.xrange(keys.log(topic, 0))
        return sum(len(fields[b"b"]) for _, fields in stored)

    for n in range(40):
        append(broker, topic, *[(b"%d" % key, b"x" * 100) for key in range(n, n + 5)])
    before = log.offsets([partition])[partition]
    compact(broker, topic)
    after = log.offsets([partition])[partition]
    assert after.size_bytes == kept() < before.size_bytes
    assert after.appended_bytes == before.appended_bytes
    log.delete_before({partition: 100})
    assert log.offsets([partition])[partition].size_bytes == kept()
    assert compact(broker, topic).done
    assert log.offsets([partition])[partition].size_bytes == kept()


def test_a_log_with_nothing_to_remove_is_not_written_anew(broker):
    topic = a_compacted_topic(broker)
    for n in range(10):
        append(broker, topic, (b"%d" % n, b""))
    done = compact(broker, topic)
    assert (done.removed, done.rewritten, done.done) == (0, 0, True)
    assert broker.connection.client.hget(keys.meta(topic, 0), "clean") is not None


def test_the_sweep_compacts_what_is_dirty_and_leaves_what_is_clean(broker):
    topic = a_compacted_topic(broker)
    for n in range(20):
        append(broker, topic, (b"a", b"%d" % n))
    for n in range(20):
        append(broker, topic, (b"%d" % n, b""))
    retention.sweep(broker.connection)
    assert len(everything(broker, topic)) == 21
    swept = broker.connection.client.hgetall(keys.meta(topic, 0))
    append(broker, topic, (b"3", b""), (b"4", b""))
    append(broker, topic, (b"end", b""))
    retention.sweep(broker.connection)
    assert (
        broker.connection.client.hget(keys.meta(topic, 0), "clean") == swept[b"clean"]
    )  # less than half is new


def test_retention_removes_nothing_from_a_topic_that_is_only_compacted(broker):
    topic = a_compacted_topic(broker, retention_bytes=1)
    for n in range(10):
        append(broker, topic, (b"%d" % n, b"x" * 100))
    retention.sweep(broker.connection)
    assert len(everything(broker, topic)) == 10
    broker.admin().configure_topic(topic, {"cleanup.policy": "delete,compact"})
    retention.sweep(broker.connection)
    assert len(everything(broker, topic)) == 1


def test_a_pass_gives_way_when_records_are_removed_from_the_front(broker, log, monkeypatch):
    topic = a_compacted_topic(broker)
    for n in range(10):
        append(broker, topic, (b"a", b"%d" % n))
    finish = cleaner._Pass._finish
    monkeypatch.setattr(
        cleaner._Pass,
        "_finish",
        lambda one: log.delete_before({TopicPartition(topic, 0): 9}) and finish(one),
    )
    assert not compact(broker, topic).done
    assert not broker.connection.client.exists(keys.cleaned(topic, 0))
    assert everything(broker, topic, 9) == [(9, b"a", b"9")]
    monkeypatch.undo()
    append(broker, topic, (b"a", b"10"))
    append(broker, topic, (b"end", b""))
    assert compact(broker, topic).done
    assert everything(broker, topic, 9) == [(10, b"a", b"10"), (11, b"end", b"")]


def test_a_pass_that_another_one_overtook_is_refused(broker, monkeypatch):
    topic = a_compacted_topic(broker)
    for n in range(10):
        append(broker, topic, (b"a", b"%d" % n))
    finish = cleaner._Pass._finish
    overtaking = []

    def overtaken(one):
        if not overtaking:
            overtaking.append(True)
            assert compact(broker, topic).done
        return finish(one)

    monkeypatch.setattr(cleaner._Pass, "_finish", overtaken)
    assert not compact(broker, topic).done
    assert everything(broker, topic) == [(8, b"a", b"8"), (9, b"a", b"9")]


def test_a_pass_that_lost_a_step_to_a_failover_leaves_no_hole(broker, monkeypatch):
    topic = a_compacted_topic(broker)
    for n in range(10):
        append(broker, topic, (b"%d" % n, b""), (b"a", b"%d" % n))
    before, client, flush, flushes = (
        everything(broker, topic),
        broker.connection.client,
        cleaner._Pass._flush,
        [],
    )

    def one_is_lost(one):
        stored = {key: client.dump(key) for key in (keys.meta(topic, 0), keys.cleaned(topic, 0))}
        flush(one)
        flushes.append(one)
        if len(flushes) == 4:  # a replica takes over that had not heard of this one yet
            for key, dump in stored.items():
                client.restore(key, 0, dump, replace=True)

    monkeypatch.setattr(cleaner, "BYTES_A_CALL", 1)
    monkeypatch.setattr(cleaner._Pass, "_flush", one_is_lost)
    assert not compact(broker, topic).done
    assert len(flushes) == 4
    assert everything(broker, topic) == before
    monkeypatch.undo()
    assert compact(broker, topic).done
    assert {key for _, key, _ in everything(broker, topic)} == {key for _, key, _ in before}


def test_a_key_that_the_pass_has_no_room_for_is_left_to_the_next_pass(broker, monkeypatch):
    topic = a_compacted_topic(broker)
    for n in range(100):
        append(broker, topic, (b"%d" % (n % 30), b"%d" % n), (b"%d" % (n % 7), b"%d" % n))
    append(broker, topic, (b"end", b""))
    expected = {key: value for _, key, value in everything(broker, topic)}
    monkeypatch.setattr(cleaner, "KEYS_A_PASS", 10)
    passes = 0
    while (done := compact(broker, topic)).entries and passes < 60:
        passes += 1
        if not done.removed and passes > 50:
            break
    rest = everything(broker, topic)
    assert {key: value for _, key, value in rest} == expected
    assert len(rest) < 201


def test_a_consumer_in_the_middle_goes_on_through_a_compaction(broker):
    topic = a_compacted_topic(broker)
    for n in range(30):
        append(broker, topic, *[(b"%d" % key, b"%d" % n) for key in range(5)])
    consumer = broker.consumer(topic, group_id="g", auto_offset_reset="earliest", max_poll_records=7)
    first = read(consumer, 7)
    compact(broker, topic)
    append(broker, topic, (b"after", b""))
    rest = read(consumer, 1)
    while rest[-1].key != b"after":
        rest += read(consumer, 1)
    consumer.close()
    offsets = [record.offset for record in first + rest]
    assert offsets == sorted(set(offsets))
    assert offsets[-7:] == [*range(144, 151)]


def test_a_reader_that_waits_at_the_log_end_sees_what_comes_after_the_swap(broker):
    topic = a_compacted_topic(broker)
    for n in range(10):
        append(broker, topic, (b"a", b"%d" % n))
    consumer = broker.consumer(auto_offset_reset="earliest", fetch_max_wait_ms=30_000)
    consumer.assign([TopicPartition(topic, 0)])
    read(consumer, 10)
    arrived = []
    reading = threading.Thread(target=lambda: arrived.extend(read(consumer, 1, timeout_s=20)))
    reading.start()
    assert compact(broker, topic).done
    append(broker, topic, (b"new", b""))
    reading.join(60)
    consumer.close()
    assert [record.key for record in arrived] == [b"new"]


def test_producers_append_while_a_pass_is_under_way(broker, monkeypatch):
    topic = a_compacted_topic(broker)
    for n in range(100):
        append(broker, topic, (b"%d" % (n % 10), b"%d" % n))
    monkeypatch.setattr(cleaner, "ENTRIES_A_CALL", 4)
    run, calls = broker.connection.run, []

    def with_appends_between(name, *rest, **more):
        if name.startswith("compact/"):
            calls.append(name)
            append(broker, topic, (b"meanwhile-%d" % len(calls), b""))
        return run(name, *rest, **more)

    monkeypatch.setattr(broker.connection, "run", with_appends_between)
    assert compact(broker, topic).done
    monkeypatch.undo()
    keys_read = [key for _, key, _ in everything(broker, topic)]
    assert keys_read[-len(calls) :] == [b"meanwhile-%d" % n for n in range(1, len(calls) + 1)]
    assert sorted(keys_read[:10]) == [b"%d" % n for n in range(10)]


def test_the_time_lag_is_that_of_the_oldest_record_left(broker):
    topic = a_compacted_topic(broker)
    partition = TopicPartition(topic, 0)

    def append_later(*records):
        before = broker.connection.server_time_ms()
        until(lambda: broker.connection.server_time_ms() > before + 20, 60)
        return append(broker, topic, *records)

    append(broker, topic, (b"a", b"1"))
    append_later((b"a", b"2"))
    append_later((b"end", b""))
    broker.admin().alter_group_offsets("g", {partition: 0})
    collector = Collector(broker.connection)

    def behind_since():
        snapshot = collector.collect(0)
        [its] = [p for p in snapshot.groups["g"].partitions if p.partition == 0]
        return snapshot.as_of_ms - its.time_lag_ms

    first, second = (
        int(i.partition(b"-")[0]) for i, _ in broker.connection.client.xrange(keys.log(topic, 0))[:2]
    )
    assert behind_since() == first
    compact(broker, topic)
    assert behind_since() == second
    collector.close()


def test_a_topic_made_anew_in_the_middle_of_a_pass_is_left_alone(broker, monkeypatch):
    topic = a_compacted_topic(broker)
    for n in range(10):
        append(broker, topic, (b"a", b"%d" % n))
    thin = cleaner._Pass._thin

    def made_anew(one):
        broker.admin().delete_topics([topic])
        broker.admin().create_topics({topic: {"configs": {"cleanup.policy": "compact"}}})
        one._until = one._until._replace(append_ms=2**50)  # as if the new records were old enough
        for n in range(3):
            append(broker, topic, (b"a", b"new %d" % n))
        thin(one)

    monkeypatch.setattr(cleaner._Pass, "_thin", made_anew)
    assert not compact(broker, topic).done
    assert everything(broker, topic) == [(n, b"a", b"new %d" % n) for n in range(3)]

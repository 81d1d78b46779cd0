"""The partition log: dense offsets, nothing twice, everything found again, retention on batch boundaries."""

from __future__ import annotations

import msgspec
import pytest

from streamlab import codec, keys
from streamlab.connection import Call
from streamlab.errors import StreamlabError, UnknownTopicOrPartitionError
from streamlab.log import PartitionLog, Place
from streamlab.model import TopicPartition
from streamlab.topics import Topics
from tests.builders import a_topic, numbered, produce


@pytest.fixture
def log(broker):
    return PartitionLog(broker.connection, Topics(broker.connection, max_age_ms=0))


def append(broker, topic, count=1, producer=-1, epoch=0, sequence=0, size=10):
    """One batch straight through the script: (base offset, append ms, duplicate)."""
    batch = codec.encode([1] * count, [None] * count, [b"x" * size] * count)
    places = [keys.log(topic, 0), keys.meta(topic, 0), keys.producers(topic, 0)]
    return broker.connection.run("append", places, [producer, epoch, sequence, count, batch])


def retain(broker, log, partition, now_ms):
    """Apply the topic's retention; the log start after it."""
    spec = Topics(broker.connection).require(partition.topic)
    return log.apply_retention({partition: spec}, now_ms)[partition]


def test_offsets_are_dense_across_batches(broker):
    topic = a_topic(broker)
    assert [append(broker, topic, n)[0] for n in (3, 1, 5)] == [0, 3, 4]


def test_a_repeated_batch_gets_its_first_offset_and_is_not_stored_again(broker, log):
    topic = a_topic(broker)
    first = append(broker, topic, 3, producer=7, sequence=0)
    again = append(broker, topic, 3, producer=7, sequence=0)
    assert again[:2] == first[:2] and (first[2], again[2]) == (0, 1)
    assert log.offsets([TopicPartition(topic, 0)])[TopicPartition(topic, 0)].log_end == 3


def test_the_last_ten_batches_are_recognised_and_older_ones_are_not_appended_again(broker):
    topic = a_topic(broker)
    for n in range(12):
        append(broker, topic, 1, producer=7, sequence=n)
    assert [append(broker, topic, 1, producer=7, sequence=n)[0] for n in range(2, 12)] == list(range(2, 12))
    with pytest.raises(StreamlabError, match="DUPLICATE"):
        append(broker, topic, 1, producer=7, sequence=0)


def test_a_gap_in_the_sequence_is_refused(broker):
    topic = a_topic(broker)
    append(broker, topic, 2, producer=7, sequence=0)
    with pytest.raises(StreamlabError, match="OUT_OF_ORDER"):
        append(broker, topic, 1, producer=7, sequence=3)


def test_sequences_wrap_at_the_end_of_31_bits(broker):
    topic = a_topic(broker)
    kept = [0, 0, 2**31 - 3, 2**31 - 2, 0, 1]  # epoch, ms, and one batch of two
    broker.connection.client.hset(keys.producers(topic, 0), 7, msgspec.msgpack.encode(kept))
    append(broker, topic, 2, producer=7, sequence=2**31 - 1)
    assert append(broker, topic, 1, producer=7, sequence=1)[0] == 2


def test_a_producer_that_is_not_known_begins_at_zero(broker):
    topic = a_topic(broker)
    with pytest.raises(StreamlabError, match="OUT_OF_ORDER"):
        append(broker, topic, 2, producer=7, sequence=2)
    assert append(broker, topic, 2, producer=7, sequence=0)[0] == 0


def test_an_older_epoch_is_fenced_and_a_newer_one_starts_at_zero(broker):
    topic = a_topic(broker)
    append(broker, topic, producer=7, epoch=2, sequence=0)
    with pytest.raises(StreamlabError, match="PRODUCER_FENCED"):
        append(broker, topic, producer=7, epoch=1, sequence=0)
    with pytest.raises(StreamlabError, match="OUT_OF_ORDER"):
        append(broker, topic, producer=7, epoch=3, sequence=1)
    assert append(broker, topic, producer=7, epoch=3, sequence=0)[0] == 1


def test_a_partition_that_does_not_exist_takes_nothing(broker):
    with pytest.raises(StreamlabError, match="UNKNOWN_PARTITION"):
        append(broker, "nowhere")


def test_entry_ids_carry_append_time_and_last_offset(broker):
    topic = a_topic(broker)
    append(broker, topic, 4)
    _, ms, _ = append(broker, topic, 3)
    newest = broker.connection.client.xrevrange(keys.log(topic, 0), count=1)[0][0]
    assert newest == f"{ms}-6".encode()


def test_large_offsets_keep_every_digit(broker):
    topic = a_topic(broker)
    broker.connection.client.hset(keys.meta(topic, 0), "end", str(10**15 + 1))
    assert append(broker, topic, 2)[0] == 10**15 + 1
    assert broker.connection.client.hget(keys.meta(topic, 0), "end") == str(10**15 + 3).encode()


def test_every_offset_is_found_in_its_entry(broker, log):
    topic, sizes = a_topic(broker), [1, 5, 2, 1, 1, 30, 4]
    partition = TopicPartition(topic, 0)
    for size in sizes:
        append(broker, topic, size)
    lasts = [sum(sizes[: n + 1]) - 1 for n in range(len(sizes))]
    for offset in range(sum(sizes)):
        place = log.locate({partition: offset})[partition]
        assert isinstance(place, Place)
        assert place.entry is not None
        assert place.entry.last_offset == next(last for last in lasts if last >= offset)
    assert log.locate({partition: sum(sizes)})[partition].entry is None


def test_offsets_are_found_by_append_time(broker, log):
    topic = a_topic(broker)
    partition = TopicPartition(topic, 0)
    _, first_ms, _ = append(broker, topic, 3)
    while broker.connection.server_time_ms() <= first_ms:
        pass
    _, second_ms, _ = append(broker, topic, 2)
    assert log.at_time({partition: first_ms})[partition].offset == 0
    assert log.at_time({partition: first_ms + 1})[partition].offset == 3
    assert log.at_time({partition: second_ms + 1})[partition] is None


def test_offsets_by_append_time_never_point_below_the_log_start(broker, log):
    topic = a_topic(broker)
    partition = TopicPartition(topic, 0)
    append(broker, topic, 10)
    log.delete_before({partition: 5})
    assert log.at_time({partition: 0})[partition].offset == 5


def test_retention_by_bytes_keeps_whole_batches_and_never_less_than_asked(broker, log):
    topic = a_topic(broker, retention_bytes=1000)
    partition = TopicPartition(topic, 0)
    for _ in range(20):
        append(broker, topic, 2, size=100)
    before = log.offsets([partition])[partition]
    start = retain(broker, log, partition, broker.connection.server_time_ms())
    after = log.offsets([partition])[partition]
    batch = before.size_bytes // 20
    assert start == after.log_start and start % 2 == 0
    assert 1000 <= after.size_bytes < 1000 + batch
    assert after.log_end == before.log_end and after.appended_bytes == before.appended_bytes
    assert broker.connection.client.xlen(keys.log(topic, 0)) == after.size_bytes // batch


def test_retention_by_time_removes_what_is_older(broker, log):
    topic = a_topic(broker, retention_ms=50_000)
    partition = TopicPartition(topic, 0)
    first_ms, _, last_ms = (append(broker, topic)[1] for _ in range(3))
    assert retain(broker, log, partition, first_ms + 49_999) == 0
    assert retain(broker, log, partition, last_ms + 60_000) == 3
    offsets = log.offsets([partition])[partition]
    assert (offsets.log_start, offsets.log_end, offsets.size_bytes) == (3, 3, 0)
    assert append(broker, topic)[0] == 3


def test_retention_goes_through_more_batches_than_one_call_removes(broker, log):
    topic = a_topic(broker)
    partition = TopicPartition(topic, 0)
    places = [keys.log(topic, 0), keys.meta(topic, 0), keys.producers(topic, 0)]
    batch = codec.encode([1], [None], [b"v"])
    broker.connection.run_many([Call("append", places, [-1, 0, 0, 1, batch]) for _ in range(1500)])
    assert log.delete_before({partition: 1400}) == {partition: 1400}
    assert broker.connection.client.xlen(keys.log(topic, 0)) == 100


def test_records_before_an_offset_inside_a_batch_are_hidden(broker, log):
    topic = a_topic(broker)
    partition = TopicPartition(topic, 0)
    append(broker, topic, 10)
    assert log.delete_before({partition: 4}) == {partition: 4}
    assert broker.connection.client.xlen(keys.log(topic, 0)) == 1
    consumer = broker.consumer()
    consumer.assign([partition])
    consumer.seek_to_beginning()
    assert [r.offset for r in consumer.poll(2000)[partition]] == [4, 5, 6, 7, 8, 9]
    consumer.close()


def test_a_deleted_topic_takes_its_records_with_it_and_comes_back_empty(broker, log):
    topic = a_topic(broker, 2)
    produce(broker, topic, numbered(5), partition=1)
    broker.admin().delete_topics([topic])
    assert not [key for key in broker.connection.client.scan_iter("*") if topic.encode() in key]
    with pytest.raises(UnknownTopicOrPartitionError):
        log.offsets([TopicPartition(topic, 1)])
    broker.admin().create_topics([topic])
    assert log.offsets([TopicPartition(topic, 0)])[TopicPartition(topic, 0)].log_end == 0


def test_a_deletion_that_was_cut_short_is_finished_by_whoever_creates_the_topic_again(broker, log):
    topic = a_topic(broker)
    produce(broker, topic, numbered(5))
    stored = broker.connection.client.hget(keys.TOPICS, topic)
    broker.connection.client.hset(keys.TOPICS, topic, stored.replace(b'"active"', b'"deleting"'))
    assert topic not in broker.admin().list_topics()
    broker.admin().create_topics([topic])
    assert log.offsets([TopicPartition(topic, 0)])[TopicPartition(topic, 0)].log_end == 0


def test_a_deletion_that_was_overtaken_leaves_the_topic_made_anew_alone(broker, log, monkeypatch):
    topic = a_topic(broker, 2)
    produce(broker, topic, numbered(5))
    unlink = Topics._unlink

    def late(self, topic, made):
        monkeypatch.undo()
        broker.admin().create_topics({topic: {"num_partitions": 2}})  # which finishes the deletion
        produce(broker, topic, numbered(3), partition=1)
        unlink(self, topic, made)

    monkeypatch.setattr(Topics, "_unlink", late)
    broker.admin().delete_topics([topic])
    ends = log.offsets([TopicPartition(topic, n) for n in range(2)])
    assert [place.log_end for place in ends.values()] == [0, 3]
    assert topic in broker.admin().list_topics()

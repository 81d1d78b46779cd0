"""Whatever is appended, compacted, deleted and retained in whatever order: readers end up with the model's state."""

from __future__ import annotations

import itertools

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streamlab import codec, compaction, keys
from streamlab.compaction import cleaner
from streamlab.log import PartitionLog, parse_entry, records_of
from streamlab.model import TopicPartition
from streamlab.topics import Topics
from tests.builders import a_topic

DAY_MS = 86_400_000
NAMES = [b"a", b"b", b"c", b"a long key that is remembered by its digest"]

record = st.tuples(st.sampled_from(NAMES), st.none() | st.binary(max_size=40))
step = st.one_of(
    st.tuples(
        st.just("append"),
        st.lists(record, min_size=1, max_size=6),
        st.sampled_from(sorted(codec.COMPRESSIONS)),
    ),
    st.tuples(st.just("compact"), st.sampled_from([0, 0, 2 * DAY_MS, 5 * DAY_MS]), st.integers(1, 4)),
    st.tuples(st.just("delete"), st.floats(0, 1), st.none()),
    st.tuples(st.just("retain"), st.integers(0, 400), st.none()),
)


class Partition:
    """A partition and what should be in it."""

    def __init__(self, broker):
        self.connection = broker.connection
        self.place = TopicPartition(a_topic(broker, cleanup_policy="compact,delete"), 0)
        self.topics = Topics(broker.connection, max_age_ms=0)
        self.log = PartitionLog(broker.connection, self.topics)
        self.sent: list[tuple[bytes, bytes | None]] = []  # by offset
        self.later_ms = 0

    def append(self, records, name):
        its_keys, values = zip(*records, strict=True)
        batch = codec.encode([1] * len(records), its_keys, values, codec=name)
        places = [kind(*self.place) for kind in (keys.log, keys.meta, keys.producers)]
        base, *_ = self.connection.run("append", places, [-1, 0, 0, len(records), batch])
        assert base == len(self.sent)
        self.sent += records

    def compact(self, later_ms, entries_a_call):
        self.later_ms += later_ms
        now_ms = self.connection.server_time_ms() + self.later_ms
        spec = self.topics.require(self.place.topic)
        edge = compaction.edges(self.connection, [(self.place, spec)], now_ms).get(self.place)
        usual, cleaner.ENTRIES_A_CALL = cleaner.ENTRIES_A_CALL, entries_a_call
        try:
            assert edge is None or compaction.compact(self.connection, self.place, spec, edge, now_ms).done
        finally:
            cleaner.ENTRIES_A_CALL = usual

    def delete(self, share, _):
        self.log.delete_before({self.place: int(share * len(self.sent))})

    def retain(self, keep_bytes, _):
        self.topics.configure(self.place.topic, {"retention.bytes": keep_bytes})
        spec = self.topics.require(self.place.topic)
        self.log.apply_retention({self.place: spec}, self.connection.server_time_ms())

    def stored(self):
        entries = self.connection.client.xrange(keys.log(*self.place))
        start = self.log.offsets([self.place])[self.place].log_start
        records = itertools.chain(*(records_of(self.place, parse_entry(raw)) for raw in entries))
        return start, [record for record in records if record.offset >= start]

    def check(self):
        start, records = self.stored()
        offsets = [record.offset for record in records]
        assert all(before < after for before, after in itertools.pairwise(offsets))
        assert [(r.key, r.value) for r in records] == [self.sent[offset] for offset in offsets]
        assert state((r.key, r.value) for r in records) == state(self.sent[start:])
        edges = self.log.offsets([self.place])[self.place]
        assert edges.log_end == len(self.sent)
        assert edges.size_bytes == sum(
            len(fields[b"b"]) for _, fields in self.connection.client.xrange(keys.log(*self.place))
        )


def state(records):
    """Key → newest value; a tombstone ends its key."""
    found = {}
    for key, value in records:
        found[key] = value
    return {key: value for key, value in found.items() if value is not None}


@settings(
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=st.lists(step, max_size=25))
def test_readers_end_up_with_the_newest_value_of_each_key(broker, steps):
    partition = Partition(broker)
    for name, *arguments in steps:
        getattr(partition, name)(*arguments)
        partition.check()


@settings(
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    batches=st.lists(st.lists(record, min_size=1, max_size=5), min_size=2, max_size=15),
    begin=st.floats(0, 1),
    most=st.integers(1, 7),
)
def test_a_consumer_that_reads_while_it_is_compacted_ends_up_there_too(broker, batches, begin, most):
    partition = Partition(broker)
    first, *rest = batches
    partition.append(first, "none")
    consumer = broker.consumer(auto_offset_reset="earliest", max_poll_records=most)
    consumer.assign([partition.place])
    position = int(begin * len(first))
    consumer.seek(partition.place, position)
    read = []
    for batch in rest:
        partition.append(batch, "none")
        for records in consumer.poll(20).values():
            read += records
        partition.compact(0, 2)
    while consumer.position(partition.place) < len(partition.sent):
        for records in consumer.poll(200).values():
            read += records
    consumer.close()
    offsets = [r.offset for r in read]
    assert offsets == sorted(set(offsets))
    assert state((r.key, r.value) for r in read) == state(partition.sent[position:])

"""A program written for kafka-python runs on a real server after its imports were changed, and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from kafka.partitioner.default import murmur2

from streamlab.connection import Connection
from streamlab.kafka import (
    ConsumerRebalanceListener,
    JsonSerializer,
    KafkaAdminClient,
    KafkaConsumer,
    KafkaProducer,
    OffsetAndMetadata,
    OffsetSpec,
    TopicPartition,
    errors,
)
from streamlab.kafka.admin import GroupState, NewPartitions, NewTopic, OffsetTimestamp
from streamlab.kafka.errors import NoError
from streamlab.kafka.partitioner import DefaultPartitioner, Partitioner
from tests.shell import REPOSITORY
from tests.waiting import until

PROGRAM = """
import json
import sys

from kafka import ConsumerRebalanceListener, OffsetAndMetadata, TopicPartition
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.admin import NewTopic
from kafka.errors import KafkaError, NotLeaderForPartitionError, TopicAlreadyExistsError

SERVERS = [sys.argv[1]]


class Seen(ConsumerRebalanceListener):
    def __init__(self):
        self.assigned = set()

    def on_partitions_revoked(self, revoked):
        self.assigned -= set(revoked)

    def on_partitions_assigned(self, assigned):
        self.assigned |= set(assigned)


def make_topic():
    admin = KafkaAdminClient(bootstrap_servers=SERVERS, client_id="shop-setup")
    try:
        admin.create_topics([NewTopic(name="orders", num_partitions=3, replication_factor=1)])
        try:
            admin.create_topics([NewTopic(name="orders", num_partitions=3, replication_factor=1)])
        except TopicAlreadyExistsError as error:
            print("exists", isinstance(error, KafkaError))
        admin.wait_for_topics(["orders"])
        print("topics", admin.list_topics())
    finally:
        admin.close()


def produce():
    producer = KafkaProducer(
        bootstrap_servers=SERVERS,
        security_protocol="PLAINTEXT",
        acks="all",
        retries=3,
        key_serializer=str.encode,
        value_serializer=lambda value: json.dumps(value).encode(),
    )
    told = []
    for number in range(30):
        producer.send("orders", {"number": number}, key=f"customer-{number % 5}").add_callback(told.append)
    producer.flush(timeout=60)
    last = producer.send("orders", {"number": 30}, key="customer-0", headers=[("source", b"web")])
    try:
        metadata = last.get(timeout=60)
        print("sent", metadata.topic, metadata.partition, metadata.offset >= 0, len(told))
    except NotLeaderForPartitionError:
        print("never")
    print("partitions", sorted(producer.partitions_for("orders")))
    producer.close()


def consume():
    consumer = KafkaConsumer(
        bootstrap_servers=SERVERS,
        group_id="billing",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        consumer_timeout_ms=30_000,
        value_deserializer=lambda raw: json.loads(raw.decode()),
    )
    seen = Seen()
    consumer.subscribe(["orders"], listener=seen)
    records = []
    for record in consumer:
        records.append(record)
        partition = TopicPartition(record.topic, record.partition)
        consumer.commit({partition: OffsetAndMetadata(record.offset + 1, "billed")})
        if len(records) == 31:
            break
    print("read", sorted(record.value["number"] for record in records) == list(range(31)))
    print("keys", sorted({record.key for record in records}))
    per_key = {}
    for record in records:
        per_key.setdefault(record.key, []).append(record.value["number"])
    print("ordered", all(numbers == sorted(numbers) for numbers in per_key.values()))
    print("assigned", seen.assigned == consumer.assignment() and len(seen.assigned))
    ends = consumer.end_offsets(sorted(consumer.assignment()))
    print("committed", all(consumer.committed(p) == end for p, end in ends.items() if end))
    consumer.close()


make_topic()
produce()
consume()
"""

SAID = """\
exists True
topics ['orders']
sent orders {partition} True 30
partitions [0, 1, 2]
read True
keys [b'customer-0', b'customer-1', b'customer-2', b'customer-3', b'customer-4']
ordered True
assigned 3
committed True
"""


def ported(program):
    return program.replace("from kafka", "from streamlab.kafka")


def test_a_program_runs_after_its_imports_were_changed(redis_url, tmp_path):
    path = tmp_path / "program.py"
    path.write_text(ported(PROGRAM))
    done = subprocess.run(
        [sys.executable, str(path), redis_url],
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
    )
    assert done.stderr == ""
    where_kafka_puts_it = (murmur2(b"customer-0") & 0x7FFFFFFF) % 3
    assert done.stdout == SAID.format(partition=where_kafka_puts_it)


def test_the_program_is_written_for_kafka_python():
    """Its imports are kafka-python's own, so that what runs above is a port and not a program for Streamlab."""
    imports = [line for line in PROGRAM.splitlines() if line.startswith("from kafka")]
    assert len(imports) == 4
    exec("\n".join(imports))


@pytest.fixture
def admin(redis_url):
    with KafkaAdminClient(bootstrap_servers=redis_url) as client:
        yield client


@pytest.fixture
def orders(admin, redis_url):
    """A topic with two partitions, five records in the first."""
    admin.create_topics({"orders": {"num_partitions": 2}})
    with KafkaProducer(bootstrap_servers=redis_url, value_serializer=JsonSerializer()) as producer:
        return [producer.send("orders", {"n": n}, partition=0).get(30) for n in range(5)]


FIRST, SECOND = TopicPartition("orders", 0), TopicPartition("orders", 1)


@pytest.mark.parametrize(
    "work",
    [
        lambda url: KafkaConsumer("orders", bootstrap_servers=url, group_id="g"),
        lambda url: KafkaProducer(bootstrap_servers=url),
        lambda url: KafkaAdminClient(bootstrap_servers=url),
    ],
    ids=["consumer", "producer", "admin"],
)
def test_closing_closes_the_connections_that_were_opened(redis_url, orders, work):
    watching = Connection(redis_url)
    before = open_connections(watching)
    opened = work(redis_url)
    if isinstance(opened, KafkaConsumer):
        opened.poll(100)
        assert opened.bootstrap_connected()
    elif isinstance(opened, KafkaProducer):
        opened.send("orders", b"x").get(30)
    else:
        opened.list_topics()
    assert open_connections(watching) - before
    opened.close()
    until(lambda: open_connections(watching) <= before, 60, "all of its connections are gone")
    watching.close()


def open_connections(connection):
    """Of each server, which connections of other clients it has; that of a replica to its master is not one."""
    return {
        (number, client["id"])
        for number, server in enumerate(connection.servers())
        for client in server.client_list()
        if "S" not in client["flags"]
    }


def test_offsets_are_looked_up_by_kafkas_specs(admin, orders):
    assert admin.list_partition_offsets({FIRST: OffsetSpec.LATEST})[FIRST].offset == 5
    assert admin.list_partition_offsets({FIRST: OffsetSpec.EARLIEST})[FIRST].offset == 0
    assert admin.list_partition_offsets({FIRST: OffsetSpec.MAX_TIMESTAMP})[FIRST].offset == 4
    assert admin.list_partition_offsets({SECOND: OffsetSpec.MAX_TIMESTAMP})[SECOND].offset == -1
    first_since_1970 = admin.list_partition_offsets({FIRST: 0, SECOND: 0})
    assert (first_since_1970[FIRST].offset, first_since_1970[SECOND].offset) == (0, -1)
    assert first_since_1970[FIRST].timestamp == pytest.approx(orders[0].timestamp, abs=60_000)
    with pytest.raises(errors.UnsupportedVersionError, match="tiered"):
        admin.list_partition_offsets({FIRST: OffsetSpec.LATEST_TIERED})


def test_group_offsets_are_reset_clamped_and_told_in_kafka_pythons_shape(admin, orders):
    assert admin.alter_group_offsets("g", {FIRST: OffsetAndMetadata(2, "note")}) == {FIRST: NoError}
    assert admin.reset_group_offsets("g", {FIRST: 99}) == {FIRST: {"error": NoError, "offset": 5}}
    assert admin.reset_group_offsets("g", {FIRST: OffsetSpec.EARLIEST})[FIRST]["offset"] == 0
    assert admin.reset_group_offsets("g", {FIRST: OffsetTimestamp(2**42)})[FIRST]["offset"] == 5
    assert admin.list_group_offsets("g")["g"][FIRST] == (5, "note", -1)


def test_groups_are_listed_by_state_and_deleting_tells_of_each(admin, orders):
    admin.alter_group_offsets("g", {FIRST: OffsetAndMetadata(2, "")})
    assert [g["group_id"] for g in admin.list_groups(states_filter=[GroupState.EMPTY])] == ["g"]
    assert admin.list_groups(states_filter=["stable"]) == []
    assert admin.describe_groups(["g"])["g"]["error"] is None
    assert admin.delete_groups(["g", "nobody"]) == {"g": "OK", "nobody": "GroupIdNotFoundError"}


def test_topics_grow_by_kafka_pythons_three_ways_and_are_checked_without_growing(admin, orders):
    admin.create_partitions({"orders": NewPartitions(4)}, validate_only=True)
    assert len(admin.describe_topics(["orders"])[0]["partitions"]) == 2
    with pytest.raises(errors.InvalidPartitionsError):
        admin.create_partitions({"orders": 2}, validate_only=True)
    for total in (3, {"count": 4}, NewPartitions(5)):
        admin.create_partitions({"orders": total})
    assert len(admin.describe_topics(["orders"])[0]["partitions"]) == 5
    told = admin.create_partitions({"orders": 1}, raise_errors=False)
    assert told["results"][0]["error_code"] == errors.code_of(errors.InvalidPartitionsError)


def test_answers_of_topic_verbs_carry_kafkas_error_codes(admin, orders):
    told = admin.create_topics(["orders", "fresh"], raise_errors=False)
    assert [(t["name"], t["error_code"]) for t in told["topics"]] == [("orders", 36), ("fresh", 0)]
    assert [t["error_code"] for t in admin.describe_topics(["fresh", "nobody"])] == [0, 3]
    assert admin.delete_topics(["fresh"])["topics"][0]["error_code"] == 0
    with pytest.raises(errors.KafkaTimeoutError, match="nobody"):
        admin.wait_for_topics(["nobody"], timeout_ms=60)
    assert admin.delete_records({FIRST: 3})[FIRST]["low_watermark"] == 3


def test_what_redis_has_no_meaning_for_says_so(admin):
    with pytest.raises(errors.InvalidReplicationFactorError, match="whole servers"):
        admin.create_topics([NewTopic("x", 1, replication_factor=3)])
    with pytest.raises(errors.InvalidReplicationAssignmentError):
        admin.create_partitions({"x": NewPartitions(3, [[1]])})
    with pytest.raises(errors.UnsupportedVersionError, match="ACL SETUSER"):
        admin.create_acls([])
    assert admin.list_topics() == []
    with pytest.raises(AttributeError):
        admin.nonsense()


def test_a_listener_may_override_only_what_it_needs(redis_url, orders):
    class Listener(ConsumerRebalanceListener):
        got = ()

        def on_partitions_assigned(self, assigned):
            self.got = set(assigned)

    listener = Listener()
    with KafkaConsumer(
        bootstrap_servers=redis_url,
        group_id="g",
        auto_offset_reset="earliest",
        value_deserializer=JsonSerializer(),
    ) as consumer:
        consumer.subscribe(["orders"], listener=listener)
        assert [next(consumer).value for _ in range(5)] == [{"n": n} for n in range(5)]
        assert listener.got == {FIRST, SECOND}


def test_a_partitioner_sees_the_record_before_and_after_serializing(redis_url, admin):
    seen = []

    class ByCountry(Partitioner):
        def partition(self, topic, key, serialized_key, value, serialized_value, cluster):
            seen.append((topic, key, serialized_key, value, serialized_value))
            return {"FR": 0, "DE": 1}[value["country"]] % len(cluster.partitions_for_topic(topic))

    admin.create_topics({"orders": {"num_partitions": 2}})
    with KafkaProducer(
        bootstrap_servers=redis_url,
        partitioner=ByCountry(),
        key_serializer=str.encode,
        value_serializer=JsonSerializer(),
    ) as producer:
        sent = [producer.send("orders", {"country": country}, "k").get(30) for country in ("DE", "FR", "DE")]
        by_hand = producer.send("orders", {"country": "FR"}, "k", partition=1).get(30)
    assert [metadata.partition for metadata in [*sent, by_hand]] == [1, 0, 1, 1]
    assert seen[0] == ("orders", "k", b"k", {"country": "DE"}, b'{"country": "DE"}')


def test_the_default_partitioner_puts_keys_where_a_producer_without_one_does(redis_url, admin):
    admin.create_topics({"orders": {"num_partitions": 6}})
    keys = [b"customer-%d" % n for n in range(20)]

    def places(**configs):
        with KafkaProducer(bootstrap_servers=redis_url, **configs) as producer:
            return [producer.send("orders", key=key).get(30).partition for key in keys]

    assert places(partitioner=DefaultPartitioner()) == places()
    assert len(set(places())) > 3

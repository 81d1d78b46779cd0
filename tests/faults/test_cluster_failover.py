"""A cluster loses masters in the middle of a run, and moves slots; the broker goes on."""

import os
import signal
import threading

import pytest

import streamlab
from streamlab import RetryPolicy, keys
from streamlab.cluster.slots import key_slot
from streamlab.errors import KafkaTimeoutError
from tests.builders import numbered, read, values
from tests.cluster import Cluster
from tests.cluster_load import PARTITIONS, Load, Stored
from tests.waiting import until
from tests.workers import committed, settled

pytestmark = pytest.mark.faults


@pytest.fixture
def cluster(tmp_path):
    """To be broken."""
    with Cluster(tmp_path / "cluster") as running:
        yield running


@pytest.fixture
def topic(cluster):
    with streamlab.connect(cluster.url) as broker:
        broker.admin().create_topics({"t": {"num_partitions": PARTITIONS}})
    return "t"


def grows(load, by=1_000):
    """Wait until that many more were acknowledged and consumed."""
    sent, read = len(load.acknowledged), len(load.consumed)
    until(lambda: len(load.acknowledged) > sent + by, 60, "records are acknowledged")
    until(lambda: len(load.consumed) > read + by, 60, "records are consumed")


def nothing_was_lost(cluster, load):
    load.stop_producing()
    assert not load.failed
    until(lambda: load.acknowledged <= load.consumed.keys(), 60, "the group has read everything")
    with streamlab.connect(cluster.url) as broker:
        stored = Stored(broker, load.topic)
    assert load.acknowledged <= stored.names.keys()
    assert not stored.twice
    assert not stored.disordered


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP], ids=["dies", "hangs"])
def test_nothing_acknowledged_is_lost_when_a_master_is_replaced(cluster, topic, how):
    """One that hangs comes back later, and still takes itself for the master for a moment."""
    with Load(cluster.url, topic) as load:
        grows(load)
        master = cluster.master_of(keys.log(topic, 0))
        replica = cluster.replica_of(master)
        os.kill(master.pid, how)
        until(lambda: cluster.role(replica) == "master", 60, "the replica took over")
        grows(load)
        if how == signal.SIGSTOP:
            os.kill(master.pid, signal.SIGCONT)
            until(lambda: cluster.role(master) == "slave", 60, "the old master follows the new one")
            grows(load)
        nothing_was_lost(cluster, load)


def test_slots_move_to_another_master_under_load(cluster, topic):
    with Load(cluster.url, topic) as load:
        grows(load)
        moved = keys.log(topic, 0), keys.group_meta("g"), keys.TOPICS
        for name in moved:
            source = cluster.master_of(name)
            target = next(
                node for node in cluster.nodes if cluster.role(node) == "master" and node is not source
            )
            with cluster.migrating(key_slot(name), source, target):
                grows(load, by=200)
            until(lambda name=name, target=target: cluster.master_of(name) is target, 30, "it has moved")
            grows(load, by=200)
        nothing_was_lost(cluster, load)


# -- a replica that has less than was acknowledged --------------------------------------------------------------------


def send_one_by_one(broker, names):
    """A batch each, so that a log that is written anew has its batches where the old one had them."""
    with broker.producer(acks=1, linger_ms=0) as producer:
        for name in names:
            producer.send("t", name, partition=0).get(30)


def fall_behind(master, replica):
    """From now on the replica hears nothing."""
    os.kill(replica.pid, signal.SIGSTOP)
    with master.client() as client:
        client.execute_command("CLIENT", "KILL", "TYPE", "replica")


def take_over_with_less(cluster, master, replica):
    master.kill()
    os.kill(replica.pid, signal.SIGCONT)
    until(lambda: cluster.role(replica) == "master", 60, "the replica took over")


@pytest.fixture
def broker(cluster, topic):
    with streamlab.connect(cluster.url) as connected:
        yield connected


@pytest.fixture
def shard(cluster, topic):
    """The master of the partition, and its replica."""
    master = cluster.master_of(keys.log(topic, 0))
    return master, cluster.replica_of(master)


def a_member(broker):
    return broker.consumer(
        "t", group_id="g", auto_offset_reset="earliest", session_timeout_ms=6_000, enable_auto_commit=False
    )


def test_who_reads_on_after_a_failover_that_lost_records_misses_none_of_the_new_ones(cluster, broker, shard):
    with a_member(broker) as consumer:
        send_one_by_one(broker, numbered(20))
        read(consumer, 20)
        fall_behind(*shard)
        send_one_by_one(broker, numbered(10, 20))
        read(consumer, 10)
        take_over_with_less(cluster, *shard)
        send_one_by_one(broker, numbered(15, 100))
        assert values(read(consumer, 15)) == numbered(15, 100)


def test_a_position_behind_the_records_that_a_failover_lost_skips_none_of_the_new_ones(
    cluster, broker, shard
):
    """The log has grown past the position again before the consumer looks."""
    with a_member(broker) as consumer:
        send_one_by_one(broker, numbered(20))
        read(consumer, 20)
        fall_behind(*shard)
        send_one_by_one(broker, numbered(10, 20))
        read(consumer, 10)
        consumer.pause(*consumer.assignment())
        take_over_with_less(cluster, *shard)
        send_one_by_one(broker, numbered(40, 100))
        consumer.resume(*consumer.assignment())
        assert values(read(consumer, 40)) == numbered(40, 100)


def test_a_failover_takes_commits_back_no_further_than_the_records(cluster, broker, shard):
    """Both are in one slot, so what was committed stays behind what is there."""
    with a_member(broker) as consumer:
        send_one_by_one(broker, numbered(20))
        read(consumer, 20)
        consumer.commit()
        fall_behind(*shard)
        send_one_by_one(broker, numbered(10, 20))
        read(consumer, 10)
        consumer.commit()
    take_over_with_less(cluster, *shard)
    send_one_by_one(broker, numbered(40, 100))
    with a_member(broker) as consumer:
        assert values(read(consumer, 40))[-40:] == numbered(40, 100)


def test_a_worker_does_again_what_a_failover_took_back(cluster, broker, shard):
    """The failure, its place in the retry queue and the commit behind it: only the record is left."""
    attempts, go_on = [], threading.Event()

    def handle(record, context):
        attempts.append(record.value)
        go_on.wait(60)
        if record.value == b"1" and attempts.count(b"1") == 1:
            raise RuntimeError

    send_one_by_one(broker, numbered(3))
    patient = RetryPolicy(base_ms=3_600_000, cap_ms=3_600_000, jitter="none")
    with broker.worker("t", group_id="g", handler=handle, retry=patient, session_timeout_ms=6_000):
        until(lambda: attempts, 60)
        fall_behind(*shard)
        go_on.set()
        until(lambda: committed(broker, "t", "g") == 3, 60)
        take_over_with_less(cluster, *shard)
        until(lambda: attempts.count(b"1") == 2, 60, "what failed is tried anew")
        until(lambda: settled(broker, "t", 3, "g"), 60)


def test_acks_all_waits_for_the_replica_also_where_the_master_sees_none(cluster, broker, shard):
    with broker.producer(
        acks="all", request_timeout_ms=400, delivery_timeout_ms=1_000, linger_ms=0
    ) as producer:
        producer.send("t", b"before", partition=0).get(30)
        fall_behind(*shard)
        with pytest.raises(KafkaTimeoutError):
            producer.send("t", b"alone", partition=0).get(30)

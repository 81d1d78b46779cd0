"""What every test may ask for: a real server, empty at the start of each test, and a broker on it.

Tests of the broker's core run twice, on one server and on a cluster of three masters with a replica each.
`STREAMLAB_TEST_ENGINES=standalone` leaves the cluster out, `=cluster` the server.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Generator, Iterator
from pathlib import Path

import hypothesis
import pytest
import redis

import streamlab
from streamlab.broker import Broker
from streamlab.configs import agent
from streamlab.embedded import EmbeddedServer

from .cluster import Cluster
from .stalls import Stalls
from .waiting import until

# No example fails for being slow: that says how busy the machine is.
hypothesis.settings.register_profile(
    "unhurried",
    hypothesis.settings(),
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("unhurried")

REPOSITORY = Path(__file__).parent.parent
STANDALONE, CLUSTER = "standalone", "cluster"
ENGINES = [name for name in os.environ.get("STREAMLAB_TEST_ENGINES", "").split(",") if name]
ON_BOTH_ENGINES = {
    "test_collect",
    "test_compaction",
    "test_configs_store",
    "test_consumer",
    "test_dead_letters",
    "test_foreign_streams",
    "test_group_control",
    "test_group_rebalances",
    "test_group_rollback",
    "test_groups",
    "test_growth",
    "test_history",
    "test_idempotence",
    "test_journal",
    "test_kafka_programs",
    "test_live_reset",
    "test_live_settings",
    "test_log",
    "test_producer",
    "test_reset_offsets",
    "test_retry_queue",
    "test_static_members",
    "test_telemetry",
    "test_worker",
    "test_worker_and_deletions",
    "test_worker_failures",
    "test_worker_limits",
}
"""Modules of tests that speak with the server through the core alone; others ask for it with `both_engines`."""


# A shell in the background has Ctrl-C ignored, and the programs that tests interrupt would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None]:
    """Where a test of short times fails while the machine stood still, that says nothing: see tests/stalls.py."""
    if item.get_closest_marker("short_times") is None:
        return (yield)
    stalls = Stalls()
    try:
        with stalls:
            return (yield)
    except (Exception, pytest.fail.Exception) as failure:
        if not stalls.noticed:
            raise
        pytest.skip(f"The machine stood still for {stalls.longest_s:.1f} s, so nothing is said by: {failure}")


@pytest.fixture(autouse=True)
def _nothing_stays_open() -> Iterator[None]:
    """A client that a test forgets would tell of itself in the tests after it."""
    before = _open_clients()
    yield
    if pages := sys.modules.get("dashboard.broker"):
        pages.close()
    until(lambda: _open_clients() <= before, 60, f"closed: {sorted(_open_clients() - before)}")


def _open_clients() -> set[str]:
    return {client.instance for one in list(agent._agents.values()) for client in one._everybody()}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "engine" not in metafunc.fixturenames:
        return
    module = metafunc.module.__name__.rpartition(".")[2]
    marked = metafunc.definition.get_closest_marker("both_engines") is not None
    if metafunc.definition.get_closest_marker("standalone_only") is not None:
        return
    if module in ON_BOTH_ENGINES or marked:
        metafunc.parametrize("engine", ENGINES or [STANDALONE, CLUSTER], indirect=True)


@pytest.fixture
def engine(request: pytest.FixtureRequest) -> str:
    """What the test runs on: standalone or cluster."""
    return str(getattr(request, "param", STANDALONE))


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """One server for the whole run."""
    with EmbeddedServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="session")
def redis_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One cluster for the whole run; nobody kills its nodes."""
    patient = {"cluster-node-timeout": "30000"}  # a machine that stands still is no reason for a failover
    with Cluster(tmp_path_factory.mktemp("cluster"), settings=patient) as cluster:
        yield cluster


@pytest.fixture
def redis_url(request: pytest.FixtureRequest, engine: str) -> str:
    """The URL of the engine; nothing is stored there yet."""
    if engine == CLUSTER:
        cluster: Cluster = request.getfixturevalue("redis_cluster")
        cluster.flush()
        return cluster.url
    server: EmbeddedServer = request.getfixturevalue("redis_server")
    assert server.url is not None
    client = redis.Redis.from_url(server.url)
    client.flushall()
    client.close()
    return server.url


@pytest.fixture
def broker(redis_url: str) -> Iterator[Broker]:
    with streamlab.connect(redis_url) as connected:
        yield connected


@pytest.fixture(scope="session")
def data_directory() -> Path:
    """Real data; tests that read it are skipped where there is none."""
    directory = Path(os.environ.get("STREAMLAB_DATA", REPOSITORY.parent / "shared" / "data"))
    if not directory.is_dir():
        pytest.skip("No real data here: set STREAMLAB_DATA to a directory that holds it.")
    return directory

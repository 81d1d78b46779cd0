"""What every test may ask for: a real server, empty at the start of each test, and a broker on it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

import streamlab
from streamlab.broker import Broker
from streamlab.embedded import EmbeddedServer

REPOSITORY = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """One server for the whole run."""
    with EmbeddedServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def redis_url(redis_server: EmbeddedServer) -> str:
    """Its URL; nothing is stored there yet."""
    assert redis_server.url is not None
    client = redis.Redis.from_url(redis_server.url)
    client.flushall()
    client.close()
    return redis_server.url


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

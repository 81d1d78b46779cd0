"""The server is killed under the schema registry."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import streamlab
from streamlab.broker import Broker
from streamlab.schemas import Level, Schema, SchemaRegistry
from tests.builders import a_server, kill_and_restart
from tests.waiting import until

pytestmark = pytest.mark.faults


def fixed(size: int) -> Schema:
    return Schema(json.dumps({"type": "fixed", "name": "F", "size": size}))


def answers(broker: Broker) -> bool:
    try:
        return broker.connection.server_time_ms() > 0
    except streamlab.StreamlabError:
        return False


def test_what_was_registered_survives_kill_9(tmp_path: Path):
    with (
        a_server(tmp_path) as server,
        streamlab.connect(server.url) as broker,
        SchemaRegistry(broker.connection) as registry,
    ):
        ids = [registry.register(f"s{n}", fixed(n + 1)).id for n in range(20)]
        registry.set_level(Level.FULL, "s3")
        registry.delete_version("s4", 1)
        kill_and_restart(server)
        until(lambda: answers(broker), 30, "the broker answers")
        with SchemaRegistry(broker.connection) as another:
            assert [another.version(f"s{n}", 1, deleted=True).id for n in range(20)] == ids
            assert another.level("s3") is Level.FULL
            assert "s4" not in another.subjects()
            assert another.register("new", fixed(99)).id == 21

"""Servers and clients that are killed or stopped: settings stay, and everybody who comes back has them and says so."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import streamlab
from streamlab.broker import Broker
from streamlab.configs.applied import acknowledgement, wait_until_applied
from streamlab.configs.entity import BROKER, client
from streamlab.configs.store import Changed, Configs
from streamlab.metrics.telemetry import AWAY_AFTER_MS, read_states
from tests.builders import a_server, a_topic, kill_and_restart
from tests.waiting import until

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.faults


@contextmanager
def programs(url: str, topic: str, names: list[str]) -> Iterator[list[subprocess.Popen[bytes]]]:
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.configured_client", "consumer", url, topic, name, "g"], cwd=ROOT
        )
        for name in names
    ]
    try:
        yield running
    finally:
        for process in running:
            process.kill()
            process.wait(60)


def listed(broker: Broker, clients: int) -> None:
    until(lambda: len(read_states(broker.connection)) == clients, 60)


def test_a_killed_server_comes_back_with_its_settings_and_clients_take_new_ones(tmp_path: Path) -> None:
    with a_server(tmp_path, appendonly="yes", appendfsync="always") as server:
        assert server.url is not None
        with streamlab.connect(server.url) as broker, broker.producer(client_id="p") as producer:
            orders = a_topic(broker)
            with programs(server.url, orders, ["c1", "c2"]):
                listed(broker, 3)
                configs = Configs(broker.connection)
                before = configs.set(BROKER, {"retry_backoff_max_ms": 50}, by="ada")
                assert str(wait_until_applied(broker.connection, before, 60)) == "applied by 3 of 3 clients"
                kill_and_restart(server)
                assert configs.get(BROKER).values == {"retry_backoff_max_ms": 50}
                assert [change.by for change in configs.history()] == ["ada"]
                began = time.monotonic()
                after = configs.set(BROKER, {"retry_backoff_max_ms": 60})
                said = until(
                    lambda: (
                        (now := acknowledgement(broker.connection, after)).clients == 3
                        and len(now.applied) == 3
                        and now
                    ),
                    60,
                )
                print(f"{said}, {(time.monotonic() - began) * 1000:.0f} ms after the server was back")
                assert producer.config["retry_backoff_max_ms"] == 60


def test_settings_that_a_server_lost_are_lost_to_its_clients_too(tmp_path: Path) -> None:
    """What holds is what the server says, also when it went back."""
    with a_server(tmp_path, appendonly="no", save="") as server:
        assert server.url is not None
        with streamlab.connect(server.url) as broker, broker.producer(client_id="p", linger_ms=9) as producer:
            listed(broker, 1)
            change = Configs(broker.connection).set(client("p"), {"linger_ms": 1})
            wait_until_applied(broker.connection, change, 60)
            assert producer.config["linger_ms"] == 1
            kill_and_restart(server)
            until(lambda: producer.config["linger_ms"] == 9, 60)
            listed(broker, 1)


def test_a_stopped_client_is_away_and_takes_the_setting_when_it_goes_on(redis_url: str) -> None:
    with streamlab.connect(redis_url) as broker:
        orders = a_topic(broker)
        with programs(redis_url, orders, ["c1", "c2"]) as [_, second]:
            listed(broker, 2)
            os.kill(second.pid, signal.SIGSTOP)
            change = Configs(broker.connection).set(BROKER, {"max_poll_records": 3})
            until(
                lambda: (
                    str(acknowledgement(broker.connection, change)) == "applied by 1 of 2 clients, away: 1"
                ),
                AWAY_AFTER_MS / 1000 + 60,
            )
            assert [state.client_id for state in acknowledgement(broker.connection, change).away] == ["c2"]
            os.kill(second.pid, signal.SIGCONT)
            assert str(until(lambda: _all(broker, change), 60)) == "applied by 2 of 2 clients"


def _all(broker: Broker, change: Changed) -> object:
    said = acknowledgement(broker.connection, change)
    return said if len(said.applied) == said.clients else None

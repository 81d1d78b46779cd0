"""Whatever is set and taken back in whatever order: what the store says is what a client runs with."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streamlab.broker import Broker
from streamlab.configs.applied import wait_until_applied
from streamlab.configs.entity import BROKER, client, group
from streamlab.configs.settings import KINDS
from streamlab.configs.store import Changed, Configs
from streamlab.errors import StaleConfigError
from tests.builders import a_topic
from tests.waiting import until

ENTITIES = [client("app"), group("revenue"), BROKER]
"""Nearest first."""
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "max_poll_records": st.integers(1, 1_000),
    "fetch_min_bytes": st.integers(0, 100_000),
    "check_crcs": st.booleans(),
    "auto_offset_reset": st.sampled_from(["earliest", "latest", "none"]),
    "heartbeat_interval_ms": st.integers(10, 60_000),
    "session_timeout_ms": st.integers(50, 60_000),
}
OWN = {"max_poll_records": 7, "heartbeat_interval_ms": 1_000}

steps = st.lists(
    st.tuples(st.sampled_from(ENTITIES), st.sampled_from(list(VALUES)), st.booleans(), st.data()),
    min_size=1,
    max_size=12,
)

pytestmark = pytest.mark.both_engines


def expected(stored: dict[Any, dict[str, Any]]) -> dict[str, Any]:
    """By hand: the nearest value of each; then heartbeats give in, then sessions."""
    banned: set[tuple[Any, str]] = set()
    while True:
        values, whose = {}, {}
        for name in VALUES:
            values[name] = OWN.get(name, KINDS["consumer"][name].default)
            for entity in reversed(ENTITIES):
                if name in stored[entity] and (entity, name) not in banned:
                    values[name], whose[name] = stored[entity][name], entity
        if values["heartbeat_interval_ms"] < values["session_timeout_ms"]:
            return values
        name = next(n for n in ("heartbeat_interval_ms", "session_timeout_ms") if n in whose)
        banned.add((whose[name], name))


def test_after_any_sequence_the_client_has_what_the_store_says(broker: Broker) -> None:
    orders = a_topic(broker)
    configs = Configs(broker.connection)
    with broker.consumer(orders, client_id="app", group_id="revenue", **OWN) as consumer:

        @settings(
            max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
        )
        @given(steps)
        def check(sequence: list[Any]) -> None:
            last = None
            for entity, name, sets, data in sequence:
                if sets:
                    done = configs.set(entity, {name: data.draw(VALUES[name])})
                else:
                    done = configs.unset(entity, [name])
                last = done if done.names else last
            if last is not None:
                everything = Changed(BROKER, configs.version(), list(VALUES))
                said = wait_until_applied(broker.connection, everything, 60)
                assert said.settled
            stored = {entity: configs.get(entity).values for entity in ENTITIES}
            wanted = expected(stored)
            until(lambda: {name: consumer.config[name] for name in VALUES} == wanted, 60)

        check()
        for entity in ENTITIES:
            configs.unset(entity, list(VALUES))
        own = expected({entity: {} for entity in ENTITIES})
        until(lambda: {name: consumer.config[name] for name in VALUES} == own)


def test_of_operators_who_race_one_wins_each_round_and_nothing_is_lost(broker: Broker) -> None:
    configs = Configs(broker.connection)
    won: list[int] = []
    start = threading.Barrier(4)

    def operator(number: int) -> None:
        mine = Configs(broker.connection)
        start.wait(30)
        for _ in range(25):
            while True:
                seen = mine.get(BROKER)
                count = seen.values.get("fetch_min_bytes", 0)
                try:
                    mine.set(BROKER, {"fetch_min_bytes": count + 1}, by=f"op{number}", expected=seen.version)
                    won.append(number)
                    break
                except StaleConfigError:
                    continue

    threads = [threading.Thread(target=operator, args=[n]) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(won) == 100
    assert configs.get(BROKER).values == {"fetch_min_bytes": 100}
    told = configs.history(BROKER, 1_000)
    assert [(c.before, c.after) for c in reversed(told)] == [
        (str(n) if n else None, str(n + 1)) for n in range(100)
    ]
    assert [c.revision for c in told] == list(range(100, 0, -1))

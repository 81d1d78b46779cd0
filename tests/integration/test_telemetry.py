"""Telemetry: what running clients say about themselves, and that it ends with them."""

from __future__ import annotations

import time
from math import nan
from typing import Any

import pytest

from streamlab import keys
from streamlab.broker import Broker
from streamlab.config import CONSUMER, PRODUCER, resolved
from streamlab.configs import agent
from streamlab.configs.running import RunningClient
from streamlab.metrics import of_consumer
from streamlab.metrics.distribution import percentile
from streamlab.metrics.telemetry import TTL_MS, ClientTelemetry, read_all, read_states
from tests.waiting import until


def a_client(read: Any = dict, kind: str = "producer", **configs: Any) -> RunningClient:
    given = {"client_id": "checkout"} | configs
    table = PRODUCER if kind == "producer" else CONSUMER
    return RunningClient(kind, resolved(given, table), read, lambda changed: None)


def seen(broker: Broker) -> list[ClientTelemetry]:
    return list(read_all(broker.connection).values())


def test_a_client_is_seen_while_it_runs(broker: Broker) -> None:
    leave = agent.enter(broker.connection, a_client())
    [found] = until(lambda: seen(broker))
    assert (found.client_id, found.kind, found.group) == ("checkout", "producer", None)
    assert abs(broker.connection.server_time_ms() - found.as_of_ms) < 60_000
    assert found.values["linger_ms"] == 5
    leave()
    assert seen(broker) == []
    assert broker.connection.client.exists(keys.CLIENTS) == 0


def test_two_clients_with_one_client_id_are_two(broker: Broker) -> None:
    leaves = [agent.enter(broker.connection, a_client(kind=kind)) for kind in ("producer", "consumer")]
    until(lambda: len(seen(broker)) == 2)
    assert {client.kind for client in seen(broker)} == {"producer", "consumer"}
    leaves[0]()
    assert [client.kind for client in seen(broker)] == ["consumer"]
    leaves[1]()


def test_newer_figures_replace_older_ones_and_unknown_is_none(broker: Broker) -> None:
    figures = iter(range(10**9))
    leave = agent.enter(broker.connection, a_client(lambda: {"m": {"n": float(next(figures)), "lag": nan}}))
    [first] = until(lambda: seen(broker))
    assert first.metrics["m"]["lag"] is None
    until(lambda: seen(broker)[0].metrics["m"]["n"] != first.metrics["m"]["n"])
    leave()


def test_a_client_that_died_is_away_and_then_forgotten(broker: Broker) -> None:
    leave = agent.enter(broker.connection, a_client())
    [found] = until(lambda: seen(broker))
    assert not found.away(found.as_of_ms + 3_000)
    assert found.away(found.as_of_ms + 6_000)
    assert 0 < broker.connection.client.pttl(keys.client(found.instance)) <= TTL_MS
    leave()
    broker.connection.client.zadd(keys.CLIENTS, {"died": 1, "expired": broker.connection.server_time_ms()})
    assert seen(broker) == []
    assert broker.connection.client.zrange(keys.CLIENTS, 0, -1) == [b"expired"]


def test_figures_that_cannot_be_read_do_not_end_the_reports(
    broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    answers = iter([ValueError("not now")])

    def read() -> dict[str, dict[str, float]]:
        for error in answers:
            raise error
        return {"m": {"n": 1.0}}

    leave = agent.enter(broker.connection, a_client(read))
    until(lambda: [client.metrics for client in seen(broker)] == [{"m": {"n": 1.0}}])
    assert "cannot be read" in caplog.text
    leave()


def test_who_wants_no_figures_pushed_is_still_listed(broker: Broker) -> None:
    leave = agent.enter(broker.connection, a_client(lambda: {"m": {"n": 1.0}}, metrics_enabled=False))
    assert [client.metrics for client in until(lambda: seen(broker))] == [{}]
    leave()


def test_states_are_read_without_the_figures(broker: Broker) -> None:
    leave = agent.enter(broker.connection, a_client())
    [state] = until(lambda: list(read_states(broker.connection).values()))
    assert state.client_id == "checkout"
    leave()


def test_a_producer_pushes_what_it_measures(broker: Broker) -> None:
    broker.admin().create_topics({"orders": {"num_partitions": 1}})
    with broker.producer(client_id="checkout") as producer:
        producer.send("orders", value=b"x" * 100).get(30)
        [found] = until(lambda: [c for c in seen(broker) if c.metrics["producer-metrics"]["request-total"]])
        assert found.metrics["producer-metrics"].keys() == producer.metrics()["producer-metrics"].keys()
        latency = found.metrics["producer-metrics"]["request-latency-max"]
        assert latency is not None
        assert percentile(found.sketches["request-latency"], 100) == pytest.approx(latency, rel=0.02)
    assert seen(broker) == []


def test_a_consumer_tells_how_old_records_are_when_they_are_handed_out(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(of_consumer, "EVERY_S", 0.0)
    broker.admin().create_topics({"orders": {"num_partitions": 1}})
    with broker.consumer("orders", auto_offset_reset="earliest") as consumer, broker.producer() as producer:
        until(lambda: not consumer.poll() and consumer._running.server_now_ms())
        before_ms, now_ms = broker.connection.server_time_ms(), int(time.time() * 1000)
        for age_ms in (60_000, 60_000, 60_000, 60_000, -60_000):  # the last one's clock is ahead
            producer.send("orders", b"x", timestamp_ms=now_ms - age_ms)
        producer.flush()
        read = 0
        while read < 5:
            read += sum(map(len, consumer.poll(timeout_ms=10_000).values()))
        took_ms = broker.connection.server_time_ms() - before_ms + 1_000
        [found] = until(lambda: [c for c in seen(broker) if c.sketches.get("end-to-end-latency")])
    ages = found.sketches["end-to-end-latency"]
    assert sum(ages.values()) == 5
    assert 59_000 < percentile(ages, 50) < 61_000 + took_ms
    assert 0 <= percentile(ages, 1) < 1.02 * took_ms, "not younger than its append"

"""Telemetry: what running clients say about themselves, and that it ends with them."""

from __future__ import annotations

from math import nan

from streamlab import keys
from streamlab.broker import Broker
from streamlab.metrics.telemetry import TTL_MS, Reporter, read_all
from tests.waiting import until


def test_a_producer_is_seen_with_its_own_metrics_while_it_runs(broker: Broker) -> None:
    broker.admin().create_topics({"orders": {"num_partitions": 1}})
    with broker.producer() as producer:
        producer.send("orders", value=b"x").get(10)
        with Reporter(broker.connection, "checkout", "producer", producer.metrics):
            seen = until(lambda: read_all(broker.connection).get("checkout"))
            assert seen.kind == "producer"
            assert seen.metrics["producer-metrics"].keys() == producer.metrics()["producer-metrics"].keys()
            assert abs(broker.connection.server_time_ms() - seen.as_of_ms) < 5_000
    assert read_all(broker.connection) == {}


def test_newer_figures_replace_older_ones_and_unknown_is_none(broker: Broker) -> None:
    figures = iter(range(10**9))
    with Reporter(
        broker.connection,
        "c",
        "consumer",
        lambda: {"m": {"n": float(next(figures)), "lag": nan}},
        every_s=0.01,
    ):
        first = until(lambda: read_all(broker.connection).get("c"))
        newer = until(lambda: read_all(broker.connection)["c"].metrics["m"]["n"] != first.metrics["m"]["n"])
    assert newer
    assert first.metrics["m"]["lag"] is None


def test_a_client_that_died_is_gone_when_its_push_expires(broker: Broker) -> None:
    reporter = Reporter(broker.connection, "c", "consumer", dict, every_s=3_600)
    until(lambda: "c" in read_all(broker.connection))
    client = broker.connection.client
    assert 0 < client.pttl(keys.client("c")) <= TTL_MS
    client.delete(keys.client("c"))  # as the server does then
    assert read_all(broker.connection) == {}
    client.zadd(keys.CLIENTS, {"c": 1})
    read_all(broker.connection)
    assert client.zcard(keys.CLIENTS) == 0
    reporter.close()


def test_figures_that_cannot_be_read_do_not_end_the_reports(broker: Broker) -> None:
    answers = iter([ValueError("not now")])

    def read() -> dict[str, dict[str, float]]:
        for error in answers:
            raise error
        return {"m": {"n": 1.0}}

    with Reporter(broker.connection, "c", "consumer", read, every_s=0.01):
        assert until(lambda: read_all(broker.connection).get("c")).metrics == {"m": {"n": 1.0}}

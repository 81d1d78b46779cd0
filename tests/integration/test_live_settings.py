"""Settings reach clients that run: the value is stored, and what the client does is another thing from then on."""

from __future__ import annotations

import gc
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamlab import keys
from streamlab.broker import Broker
from streamlab.configs import agent
from streamlab.configs.applied import acknowledgement, wait_until_applied
from streamlab.configs.entity import BROKER, client, group
from streamlab.configs.preview import Step, preview
from streamlab.configs.store import Changed, Configs
from streamlab.consumer import Consumer
from streamlab.delivery.policy import RetryPolicy
from streamlab.metrics.names import NAMES
from streamlab.metrics.telemetry import read_all, read_states
from streamlab.model import ConsumerRecord
from streamlab.producer import Producer
from tests.builders import a_topic, numbered, poll_all, produce, read
from tests.waiting import until

pytestmark = pytest.mark.both_engines

ROOT = Path(__file__).parents[2]


@pytest.fixture
def configs(broker: Broker) -> Configs:
    return Configs(broker.connection)


def listed(broker: Broker, clients: int) -> None:
    """Until that many clients say that they run."""
    until(lambda: len(read_states(broker.connection)) == clients, 30)


def applied(broker: Broker, change: Changed) -> str:
    """Wait for everybody who is there; what they say in words."""
    return str(wait_until_applied(broker.connection, change, 60))


@pytest.fixture
def checkout(broker: Broker) -> Iterator[Producer]:
    with broker.producer(client_id="checkout", linger_ms=7) as producer:
        listed(broker, 1)
        yield producer


def test_a_producer_takes_a_value_and_gives_it_back(
    broker: Broker, configs: Configs, checkout: Producer
) -> None:
    assert applied(broker, configs.set("client:checkout", {"linger_ms": 50, "acks": "all"})) == (
        "applied by 1 of 1 clients"
    )
    assert (checkout.config["linger_ms"], checkout.config["acks"]) == (50, "all")
    applied(broker, configs.unset("client:checkout", ["linger_ms"]))
    assert (checkout.config["linger_ms"], checkout.config["acks"]) == (7, "all")


def test_the_nearest_entity_wins_and_the_constructors_value_is_the_last(
    broker: Broker, configs: Configs
) -> None:
    orders = a_topic(broker)
    with broker.consumer(
        orders, client_id="app", group_id="revenue", max_poll_records=1, fetch_min_bytes=2
    ) as consumer:
        listed(broker, 1)
        steps = [
            (configs.set, BROKER, {"max_poll_records": 10}, 10),
            (configs.set, group("revenue"), {"max_poll_records": 20}, 20),
            (configs.set, client("app"), {"max_poll_records": 30}, 30),
            (configs.set, group("revenue"), {"max_poll_records": 21}, 30),
            (configs.unset, client("app"), ["max_poll_records"], 21),
            (configs.unset, group("revenue"), ["max_poll_records"], 10),
            (configs.unset, BROKER, ["max_poll_records"], 1),
        ]
        for act, entity, what, expected in steps:
            applied(broker, act(entity, what))
            assert consumer.config["max_poll_records"] == expected
        assert consumer.config["fetch_min_bytes"] == 2


def test_poll_returns_no_more_than_the_new_limit(broker: Broker, configs: Configs) -> None:
    orders = a_topic(broker)
    produce(broker, orders, numbered(100))
    with broker.consumer(orders, group_id="g", auto_offset_reset="earliest") as consumer:
        listed(broker, 1)
        first = applied(broker, configs.set("group:g", {"max_poll_records": 3}))
        assert first == "applied by 1 of 1 clients"
        sizes = [
            sum(map(len, polled.values())) for polled in (consumer.poll(200) for _ in range(40)) if polled
        ]
        assert max(sizes) == 3


def test_batches_follow_size_and_compression(broker: Broker, configs: Configs) -> None:
    orders = a_topic(broker)
    with broker.producer(client_id="checkout", linger_ms=1_000) as producer:

        def entries() -> int:
            return int(broker.connection.client.xlen(keys.log(orders, 0)))

        for future in [producer.send(orders, b"y" * 1_000) for _ in range(50)]:
            producer.flush()
            future.get(30)
        before = entries()
        listed(broker, 1)
        change = configs.set(
            "client:checkout", {"batch_size": 500, "compression_type": "zstd", "linger_ms": 0}
        )
        applied(broker, change)
        for _ in range(20):
            producer.send(orders, b"y" * 1_000)
        producer.flush()
        assert entries() - before == 20
        newest = broker.connection.client.xrevrange(keys.log(orders, 0), count=1)[0][1][b"b"]
        assert len(newest) < 200


def test_a_lower_request_size_is_refused_to_the_next_record(
    broker: Broker, configs: Configs, checkout: Producer
) -> None:
    from streamlab.errors import MessageSizeTooLargeError

    orders = a_topic(broker)
    checkout.send(orders, b"x" * 1_000).get(30)
    applied(broker, configs.set(BROKER, {"max_request_size": 500}))
    with pytest.raises(MessageSizeTooLargeError):
        checkout.send(orders, b"x" * 1_000)


def test_memory_that_is_added_frees_who_waits_for_room(broker: Broker, configs: Configs) -> None:
    orders = a_topic(broker)
    with broker.producer(client_id="tight", buffer_memory=40_000, linger_ms=60_000) as producer:
        producer.send(orders, b"x")
        listed(broker, 1)
        applied(broker, configs.set("client:tight", {"buffer_memory": 10_000_000}))
        metrics = producer.metrics()["producer-metrics"]
        assert metrics["buffer-total-bytes"] == 10_000_000
        assert metrics["buffer-available-bytes"] == 10_000_000 - 16_384
        applied(broker, configs.unset("client:tight", ["buffer_memory"]))
        assert producer.metrics()["producer-metrics"]["buffer-available-bytes"] == 40_000 - 16_384


def test_a_longer_wait_of_the_fetch_outlives_the_old_line(broker: Broker, configs: Configs) -> None:
    orders = a_topic(broker)
    with broker.consumer(orders, client_id="app", group_id="g", fetch_max_wait_ms=100) as consumer:
        until(lambda: consumer.poll(50) == {} and consumer.assignment())
        applied(broker, configs.set("client:app", {"fetch_max_wait_ms": 30_000}))
        produce(broker, orders, [b"late"])
        assert [r.value for r in read(consumer, 1)] == [b"late"]
        applied(broker, configs.set("client:app", {"fetch_max_wait_ms": 10}))
        produce(broker, orders, [b"later"])
        assert [r.value for r in read(consumer, 1)] == [b"later"]


def test_a_member_announces_its_new_session(broker: Broker, configs: Configs) -> None:
    orders = a_topic(broker, partitions=2)
    admin = broker.admin()
    with broker.consumer(orders, group_id="g") as one, broker.consumer(orders, group_id="g") as two:
        until(lambda: poll_all([one, two]) or len(one.assignment()) == len(two.assignment()) == 1)
        epoch = admin.describe_groups(["g"])["g"]["generation_id"]
        applied(broker, configs.set("group:g", {"session_timeout_ms": 20_000, "heartbeat_interval_ms": 100}))

        def sessions() -> list[float]:
            leases = broker.connection.client.zrange(keys.group_leases("g"), 0, -1, withscores=True)
            now = broker.connection.server_time_ms()
            return [expiry - now for _, expiry in leases]

        until(lambda: len(sessions()) == 2 and max(sessions()) <= 20_000)
        assert admin.describe_groups(["g"])["g"]["generation_id"] == epoch, "nobody was disturbed"


def test_a_client_that_comes_later_has_the_settings_before_its_first_record(
    broker: Broker, configs: Configs
) -> None:
    orders = a_topic(broker)
    configs.set(BROKER, {"compression_type": "lz4", "max_poll_records": 2})
    with broker.producer() as producer:
        for future in [producer.send(orders, b"z" * 500) for _ in range(10)]:
            future.get(30)
        assert producer.metrics()["producer-metrics"]["compression-rate-avg"] < 0.5
    with broker.consumer(orders, group_id="g", auto_offset_reset="earliest") as consumer:
        until(lambda: sum(map(len, consumer.poll(100).values())) == 2)


def test_a_value_that_a_client_cannot_take_is_refused_with_the_reason(
    broker: Broker, configs: Configs
) -> None:
    orders = a_topic(broker)
    with (
        broker.consumer(orders, client_id="calm", group_id="g", heartbeat_interval_ms=1_000),
        broker.consumer(orders, client_id="quick", group_id="g", heartbeat_interval_ms=100) as quick,
    ):
        listed(broker, 2)
        change = configs.set("group:g", {"session_timeout_ms": 500, "max_poll_records": 7})
        said = wait_until_applied(broker.connection, change, 60)
        assert str(said) == "applied by 1 of 2 clients, refused by 1"
        assert [state.client_id for state in said.refused] == ["calm"]
        assert said.refused[0].refused == {
            "session_timeout_ms": "heartbeat_interval_ms (1000) must be below session_timeout_ms (500) (group:g)"
        }
        assert said.refused[0].values["session_timeout_ms"] == 45_000
        assert said.refused[0].values["max_poll_records"] == 7, "the other setting is taken"
        assert quick.config["session_timeout_ms"] == 500


def test_a_wake_that_is_lost_costs_less_than_a_second(
    broker: Broker, configs: Configs, checkout: Producer, monkeypatch: pytest.MonkeyPatch
) -> None:
    applied(broker, configs.set(BROKER, {"linger_ms": 1}))
    monkeypatch.setattr(agent.Agent, "nudge", lambda self: None)
    began = time.monotonic()
    applied(broker, configs.set(BROKER, {"linger_ms": 2}))
    took = time.monotonic() - began
    print(f"without the wake: {took * 1000:.0f} ms")
    assert checkout.config["linger_ms"] == 2
    assert took < 30


def test_who_does_not_answer_is_awaited_and_then_away(
    broker: Broker, configs: Configs, checkout: Producer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent.Agent, "_turn", lambda self: None)
    change = configs.set(BROKER, {"linger_ms": 3})
    assert str(wait_until_applied(broker.connection, change, 0.2)) == (
        "applied by 0 of 1 clients, awaited from 1"
    )
    monkeypatch.setattr("streamlab.metrics.telemetry.AWAY_AFTER_MS", 1)
    assert str(acknowledgement(broker.connection, change)) == "applied by 0 of 1 clients, away: 1"
    monkeypatch.undo()
    assert applied(broker, change) == "applied by 1 of 1 clients"


def test_a_change_concerns_only_clients_that_have_the_setting(
    broker: Broker, configs: Configs, checkout: Producer
) -> None:
    orders = a_topic(broker)
    with broker.consumer(orders, group_id="g"):
        listed(broker, 2)
        assert applied(broker, configs.set(BROKER, {"batch_size": 5})) == "applied by 1 of 1 clients"
        assert applied(broker, configs.set(BROKER, {"max_poll_records": 5})) == "applied by 1 of 1 clients"
        assert applied(broker, configs.set(BROKER, {"retry_backoff_ms": 5})) == "applied by 1 of 1 clients"
        assert applied(broker, configs.set(BROKER, {"retry_backoff_max_ms": 50})) == (
            "applied by 2 of 2 clients"
        )
        assert applied(broker, configs.set(BROKER, {"retention.ms": 50})) == (
            "no running client has to apply it"
        )


def test_the_preview_says_what_would_hold_for_whom(
    broker: Broker, configs: Configs, checkout: Producer
) -> None:
    with broker.producer(client_id="batch", linger_ms=1):
        listed(broker, 2)
        applied(broker, configs.set("client:batch", {"linger_ms": 100}))
        shown = preview(broker.connection, BROKER, {"linger_ms": 20})
        assert shown.changes == {"linger_ms": Step(None, 20)}
        batch, ours = shown.effects
        assert [effect.client.client_id for effect in shown.effects] == ["batch", "checkout"]
        assert (batch.takes, batch.hidden, batch.refuses) == ({}, {"linger_ms": "client:batch"}, {})
        assert (ours.takes, ours.hidden, ours.refuses) == ({"linger_ms": Step(7, 20)}, {}, {})

        batch, ours = preview(broker.connection, BROKER, {"delivery_timeout_ms": 50}).effects
        assert batch.takes == {"linger_ms": Step(100, 1), "delivery_timeout_ms": Step(120_000, 50)}
        assert batch.refuses.keys() == {"linger_ms"}, "100 ms do not fit into 50"
        assert ours.takes == {"delivery_timeout_ms": Step(120_000, 50)}
    assert configs.get(BROKER).values == {}


@pytest.mark.parametrize("program", [Producer, Consumer])
def test_a_server_that_is_away_holds_no_client_up_for_long(program: type) -> None:
    from streamlab.connection import Connection

    began = time.monotonic()
    program(Connection("redis://127.0.0.1:1/0")).close(0)
    assert time.monotonic() - began < 30


def test_who_watches_is_told_at_once_and_of_every_change(broker: Broker, configs: Configs) -> None:
    configs.set("group:g", {"retry_max_attempts": 2})
    told: list[dict[str, object]] = []
    watch = configs.watch("group:g", told.append)
    until(lambda: told == [{"retry_max_attempts": 2}])
    configs.set("group:other", {"retry_max_attempts": 9})
    configs.set("group:g", {"retry_max_attempts": 3})
    until(lambda: told[-1] == {"retry_max_attempts": 3})
    configs.unset("group:g", ["retry_max_attempts"])
    until(lambda: told[-1] == {})
    assert len(told) == 3
    watch.close()


def test_a_client_that_its_program_dropped_is_not_kept(broker: Broker) -> None:
    consumer = broker.consumer(client_id="dropped")
    listed(broker, 1)
    del consumer
    gc.collect()
    listed(broker, 0)


def test_processes_apply_a_change_within_a_second(broker: Broker, configs: Configs, redis_url: str) -> None:
    orders = a_topic(broker, partitions=4)
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.configured_client", kind, redis_url, orders, name, "g"], cwd=ROOT
        )
        for kind, name in [("producer", "p"), ("producer", "p"), ("consumer", "c1"), ("consumer", "c2")]
    ]
    try:
        listed(broker, 4)
        for value in (40, 41, 42):
            began = time.monotonic()
            change = configs.set(BROKER, {"retry_backoff_max_ms": value})
            assert applied(broker, change) == "applied by 4 of 4 clients"
            print(f"4 processes have applied it after {(time.monotonic() - began) * 1000:.0f} ms")
        states = read_states(broker.connection).values()
        assert {state.values["retry_backoff_max_ms"] for state in states} == {42}
        assert len({state.pid for state in states}) == 4
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait(30)
    until(lambda: read_states(broker.connection) == {}, 60, "who ends takes back what it said")


def test_a_workers_retries_follow_its_groups_settings(broker: Broker, configs: Configs) -> None:
    orders = a_topic(broker)
    tried: list[int] = []

    def handler(record: ConsumerRecord) -> None:
        tried.append(record.offset)
        raise RuntimeError("never")

    policy = RetryPolicy(base_ms=60_000, cap_ms=60_000)
    worker = broker.worker(orders, group_id="revenue", handler=handler, retry=policy, client_id="w")
    with worker:
        until(lambda: [s for s in read_states(broker.connection).values() if s.kind == "worker"])
        change = configs.set("group:revenue", {"retry_base_ms": 10, "retry_max_attempts": 3})
        assert applied(broker, change) == "applied by 1 of 1 clients"
        produce(broker, orders, [b"x"])
        until(lambda: len(tried) == 3, 30)
        letters = f"{orders}.revenue.dlq"
        until(lambda: letters in broker.admin().list_topics(), 30)
        figures = until(
            lambda: [
                c.metrics
                for c in read_all(broker.connection).values()
                if c.kind == "worker" and c.metrics["worker-metrics"]["records-dead-total"]
            ],
            10,
        )[0]
        assert figures["worker-metrics"].keys() == NAMES["worker-metrics"].keys()
    assert len(tried) == 3

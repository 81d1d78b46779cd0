"""Stored settings: validated, counted, written down, and never overwritten unseen."""

from __future__ import annotations

import pytest

from streamlab import keys
from streamlab.broker import Broker
from streamlab.configs.entity import BROKER, client, entity, group, topic
from streamlab.configs.store import Configs
from streamlab.errors import (
    IllegalArgumentError,
    InvalidConfigurationError,
    KafkaConfigurationError,
    StaleConfigError,
    StreamlabError,
    UnknownTopicOrPartitionError,
)
from tests.builders import a_topic

pytestmark = pytest.mark.both_engines


@pytest.fixture
def configs(broker: Broker) -> Configs:
    return Configs(broker.connection)


def test_what_is_set_is_there_until_it_is_unset(configs: Configs) -> None:
    assert configs.get(group("revenue")) == (group("revenue"), 0, {})
    first = configs.set("group:revenue", {"max_poll_records": 50, "fetch_min_bytes": "1024"})
    assert (first.version, first.names) == (1, ["fetch_min_bytes", "max_poll_records"])
    assert configs.get("group:revenue").values == {"max_poll_records": 50, "fetch_min_bytes": 1024}
    configs.unset("group:revenue", ["max_poll_records"])
    assert configs.get("group:revenue").values == {"fetch_min_bytes": 1024}
    assert configs.entities() == [group("revenue")]
    configs.unset("group:revenue", ["fetch_min_bytes"])
    assert configs.entities() == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("acks", "all"),
        ("acks", 1),
        ("compression_type", None),
        ("compression_type", "zstd"),
        ("linger_ms", 2.5),
        ("check_crcs", False),
        ("auto_offset_reset", "none"),
        ("batch_size", 0),
    ],
)
def test_a_value_comes_back_as_it_was_given(configs: Configs, name: str, value: object) -> None:
    configs.set(client("checkout"), {name: value})
    [found] = configs.get(client("checkout")).values.values()
    assert found == value or (value is None and found == "none")
    assert type(found) is type(value) or value is None


@pytest.mark.parametrize(
    ("of", "name", "value", "says"),
    [
        ("client:c", "lingr_ms", 5, "Did you mean 'linger_ms'"),
        ("group:g", "max.poll.record", 5, "Did you mean 'max_poll_records'"),
        ("topic:t", "retention.m", 5, "Did you mean 'retention.ms'"),
        ("client:c", "linger_ms", -1, "between 0 and"),
        ("client:c", "linger_ms", "soon", "must be a number of ms"),
        ("group:g", "max_poll_records", 1.5, "whole number of records"),
        ("client:c", "acks", "most", "must be one of"),
        ("client:c", "check_crcs", "yes", "True or False"),
        ("group:g", "batch_size", 5, "It is a producer's: set it for client:ID"),
        ("client:c", "retention.ms", 5, "It is a topic's: set it for topic:NAME"),
        ("client:c", "assignor", "range", "It is a group's: set it for group:NAME"),
        ("topic:t", "linger_ms", 5, "It is a producer's"),
        ("topic:t", "num.partitions", 5, "set it for broker"),
        ("client:c", "enable_idempotence", False, "cannot change while a client runs"),
        ("client:c", "value_serializer", "json", "cannot change while a client runs"),
    ],
)
def test_what_cannot_be_right_is_refused_with_what_would_be(
    configs: Configs, broker: Broker, of: str, name: str, value: object, says: str
) -> None:
    broker.admin().create_topics({"t": {}})
    right = {"retention.ms": 1} if of == "topic:t" else {"auto_offset_reset": "latest"}
    with pytest.raises((KafkaConfigurationError, InvalidConfigurationError), match=says):
        configs.set(of, right | {name: value})
    assert configs.version() == 0


@pytest.mark.parametrize("text", ["group", "orders", "topic:", "broker:1", "user:x", ""])
def test_an_entity_is_named_in_one_of_four_ways(text: str) -> None:
    with pytest.raises(IllegalArgumentError, match="broker, topic:NAME, group:NAME or client:ID"):
        entity(text)


def test_one_of_two_operators_is_told_that_the_other_was_faster(configs: Configs) -> None:
    seen = configs.set(BROKER, {"linger_ms": 5}).version
    configs.set(BROKER, {"linger_ms": 10}, expected=seen)
    with pytest.raises(StaleConfigError, match="changed since you looked"):
        configs.set(BROKER, {"linger_ms": 20}, expected=seen)
    assert configs.get(BROKER).values == {"linger_ms": 10}
    configs.set(group("g"), {"fetch_min_bytes": 2})
    configs.set(BROKER, {"linger_ms": 20}, expected=configs.get(BROKER).version)


def test_a_setting_that_was_taken_back_since_counts_as_changed(configs: Configs) -> None:
    seen = configs.set(BROKER, {"linger_ms": 5}).version
    configs.unset(BROKER, ["linger_ms"])
    with pytest.raises(StaleConfigError):
        configs.set(BROKER, {"linger_ms": 20}, expected=seen)


def test_what_is_set_to_what_it_is_already_is_no_change(configs: Configs) -> None:
    configs.set(BROKER, {"linger_ms": 5})
    again = configs.set(BROKER, {"linger_ms": "5"})
    assert (again.version, again.names) == (0, [])
    assert configs.unset(BROKER, ["batch_size"]).names == []
    assert configs.version() == 1


def test_history_tells_who_changed_what_when_and_why(configs: Configs, broker: Broker) -> None:
    configs.set("client:checkout", {"linger_ms": 5}, by="ada", reason="first")
    configs.change(
        "client:checkout", {"linger_ms": 20, "acks": "all"}, by="grace", reason="batches are small"
    )
    configs.unset("client:checkout", ["linger_ms"])
    configs.set(BROKER, {"linger_ms": 1})
    told = [(c.name, c.before, c.after, c.by, c.reason) for c in configs.history("client:checkout")]
    assert told == [
        ("linger_ms", "20", None, None, None),
        ("acks", None, "all", "grace", "batches are small"),
        ("linger_ms", "5", "20", "grace", "batches are small"),
        ("linger_ms", None, "5", "ada", "first"),
    ]
    assert [c.revision for c in configs.history()] == [4, 3, 2, 2, 1]
    assert abs(configs.history()[0].at_ms - broker.connection.server_time_ms()) < 60_000
    assert len(configs.history(most=2)) == 2


def test_a_topics_settings_are_reached_in_the_same_way_and_stand_in_its_registry(
    configs: Configs, broker: Broker
) -> None:
    name = a_topic(broker, retention_ms=1000)
    before = configs.get(topic(name))
    assert before.values == {"retention.ms": 1000}
    done = configs.change(topic(name), {"retention_bytes": "5000"}, ["retention.ms"], by="ada", reason="disk")
    assert done.names == ["retention.bytes", "retention.ms"]
    assert broker.admin().describe_topics([name])[0]["configs"] == {"retention.bytes": 5000}
    told = {(c.name, c.before, c.after, c.by) for c in configs.history(topic(name))}
    assert told == {("retention.bytes", None, "5000", "ada"), ("retention.ms", "1000", None, "ada")}
    assert topic(name) in configs.entities()
    with pytest.raises(StaleConfigError):
        configs.set(topic(name), {"retention.ms": 5}, expected=before.version)
    configs.set(topic(name), {"retention.ms": 5}, expected=configs.get(topic(name)).version)


def test_a_topic_that_does_not_exist_has_no_settings(configs: Configs) -> None:
    with pytest.raises(UnknownTopicOrPartitionError):
        configs.get("topic:nowhere")
    with pytest.raises(UnknownTopicOrPartitionError):
        configs.set("topic:nowhere", {"retention.ms": 5})


def test_settings_of_a_later_version_are_passed_over(configs: Configs, broker: Broker) -> None:
    configs.set(BROKER, {"linger_ms": 5})
    broker.connection.client.hset(keys.config_of("broker"), "warp_factor", "9")
    assert configs.get(BROKER).values == {"linger_ms": 5}


def test_all_of_it_stands_in_one_slot(configs: Configs, broker: Broker) -> None:
    configs.set("group:{a}", {"fetch_min_bytes": 2})
    stored = [key for server in broker.connection.servers() for key in server.scan_iter("sl:*config*")]
    assert len(stored) == 4
    assert all(key.startswith(b"sl:{config}:") for key in stored)


def test_errors_are_ours(configs: Configs, broker: Broker) -> None:
    broker.connection.client.set(keys.config_of("broker"), "not a hash")
    with pytest.raises(StreamlabError):
        configs.get(BROKER)

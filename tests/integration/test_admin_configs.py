"""kafka-python's admin verbs on settings: a program that configures Kafka configures Streamlab."""

from __future__ import annotations

from collections.abc import Iterator

import kafka.admin
import pytest

from streamlab.broker import Broker
from streamlab.errors import IllegalArgumentError, KafkaConfigurationError
from streamlab.kafka import KafkaAdminClient, errors
from streamlab.kafka import admin as ours
from streamlab.kafka.admin import AlterConfigOp, ConfigFilterType, ConfigResource, ConfigResourceType

pytestmark = pytest.mark.both_engines


@pytest.fixture
def admin(redis_url: str) -> Iterator[KafkaAdminClient]:
    with KafkaAdminClient(bootstrap_servers=redis_url) as client:
        client.create_topics({"orders": {"num_partitions": 1, "configs": {"retention.ms": 60_000}}})
        yield client


def group(configs: object = None) -> ConfigResource:
    return ConfigResource("group", "revenue", configs)


def orders(configs: object = None) -> ConfigResource:
    return ConfigResource(ConfigResourceType.TOPIC, "orders", configs)


@pytest.mark.parametrize(
    "name", ["AlterConfigOp", "ConfigFilterType", "ConfigResourceType", "ConfigSourceType", "ConfigType"]
)
def test_kafkas_words_and_numbers_are_ours(name: str) -> None:
    theirs = {member.name: member.value for member in getattr(kafka.admin, name)}
    assert {member.name: member.value for member in getattr(ours, name)} == theirs


def test_only_what_a_resource_has_of_its_own_is_described_unless_asked(admin: KafkaAdminClient) -> None:
    assert admin.describe_configs([orders(), group()]) == {
        "topic": {
            "orders": {
                "retention.ms": {
                    "value": "60000",
                    "read_only": False,
                    "config_source": "DYNAMIC_TOPIC_CONFIG",
                    "is_sensitive": False,
                    "config_type": "LONG",
                    "documentation": "records older than this are removed; -1: never",
                }
            }
        },
        "group": {"revenue": {}},
    }
    everything = admin.describe_configs([orders()], config_filter=ConfigFilterType.ALL)["topic"]["orders"]
    assert everything["cleanup.policy"]["config_type"] == "LIST"
    assert everything["retention.bytes"]["config_source"] == "DEFAULT_CONFIG"
    some = admin.describe_configs([orders(["retention.bytes", "retention.ms"])], config_filter="all")
    assert list(some["topic"]["orders"]) == ["retention.bytes", "retention.ms"]


def test_synonyms_say_what_would_hold_otherwise(admin: KafkaAdminClient) -> None:
    admin.alter_configs([ConfigResource("BROKER", "0", {"retention.ms": "90000"})])
    found = admin.describe_configs([orders(["retention.ms"])], include_synonyms=True)
    assert [(s["value"], s["source"]) for s in found["topic"]["orders"]["retention.ms"]["synonyms"]] == [
        ("60000", "DYNAMIC_TOPIC_CONFIG"),
        ("90000", "DYNAMIC_DEFAULT_BROKER_CONFIG"),
        ("604800000", "DEFAULT_CONFIG"),
    ]


def test_settings_are_set_and_taken_back(admin: KafkaAdminClient) -> None:
    done = admin.alter_configs(
        [
            group({"max.poll.records": "50", "fetch_min_bytes": (AlterConfigOp.SET, 10)}),
            orders({"retention.ms": (AlterConfigOp.DELETE, None), "cleanup.policy": ("APPEND", "compact")}),
        ]
    )
    assert done == {"group": {"revenue": "OK"}, "topic": {"orders": "OK"}}
    assert {n: c["value"] for n, c in admin.describe_configs([group()])["group"]["revenue"].items()} == {
        "max_poll_records": "50",
        "fetch_min_bytes": "10",
    }
    assert admin.describe_topics(["orders"])[0]["configs"] == {"cleanup.policy": "compact,delete"}
    admin.incremental_alter_configs([orders({"cleanup.policy": ("SUBTRACT", "delete")})])
    assert admin.describe_topics(["orders"])[0]["configs"] == {"cleanup.policy": "compact"}
    assert admin.list_config_resources() == {"topic": ["orders"], "broker": [], "group": ["revenue"]}
    admin.reset_configs([group(["fetch_min_bytes"]), orders()])
    assert list(admin.describe_configs([group()])["group"]["revenue"]) == ["max_poll_records"]
    assert admin.list_config_resources(["topic", "group"]) == {"topic": [], "group": ["revenue"]}


def test_what_is_wrong_stands_in_the_answer_and_nothing_is_changed(admin: KafkaAdminClient) -> None:
    with pytest.raises(ValueError, match="Did you mean 'max_poll_records'"):
        admin.alter_configs([group({"max.poll.record": 5})])
    told = admin.alter_configs([group({"max.poll.record": 5})], raise_on_unknown=False)
    assert "Did you mean" in told["group"]["revenue"]
    told = admin.alter_configs([group({"max_poll_records": 0, "fetch_min_bytes": 5})])
    assert "between 1 and" in told["group"]["revenue"]
    told = admin.alter_configs([orders({"retention.ms": ("APPEND", 5)})])
    assert "no list" in told["topic"]["orders"]
    assert admin.alter_configs([group({"max_poll_records": 5})], validate_only=True)["group"] == {
        "revenue": "OK"
    }
    assert admin.describe_configs([group()])["group"]["revenue"] == {}


def test_resources_without_settings_say_why(admin: KafkaAdminClient) -> None:
    with pytest.raises(IllegalArgumentError, match="nothing to subscribe to"):
        admin.describe_configs([ConfigResource("CLIENT_METRICS", "all")])
    with pytest.raises(errors.UnknownTopicOrPartitionError):
        admin.describe_configs([ConfigResource("TOPIC", "nowhere")])
    with pytest.raises(KafkaConfigurationError, match="cannot change while a client runs"):
        admin.alter_configs([ConfigResource("GROUP", "g", {"group_id": "h"})])


def test_the_assignor_of_a_group_is_one_of_its_settings(broker: Broker) -> None:
    broker.admin().create_topics({"orders": {}})
    with broker.consumer("orders", group_id="revenue") as consumer:
        consumer.poll(100)
        broker.admin().alter_configs([group({"assignor": "roundrobin"})])
        assert broker.admin().describe_groups(["revenue"])["revenue"]["protocol_data"] == "roundrobin"

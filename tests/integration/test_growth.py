"""Before a topic grows, the operator is told how many of the keys in use would go elsewhere."""

from __future__ import annotations

import pytest

from streamlab.errors import InvalidPartitionsError, UnknownTopicOrPartitionError
from streamlab.partitioner import partition_for
from tests.builders import a_topic


def send(broker, topic, names, **more):
    with broker.producer() as producer:
        for future in [producer.send(topic, b"v", key=name, **more) for name in names]:
            future.get(30)


def test_the_preview_counts_the_keys_that_would_move(broker):
    topic = a_topic(broker, 3)
    names = [b"key-%d" % n for n in range(200)]
    send(broker, topic, names + names)
    growth = broker.admin().preview_partitions(topic, 4)
    moving = sum(partition_for(name, 3) != partition_for(name, 4) for name in names)
    assert (growth.keys, growth.records) == (200, 400)
    assert (growth.moving_keys, growth.moving_records) == (moving, 2 * moving)
    assert f"{moving} of the 200 keys" in growth.warning
    assert len(broker.admin().describe_topics([topic])[0]["partitions"]) == 3


def test_growing_says_what_it_did_to_the_keys(broker):
    topic = a_topic(broker, 1)
    send(broker, topic, [b"key-%d" % n for n in range(50)])
    [result] = broker.admin().create_partitions({topic: 2})["results"]
    assert (result["name"], result["error"], result["keys"]) == (topic, None, 50)
    assert 0 < result["moving_keys"] < 50 and "would go to another partition" in result["warning"]


def test_without_keys_there_is_nothing_to_warn_of(broker):
    topic = a_topic(broker, 1)
    send(broker, topic, [None] * 20)
    growth = broker.admin().preview_partitions(topic, 5)
    assert (growth.records, growth.keys, growth.moving_keys) == (20, 0, 0)
    assert "no order within a key is lost" in growth.warning


def test_keys_that_another_partitioner_placed_are_counted_apart(broker):
    topic = a_topic(broker, 2)
    name = next(b"%d" % n for n in range(100) if partition_for(b"%d" % n, 2) == 1)
    send(broker, topic, [name], partition=0)
    growth = broker.admin().preview_partitions(topic, 3)
    assert (growth.elsewhere_keys, growth.moving_keys) == (1, 0)


@pytest.mark.parametrize("total", [1, 2, 0, 10_001, True, "3"])
def test_a_topic_cannot_shrink_or_grow_without_measure(broker, total):
    topic = a_topic(broker, 2)
    with pytest.raises(InvalidPartitionsError):
        broker.admin().preview_partitions(topic, total)


def test_a_topic_that_is_not_there_cannot_grow(broker):
    with pytest.raises(UnknownTopicOrPartitionError):
        broker.admin().preview_partitions("nowhere", 3)


def test_changes_of_topics_leave_their_events_in_the_outbox(broker):
    import json

    from streamlab import keys
    from streamlab.model import TopicPartition

    topic = a_topic(broker, 1, retention_ms=1000)
    send(broker, topic, [b"k"] * 10)
    admin = broker.admin()
    admin.create_partitions({topic: 3})
    admin.delete_records({TopicPartition(topic, 0): -1})
    admin.delete_records({TopicPartition(topic, 0): -1})  # nothing more to delete, nothing to say
    admin.delete_topics([topic])
    broker.admin().create_topics(["__internal"])
    left = broker.connection.client.xrange(keys.TOPICS_EVENTS)
    said = [(fields[b"type"].decode(), json.loads(fields[b"data"])) for _, fields in left]
    assert [type_ for type_, _ in said] == [
        "topic.created",
        "partitions.added",
        "records.deleted",
        "topic.deleted",
    ]
    assert {data["topic"] for _, data in said} == {topic}
    assert all(data["at_ms"] > 0 for _, data in said)
    created, added, deleted, gone = (data for _, data in said)
    assert (created["partitions"], created["configs"]) == (1, {"retention.ms": 1000})
    assert (added["before"], added["after"]) == (1, 3)
    assert [d["partition"] for d in deleted["deletions"]] == [0]
    assert gone["partitions"] == 3

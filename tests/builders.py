"""Plain defaults for what tests need again and again."""

from __future__ import annotations

import subprocess
import uuid
from collections import defaultdict
from pathlib import Path
from typing import Any

from streamlab.broker import Broker
from streamlab.consumer import Consumer
from streamlab.embedded import EmbeddedServer
from streamlab.model import ConsumerRecord, TopicPartition
from tests.waiting import until


def a_topic(broker: Broker, partitions: int = 1, **configs: Any) -> str:
    """A new topic; configs with underscores, `retention_ms=1000`."""
    name = f"t-{uuid.uuid4().hex[:8]}"
    named = {key.replace("_", "."): value for key, value in configs.items()}
    broker.admin().create_topics({name: {"num_partitions": partitions, "configs": named}})
    return name


def produce(broker: Broker, topic: str, values: list[bytes], **send: Any) -> None:
    """Send and wait for all."""
    with broker.producer() as producer:
        for future in [producer.send(topic, value, **send) for value in values]:
            future.get(60)


def numbered(count: int, start: int = 0) -> list[bytes]:
    return [b"%d" % n for n in range(start, start + count)]


def read(consumer: Consumer, count: int, timeout_s: float = 60.0) -> list[ConsumerRecord]:
    """At least `count` records, in the order in which poll() returned them."""
    records: list[ConsumerRecord] = []

    def enough() -> bool:
        for polled in consumer.poll(100).values():
            records.extend(polled)
        return len(records) >= count

    until(enough, timeout_s, f"{count} records")
    return records


def a_group_that_read(broker: Broker, records: int, group: str = "revenue") -> str:
    """A topic of so many records; the group has read all of it, committed, and is stopped."""
    topic = a_topic(broker)
    produce(broker, topic, numbered(records))
    with broker.consumer(topic, group_id=group, auto_offset_reset="earliest") as consumer:
        read(consumer, records)
        consumer.commit()
    return topic


def values(records: list[ConsumerRecord]) -> list[bytes]:
    return [record.value for record in records]


def by_partition(records: list[ConsumerRecord]) -> dict[TopicPartition, list[ConsumerRecord]]:
    found: dict[TopicPartition, list[ConsumerRecord]] = defaultdict(list)
    for record in records:
        found[record.topic_partition].append(record)
    return dict(found)


def poll_all(consumers: list[Consumer]) -> None:
    """Let every member take its part in a rebalance."""
    for consumer in consumers:
        consumer.poll(5)


def settle(consumers: list[Consumer], partitions: int, timeout_s: float = 60.0) -> None:
    """Until all partitions are owned, shared evenly to within one."""

    def even() -> bool:
        poll_all(consumers)
        shares = [len(consumer.assignment()) for consumer in consumers]
        return sum(shares) == partitions and max(shares) - min(shares) <= 1

    until(even, timeout_s, f"{partitions} partitions owned evenly by {len(consumers)} consumers")


def fall_silent(consumer: Consumer) -> None:
    """As a process that is stopped: no farewell, no heartbeat. It still believes to own its partitions."""
    membership = consumer._assignment.membership
    assert membership is not None
    membership.end()
    membership.join_thread()


def kill_and_restart(server: EmbeddedServer) -> None:
    """SIGKILL, and the same data again at the same address."""
    assert server.pid is not None
    subprocess.run(["kill", "-9", str(server.pid)], check=True)
    until(lambda: server.poll() is not None, 30, "the server is dead")
    server.launch()
    until(server.ready, 30, "the server is back")


def a_server(directory: Path, **settings: str) -> EmbeddedServer:
    """A server of the test's own, to be killed, started by `with`; settings with underscores."""
    return EmbeddedServer(
        directory, settings={key.replace("_", "-"): value for key, value in settings.items()}
    )

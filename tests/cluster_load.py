"""A load for tests in which servers die: producers and a group of consumers that go on, and what became of it all."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from typing import Any

import streamlab
from streamlab.broker import Broker
from streamlab.errors import CommitFailedError, StreamlabError
from streamlab.model import TopicPartition

PARTITIONS = 6
KEYS = 20


class Load:
    """Two producers and two consumers in threads. `with Load(url, topic) as load: …`, then ask it."""

    def __init__(self, url: str, topic: str, acks: Any = "all", per_s: float = 1_500):
        self.url, self.topic, self.acks = url, topic, acks
        self.acknowledged: set[str] = set()
        self.failed: list[Exception] = []
        self.consumed: Counter[str] = Counter()
        self.commits = 0
        self._pause_s = 20 / per_s
        self._produced = threading.Event()  # no more is sent
        self._drained = threading.Event()  # no more is read
        self._producers = [threading.Thread(target=self._produce, args=(n,)) for n in range(2)]
        self._consumers = [threading.Thread(target=self._consume, args=(n,)) for n in range(2)]

    def __enter__(self) -> Load:
        for thread in (*self._producers, *self._consumers):
            thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop_producing()
        self._drained.set()
        for thread in self._consumers:
            thread.join(60)

    def stop_producing(self) -> None:
        """Wait until all that was sent is settled."""
        self._produced.set()
        for thread in self._producers:
            thread.join(120)
            assert not thread.is_alive(), "a producer does not end"

    def _produce(self, number: int) -> None:
        with (
            streamlab.connect(self.url) as broker,
            broker.producer(acks=self.acks, client_id=f"p{number}") as producer,
        ):
            count = 0
            while not self._produced.is_set():
                for _ in range(20):
                    key, name = f"{number}-{count % KEYS}", f"{number}-{count % KEYS}:{count}"
                    sent = producer.send(self.topic, name.encode(), key.encode())
                    sent.add_both(self._settled(name))
                    count += 1
                self._produced.wait(self._pause_s)
            producer.flush(100)

    def _settled(self, name: str) -> Any:
        def note(outcome: Any) -> None:
            if isinstance(outcome, Exception):
                self.failed.append(outcome)
            else:
                self.acknowledged.add(name)

        return note

    def _consume(self, number: int) -> None:
        with streamlab.connect(self.url) as broker:
            consumer = broker.consumer(
                self.topic,
                group_id="g",
                client_id=f"c{number}",
                auto_offset_reset="earliest",
                enable_auto_commit=False,
                session_timeout_ms=6_000,
                heartbeat_interval_ms=500,
            )
            while not self._drained.is_set():
                try:
                    polled = consumer.poll(100)
                    self.consumed.update(r.value.decode() for records in polled.values() for r in records)
                    if polled:
                        consumer.commit()
                        self.commits += 1
                except CommitFailedError:
                    pass
                except StreamlabError as error:
                    if not error.retriable:
                        self.failed.append(error)
                        raise
            try:
                consumer.close()
            except StreamlabError:
                pass


class Stored:
    """Everything that a topic holds now."""

    def __init__(self, broker: Broker, topic: str):
        self.names: Counter[str] = Counter()
        self.disordered: list[str] = []
        newest: dict[str, int] = defaultdict(lambda: -1)
        with broker.consumer(group_id=None) as consumer:
            partitions = [TopicPartition(topic, n) for n in range(PARTITIONS)]
            ends = consumer.end_offsets(partitions)
            consumer.assign(partitions)
            consumer.seek_to_beginning()
            while any(consumer.position(tp) < end for tp, end in ends.items()):
                for records in consumer.poll(200, max_records=10_000).values():
                    for record in records:
                        name = record.value.decode()
                        key, _, count = name.partition(":")
                        self.names[name] += 1
                        if int(count) <= newest[key]:
                            self.disordered.append(name)
                        newest[key] = int(count)

    @property
    def twice(self) -> list[str]:
        return [name for name, count in self.names.items() if count > 1]

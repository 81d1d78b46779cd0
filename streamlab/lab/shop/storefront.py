"""The process that makes the shop's events and sends them."""

from __future__ import annotations

import logging
import os
import threading
import time
from datetime import UTC, datetime
from random import Random
from typing import Any

import orjson

from ...cloudevents import Series, rfc3339
from ...errors import StreamlabError, TopicAlreadyExistsError
from ...topics import Topics
from .layout import SOURCE, TOPICS
from .orders import Happening, Simulation
from .rhythm import Day

log = logging.getLogger(__name__)

TICK_S = 0.1


def ensure_topics(connection: Any) -> None:
    """Make the topics that are missing; those that exist stay as they are."""
    topics = Topics(connection)
    for name, topic in TOPICS.items():
        if topics.get(name) is None:
            try:
                topics.create(name, topic.partitions, topic.configs)
            except TopicAlreadyExistsError:
                pass  # another process was faster


def run(broker: Any, events_per_s: float, day: Day, stop: threading.Event) -> None:
    """Sell until `stop`. A server that is away only makes it wait."""
    store = Storefront(broker, Simulation(events_per_s, day, Random(), first_order=int(time.time())))
    while not stop.wait(TICK_S):
        try:
            store.tick(time.time())
        except StreamlabError as error:
            log.warning("The storefront waits: %s", error)
            stop.wait(1.0)
            _try_again(broker)
    store.close()


def _try_again(broker: Any) -> None:
    try:
        ensure_topics(broker.connection)  # a server that came back empty has none
    except StreamlabError as error:
        log.warning("The topics cannot be made yet: %s", error)


class Storefront:
    """Sends what the simulation makes happen."""

    def __init__(self, broker: Any, simulation: Simulation):
        self._simulation = simulation
        self._producer = broker.producer(
            client_id="shop-storefront",
            linger_ms=100,
            compression_type="lz4",
            max_block_ms=5_000,
            allow_auto_create_topics=False,  # they have partitions and retention of their own
        )
        self._series: dict[str, Series] = {}
        self._run = f"{os.getpid():x}{int(time.time()):x}"  # event ids differ from those of other runs
        self._count = 0
        self.failed = 0

    def tick(self, now_s: float) -> None:
        """Raises StreamlabError when the server takes no more; what happened is then lost, as in life."""
        moment = rfc3339(datetime.fromtimestamp(now_s, UTC)).encode()
        for happening in self._simulation.until(now_s):
            self._send(happening, moment)

    def close(self) -> None:
        self._producer.close(2.0)

    def _send(self, happening: Happening, moment: bytes) -> None:
        series = self._series.get(happening.type)
        if series is None:
            series = self._series[happening.type] = Series(SOURCE, happening.type)
        self._count += 1
        headers = series.headers(f"{self._run}-{self._count}".encode(), moment)
        value = orjson.dumps(happening.data)
        self._producer.send(happening.topic, value, happening.key.encode(), headers).add_errback(
            self._note_failure
        )

    def _note_failure(self, error: Exception) -> None:
        self.failed += 1
        if self.failed == 1 or self.failed % 1000 == 0:
            log.warning("%d events were not delivered; the last one: %s", self.failed, error)

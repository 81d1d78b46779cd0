"""The way in: one object for one server, from which producers, consumers and the admin are made."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from .admin import Admin
from .configs.store import Configs
from .connection import Connection
from .consumer import Consumer
from .producer import Producer

if TYPE_CHECKING:
    from .delivery.dead_letters import DeadLetters
    from .delivery.replay import Replays
    from .delivery.worker import Worker

H = TypeVar("H", bound=Callable[..., Any])

URL_VARIABLE = "STREAMLAB_URL"


class Broker:
    """Makes producers, consumers and admins for one server. Safe to share between threads; close() it at the end."""

    def __init__(self, url: str):
        self.url = url
        self.connection = Connection(url)
        self.workers: list[Worker] = []  # of the handlers that handler() has entered

    def producer(self, **configs: Any) -> Producer:
        """kafka-python's KafkaProducer. Raises KafkaConfigurationError."""
        return Producer(self.connection, **configs)

    def consumer(self, *topics: str, **configs: Any) -> Consumer:
        """kafka-python's KafkaConsumer, subscribed to `topics` if any are given. Raises KafkaConfigurationError."""
        return Consumer(self.connection, *topics, **configs)

    def worker(self, *topics: str, group_id: str, handler: Callable[..., Any], **configs: Any) -> Worker:
        """Calls `handler(record)` or `handler(record, context)` for every record, with retries and dead letters.

        `configs`: retry (a RetryPolicy), ordering ("none", "key", "partition"), concurrency, handler_timeout_ms and the
        others of docs/delivery.md, and consumer settings. It works once run() or start() is called.
        Raises KafkaConfigurationError, IllegalArgumentError, InvalidGroupIdError.
        """
        from .delivery.worker import Worker  # only who has a worker pays for it

        return Worker(self.connection, *topics, group_id=group_id, handler=handler, **configs)

    def handler(self, *topics: str, group_id: str, **configs: Any) -> Callable[[H], H]:
        """worker() as a decorator. The function stays what it was; run() calls it for every record.

        @broker.handler("orders", group_id="revenue")
        def book(record, context): ...
        """

        def enter(function: H) -> H:
            self.workers.append(self.worker(*topics, group_id=group_id, handler=function, **configs))
            return function

        return enter

    def run(self) -> None:
        """Run all workers of handler() until SIGTERM or Ctrl-C, then let them finish. `streamlab worker` does the same.

        In the main thread. Raises IllegalStateError when there is none, and what ended a worker.
        """
        from .delivery.running import run_until_stopped

        run_until_stopped(self.workers)

    def configs(self) -> Configs:
        """Settings of the broker, topics, groups and client ids that running clients follow."""
        return Configs(self.connection)

    def dead_letters(self, topic: str, group_id: str) -> DeadLetters:
        """What `group_id` gave up of `topic`: list, group, export, discard. replays() lets it be handled again."""
        from .delivery.dead_letters import DeadLetters

        return DeadLetters(self.connection, topic, group_id)

    def replays(self) -> Replays:
        """Plan replays of dead letters, run them, look how far they are."""
        from .delivery.replay import Replays

        return Replays(self.connection)

    def admin(self) -> Admin:
        """kafka-python's KafkaAdminClient."""
        return Admin(self.connection)

    def close(self) -> None:
        """Close the shared connections. Producers and consumers are closed by themselves."""
        self.connection.close()

    def __enter__(self) -> Broker:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def connect(url: str | None = None) -> Broker:
    """A broker for the server at `url` (redis://, rediss://, unix://) or the cluster (redis+cluster://host:port,host:port).

    None takes $STREAMLAB_URL, else the server inside: the one running in ./var, or one that is started now and
    stopped with this process.
    """
    url = url or os.environ.get(URL_VARIABLE)
    if not url:
        from . import embedded  # only who needs the server inside pays for it

        url = embedded.url_of_running_or_start()
    return Broker(url)

"""The way in: one object for one server, from which producers, consumers and the admin are made."""

from __future__ import annotations

import os
from typing import Any

from .admin import Admin
from .connection import Connection
from .consumer import Consumer
from .producer import Producer

URL_VARIABLE = "STREAMLAB_URL"


class Broker:
    """Makes producers, consumers and admins for one server. Safe to share between threads; close() it at the end."""

    def __init__(self, url: str):
        self.url = url
        self.connection = Connection(url)

    def producer(self, **configs: Any) -> Producer:
        """kafka-python's KafkaProducer. Raises KafkaConfigurationError."""
        return Producer(self.connection, **configs)

    def consumer(self, *topics: str, **configs: Any) -> Consumer:
        """kafka-python's KafkaConsumer, subscribed to `topics` if any are given. Raises KafkaConfigurationError."""
        return Consumer(self.connection, *topics, **configs)

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
    """A broker for the server at `url` (redis://, rediss://, unix://).

    None takes $STREAMLAB_URL, else the server inside: the one running in ./var, or one that is started now and
    stopped with this process.
    """
    url = url or os.environ.get(URL_VARIABLE)
    if not url:
        from . import embedded  # only who needs the server inside pays for it

        url = embedded.url_of_running_or_start()
    return Broker(url)

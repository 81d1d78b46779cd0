"""Which server `bootstrap_servers` means."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..broker import Broker, connect
from ..errors import KafkaConfigurationError


def broker_at(bootstrap_servers: Any) -> Broker:
    """A broker of the caller's own. None is what `streamlab.connect()` finds without a URL.

    Raises KafkaConfigurationError when this is not one Redis URL.
    """
    return connect(server_url(bootstrap_servers))


def server_url(bootstrap_servers: str | Iterable[str] | None) -> str | None:
    """
    >>> server_url(["redis://localhost:6379/0"])
    'redis://localhost:6379/0'
    >>> server_url("localhost:9092")
    Traceback (most recent call last):
    streamlab.errors.KafkaConfigurationError: bootstrap_servers 'localhost:9092' is the address of a Kafka broker. \
Streamlab keeps its records in Redis: give one URL such as redis://localhost:6379/0, rediss://… or unix:///path.
    """
    if bootstrap_servers is None:
        return None
    given = [bootstrap_servers] if isinstance(bootstrap_servers, str) else list(bootstrap_servers)
    urls = list(dict.fromkeys(str(url).strip() for url in given))
    if not urls:
        raise KafkaConfigurationError(
            "bootstrap_servers is empty: give one URL such as redis://localhost:6379/0."
        )
    for url in urls:
        if "://" not in url:
            raise KafkaConfigurationError(
                f"bootstrap_servers {url!r} is the address of a Kafka broker. Streamlab keeps its records in Redis: "
                "give one URL such as redis://localhost:6379/0, rediss://… or unix:///path."
            )
    if len(urls) > 1:
        raise KafkaConfigurationError(
            f"bootstrap_servers names {len(urls)} servers. Each Redis server has records of its own: give one."
        )
    return urls[0]

"""The one broker object of this process, and what is made of it once."""

from __future__ import annotations

import atexit
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Protocol, TypeVar, cast

from django.conf import settings

import streamlab
from streamlab.broker import Broker
from streamlab.errors import KafkaConnectionError, StreamlabError


class Closable(Protocol):
    def close(self) -> None: ...


T = TypeVar("T", bound=Closable)

_lock = threading.RLock()
_opened: dict[tuple[str, Callable[..., Any]], Closable] = {}
"""By the broker's URL and what made it, oldest first."""


def broker() -> Broker:
    """Safe to share between threads. Raises KafkaConnectionError when no broker is configured."""
    url = settings.STREAMLAB_URL
    if not url:
        raise KafkaConnectionError("No broker is running here, and STREAMLAB_URL names none elsewhere.")
    return _once(url, streamlab.connect, url)


def one_per_process(make: Callable[[Broker], T]) -> Callable[[], T]:
    """A function that answers what `make(broker)` makes when it is first wanted; it must be safe to share."""

    def answer() -> T:
        connected = broker()
        return _once(connected.url, make, connected)

    return answer


def _once(url: str, make: Callable[[Any], T], argument: Any) -> T:
    with _lock:
        if (url, make) not in _opened:
            _opened[url, make] = make(argument)
        return cast(T, _opened[url, make])


@atexit.register
def close() -> None:
    """Send what waits and let go of everything. Who wants something later gets a new one. Raises nothing."""
    with _lock:
        while _opened:
            _, last = _opened.popitem()
            with suppress(StreamlabError):
                last.close()

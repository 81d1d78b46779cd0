"""What running clients say about themselves: each pushes its figures once a second, and they vanish with it.

    producer = broker.producer(client_id="checkout")
    with Reporter(broker.connection, "checkout", "producer", producer.metrics):
        …

    read_all(broker.connection)["checkout"].metrics["producer-metrics"]["batch-size-avg"]

A client that dies is gone after `TTL_MS`. A push that fails is left out and never repeated: the next one has newer
figures. Names and shape are those of `metrics()`, which are Kafka's; a figure that is not known (NaN) is None.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Callable, Mapping
from types import TracebackType

import msgspec

from .. import keys
from ..connection import Connection
from ..errors import StreamlabError, translated

PUSH_EVERY_S = 1.0
TTL_MS = 10_000

Metrics = Mapping[str, Mapping[str, float]]
"""Group of metrics -> name -> value, as kafka-python's `metrics()`."""

log = logging.getLogger(__name__)


class ClientTelemetry(msgspec.Struct, frozen=True):
    """The newest push of one client."""

    client_id: str
    kind: str  # producer, consumer or worker
    host: str
    pid: int
    as_of_ms: int  # server time of the push
    metrics: dict[str, dict[str, float | None]]


_decoder = msgspec.json.Decoder(ClientTelemetry)


class Reporter:
    """Pushes from a thread of its own until it is closed. `read` is called there, so it must not wait for long."""

    def __init__(
        self,
        connection: Connection,
        client_id: str,
        kind: str,
        read: Callable[[], Metrics],
        every_s: float = PUSH_EVERY_S,
    ):
        self._connection = connection
        self._client_id = client_id
        self._kind = kind
        self._read = read
        self._every_s = every_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"telemetry-{client_id}", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop pushing and take back what was pushed. Raises nothing."""
        self._stop.set()
        self._thread.join()
        try:
            with translated():
                pipe = self._connection.client.pipeline(transaction=False)
                pipe.unlink(keys.client(self._client_id))
                pipe.zrem(keys.CLIENTS, self._client_id)
                pipe.execute()
        except StreamlabError as error:
            log.debug("telemetry of %s stays until it expires: %s", self._client_id, error)

    def __enter__(self) -> Reporter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self) -> None:
        while True:
            try:
                self._push()
            except StreamlabError as error:
                log.debug("telemetry of %s was not pushed: %s", self._client_id, error)
            except Exception:
                log.exception("telemetry of %s cannot be read", self._client_id)
            if self._stop.wait(self._every_s):
                return

    def _push(self) -> None:
        metrics: dict[str, dict[str, float | None]] = {g: {**named} for g, named in self._read().items()}
        now_ms = self._connection.server_time_ms()
        pushed = ClientTelemetry(
            self._client_id, self._kind, socket.gethostname(), os.getpid(), now_ms, metrics
        )
        with translated():
            pipe = self._connection.client.pipeline(transaction=False)
            pipe.set(keys.client(self._client_id), msgspec.json.encode(pushed), px=TTL_MS)
            pipe.zadd(keys.CLIENTS, {self._client_id: now_ms})
            pipe.execute()


def read_all(connection: Connection) -> dict[str, ClientTelemetry]:
    """Every client that pushed within `TTL_MS`, by client id. Raises StreamlabError."""
    oldest_ms = connection.server_time_ms() - TTL_MS
    with translated():
        pipe = connection.client.pipeline(transaction=False)
        pipe.zremrangebyscore(keys.CLIENTS, "-inf", f"({oldest_ms}")
        pipe.zrange(keys.CLIENTS, 0, -1)
        names: list[bytes] = pipe.execute()[1]
        stored = connection.client.mget([keys.client(name.decode()) for name in names]) if names else []
    return {name.decode(): _decoder.decode(text) for name, text in zip(names, stored, strict=True) if text}

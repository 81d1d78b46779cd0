"""What running clients say about themselves: each pushes its state and figures once a second, and takes them back
when it is closed.

    for client in read_all(broker.connection).values():
        client.metrics["producer-metrics"]["batch-size-avg"], client.version, client.refused

A client that dies is *away* after `AWAY_AFTER_MS` and forgotten after `TTL_MS`. A push that fails is left out and
never repeated: the next one has newer figures. Names of metrics are Kafka's (docs/metrics.md); a figure that is not
known is None. `agent.py` in `configs/` does the pushing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from .. import keys
from ..connection import Connection
from .distribution import Sketch

PUSH_EVERY_S = 1.0
AWAY_AFTER_MS = 5_000
TTL_MS = 60_000

Metrics = Mapping[str, Mapping[str, float]]
"""Group of metrics -> name -> value, as kafka-python's `metrics()`."""


class ClientState(msgspec.Struct, frozen=True, kw_only=True):
    """Who a running client is, and with which settings it runs."""

    client_id: str
    instance: str  # tells it from others with the same client_id
    kind: str  # producer, consumer or worker
    group: str | None = None
    member_id: str | None = None  # in its group; None: not a member now
    host: str
    pid: int
    started_ms: int  # server time
    as_of_ms: int  # server time of the push
    version: int  # of the configuration that it has applied; -1: it has not seen any yet
    values: dict[str, Any] = {}  # of every setting that can be given from outside, as in force
    sources: dict[str, str] = {}  # setting -> entity that it is from; the others are the program's
    own: dict[str, Any] = {}  # of those in `sources`, what the program gave or the default
    refused: dict[str, str] = {}  # setting -> why the stored value was not taken

    def away(self, now_ms: int) -> bool:
        """Whether nothing was heard of it for so long that it may be gone. `now_ms` is server time."""
        return now_ms - self.as_of_ms > AWAY_AFTER_MS


class ClientTelemetry(ClientState, frozen=True, kw_only=True):
    """The newest push of one client."""

    metrics: dict[str, dict[str, float | None]] = {}
    sketches: dict[str, Sketch] = {}  # measure -> counts, to be added over clients (distribution.py)


_states = msgspec.json.Decoder(ClientState)
_metrics = msgspec.json.Decoder(dict[str, dict[str, float | None]])
_sketches = msgspec.msgpack.Decoder(dict[str, Sketch])


def push(state: ClientState, metrics: Metrics | None, sketches: Mapping[str, Sketch]) -> list[Sequence[Any]]:
    """The commands of one push; `metrics` None: this client tells no figures."""
    key, fields = keys.client(state.instance), ["state", msgspec.json.encode(state)]
    if metrics is not None:
        fields += ["metrics", msgspec.json.encode(_without_nan(metrics))]
        fields += ["sketches", msgspec.msgpack.encode(sketches)]
    return [
        ("HSET", key, *fields),
        ("PEXPIRE", key, TTL_MS),
        ("ZADD", keys.CLIENTS, state.as_of_ms, state.instance),
    ]


def forget(instance: str) -> list[Sequence[Any]]:
    """The commands that take back what an instance has pushed."""
    return [("UNLINK", keys.client(instance)), ("ZREM", keys.CLIENTS, instance)]


def read_states(connection: Connection) -> dict[str, ClientState]:
    """Every client of the last minute by instance, without its figures. Raises StreamlabError."""
    found = {}
    for instance, (state,) in _read(connection, "state"):
        found[instance] = _states.decode(state)
    return found


def read_all(connection: Connection) -> dict[str, ClientTelemetry]:
    """Every client of the last minute by instance, with its figures. Raises StreamlabError."""
    found = {}
    for instance, (state, metrics, sketches) in _read(connection, "state", "metrics", "sketches"):
        known = msgspec.structs.asdict(_states.decode(state))
        figures = _metrics.decode(metrics) if metrics else {}
        counts = _sketches.decode(sketches) if sketches else {}
        found[instance] = ClientTelemetry(**known, metrics=figures, sketches=counts)
    return found


def read_figures(connection: Connection, most: int) -> dict[str, ClientTelemetry]:
    """As `read_all`, of the `most` clients heard of last, and without their sketches. Raises StreamlabError."""
    found = {}
    for instance, (state, metrics) in _read(connection, "state", "metrics", most=most):
        known = msgspec.structs.asdict(_states.decode(state))
        found[instance] = ClientTelemetry(**known, metrics=_metrics.decode(metrics) if metrics else {})
    return found


def _read(connection: Connection, *fields: str, most: int = 0) -> list[tuple[str, list[Any]]]:
    """Fields of every client, or of so many, in two round trips; who is long gone is removed from the index."""
    oldest_ms = connection.server_time_ms() - TTL_MS
    _, names = connection.execute_many(
        [
            ("ZREMRANGEBYSCORE", keys.CLIENTS, "-inf", f"({oldest_ms}"),
            ("ZRANGE", keys.CLIENTS, -most if most else 0, -1),
        ]
    )
    instances = [name.decode() for name in names]
    stored = connection.execute_many([("HMGET", keys.client(i), *fields) for i in instances])
    return [(i, values) for i, values in zip(instances, stored, strict=True) if values[0]]


def _without_nan(metrics: Metrics) -> dict[str, dict[str, float | None]]:
    return {
        group: {name: value if math.isfinite(value) else None for name, value in named.items()}
        for group, named in metrics.items()
    }

"""Runs the shop: as many processes of each kind as are wanted, and a note that says what runs."""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
import time
from collections.abc import Mapping
from typing import Any

import redis

from ... import keys, retention
from ...connection import Connection
from ...errors import IllegalArgumentError, StreamlabError, translated
from ..supervisor import Supervisor
from . import rhythm
from .layout import DEPARTMENTS, DESIRED_KEY, MOST_CONSUMERS, OPENS_AT_HOUR, SOURCE, STATUS_KEY
from .storefront import ensure_topics

log = logging.getLogger(__name__)

TICK_S = 0.25
LOOK_EVERY_S = 1.0
SWEEP_EVERY_S = 60.0
STOP_TIMEOUT_S = 3.5
STATUS_LIFETIME_S = 10


def run(broker: Any, events_per_s: float, day_s: float, stop: threading.Event) -> None:
    """Keep the shop open until `stop`, then close it within 5 s. Raises StreamlabError."""
    ensure_topics(broker.connection)
    day = rhythm.day_with_hour(OPENS_AT_HOUR, time.time(), day_s)
    manager = Manager(broker, events_per_s, day)
    try:
        while not stop.is_set():
            manager.tick()
            stop.wait(TICK_S)
    finally:
        manager.close()


class Manager:
    """Call `tick` from the main thread."""

    def __init__(self, broker: Any, events_per_s: float, day: rhythm.Day):
        self._client = broker.connection.private_client(1.0)
        self._events_per_s, self._day = events_per_s, day
        self._supervisor = Supervisor(os.environ | {"STREAMLAB_URL": broker.url})
        self._wanted = {name: department.consumers for name, department in DEPARTMENTS.items()}
        self._connection = broker.connection
        self._looked_at = float("-inf")
        self._swept_at = time.monotonic()

    def tick(self) -> None:
        if time.monotonic() - self._looked_at >= LOOK_EVERY_S:
            self._looked_at = time.monotonic()
            self._look()
            self._supervisor.want(self._commands())
        if time.monotonic() - self._swept_at >= SWEEP_EVERY_S:
            self._swept_at = time.monotonic()
            self._sweep()
        self._supervisor.tick()

    def close(self) -> None:
        self._supervisor.stop(STOP_TIMEOUT_S)
        try:
            self._client.delete(STATUS_KEY)
        except (redis.RedisError, OSError):
            pass  # it runs out by itself
        self._client.close()

    def _look(self) -> None:
        """Read what is wanted, say what runs. While the server is away everything stays as it was."""
        try:
            self._wanted |= _parsed(self._client.hgetall(DESIRED_KEY))
            self._client.set(STATUS_KEY, json.dumps(self._status()), ex=STATUS_LIFETIME_S)
        except (redis.RedisError, OSError) as error:
            log.debug("The server does not answer: %s", error)

    def _sweep(self) -> None:
        """Retention is the sampler's work; where none runs the shop keeps itself bounded."""
        try:
            if not self._client.exists(keys.SAMPLER_LEASE):
                retention.sweep(self._connection)
        except (redis.RedisError, OSError, StreamlabError) as error:
            log.debug("Nothing was swept: %s", error)

    def _commands(self) -> dict[str, list[str]]:
        figures = map(str, (self._events_per_s, *self._day))
        base = [sys.executable, "-m", "streamlab.lab.shop", *figures]
        commands = {"storefront": [*base, "storefront", "1"]}
        for name, count in self._wanted.items():
            for number in range(1, count + 1):
                commands[f"{name}-{number}"] = [*base, name, str(number)]
        return commands

    def _status(self) -> dict[str, Any]:
        hour = self._day.hour(time.time())
        return {
            "simulated": True,
            "source": SOURCE,
            "pid": os.getpid(),
            "events_per_s": self._events_per_s,
            "day_s": self._day.length_s,
            "hour": f"{int(hour):02d}:{int(hour % 1 * 60):02d}",
            "wanted": self._wanted,
            "processes": [state._asdict() for state in self._supervisor.states()],
        }


def set_desired(connection: Connection, department: str, consumers: int) -> None:
    """How many consumers a department should have, from the next second on and across restarts.

    Raises IllegalArgumentError.
    """
    if department not in DEPARTMENTS:
        raise IllegalArgumentError(f"The shop has {', '.join(DEPARTMENTS)}; there is no {department!r}.")
    if not 0 <= consumers <= MOST_CONSUMERS:
        raise IllegalArgumentError(f"A department has 0 to {MOST_CONSUMERS} consumers, not {consumers}.")
    with translated():
        connection.client.hset(DESIRED_KEY, department, consumers)


def status(connection: Connection) -> dict[str, Any] | None:
    """What runs; None when no shop does."""
    with translated():
        stored = connection.client.get(STATUS_KEY)
    return None if stored is None else json.loads(stored)


def _parsed(stored: Mapping[bytes, bytes]) -> dict[str, int]:
    """What somebody else may have written is not trusted."""
    wanted = {}
    for name, count in stored.items():
        if name.decode(errors="replace") in DEPARTMENTS and count.isdigit():
            wanted[name.decode()] = min(MOST_CONSUMERS, int(count))
    return wanted

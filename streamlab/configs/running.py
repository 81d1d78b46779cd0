"""A running client as the agent sees it: who it is, which settings hold for it, what it says about itself."""

from __future__ import annotations

import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Mapping
from types import MethodType
from typing import Any, NamedTuple, TypeVar
from weakref import WeakMethod

from ..metrics.distribution import Sketch
from ..metrics.telemetry import ClientState, Metrics
from ..model import TopicPartition
from .effective import Effective, effective
from .entity import BROKER, Entity, client, group
from .settings import KINDS
from .store import Settings

log = logging.getLogger(__name__)

T = TypeVar("T")

FIRST_LOOK_S = 1.0
"""How long the first record waits for the settings; a server that is away holds nobody up for longer."""


def layers_of(client_id: str, group_id: str | None) -> list[Entity]:
    """The entities that a client belongs to, nearest first."""
    return [client(client_id), *([group(group_id)] if group_id else []), BROKER]


class WorkerSide(NamedTuple):
    """What a worker adds to the consumer that reads for it."""

    settings: dict[str, Any]  # those of `config.RETRY`, as its program gave them
    took: Callable[[set[str]], None]  # called with the names of settings that have another value now
    figures: Callable[[], Metrics]
    steps: Callable[[TopicPartition], int]  # changes of the retry queue that a commit relies on


class RunningClient:
    """One producer, consumer or worker. `config` is its own dict, which is changed in place.

    `took` is called, in the agent's thread, with the names of settings that have another value now. It must be quick.
    """

    def __init__(
        self,
        kind: str,
        config: dict[str, Any],
        read: Callable[[], Metrics],
        took: Callable[[set[str]], None],
        sketches: Callable[[], Mapping[str, Sketch]] = dict,
        member_id: Callable[[], str | None] = lambda: None,
    ):
        self.kind = kind
        self.client_id: str = config["client_id"]
        self.group: str | None = config.get("group_id")
        self.instance = f"{self.client_id}~{secrets.token_hex(4)}"
        self.started_ms = 0  # server time, once it is known
        self.version = -1  # of the configuration that is applied
        self.server_ahead_ms: float | None = None  # server time less monotonic time; None: not asked for yet
        self._config = config  # the client's own dict
        self._own = {name: config[name] for name in KINDS[kind]}
        self._read, self._took, self._sketches = _weakly(read), _weakly(took), _weakly(sketches)
        self._member_id = _weakly(member_id)
        self._in_force = Effective(dict(self._own), {}, {})
        self._looked = threading.Event()

    @property
    def layers(self) -> list[Entity]:
        """The entities that it belongs to, nearest first."""
        return layers_of(self.client_id, self.group)

    def server_now_ms(self) -> float | None:
        """The server's time, within a millisecond or two; None while it is not known."""
        ahead_ms = self.server_ahead_ms
        return None if ahead_ms is None else ahead_ms + time.monotonic() * 1000

    @property
    def in_force(self) -> Effective:
        return self._in_force

    @property
    def forgotten(self) -> bool:
        """Whether its program has dropped the client without closing it."""
        return self._took() is None

    def wait_for_first_look(self) -> None:
        """Until the stored settings are applied, or could not be read. Raises nothing."""
        self._looked.wait(FIRST_LOOK_S)

    def looked(self) -> None:
        """The stored settings were asked for, with or without success."""
        self._looked.set()

    def apply(self, version: int, stored: Mapping[Entity, Settings]) -> None:
        """Make what is stored hold."""
        found = effective(self.kind, self._own, [stored[entity] for entity in self.layers])
        changed = {name for name, value in found.values.items() if self._config[name] != value}
        before = {name: self._config[name] for name in changed}
        self._config.update({name: found.values[name] for name in changed})
        try:
            took = self._took()
            if changed and took is not None:
                took(changed)
        except Exception as error:  # a mistake of ours must not end the agent without a word
            log.exception("%s cannot apply its settings", self.client_id)
            self._config.update(before)
            found = found._replace(refused=found.refused | dict.fromkeys(changed, repr(error)))
        for name, why in found.refused.items():
            if self._in_force.refused.get(name) != why:
                log.warning("%s refuses a setting: %s", self.client_id, why)
        self._in_force = found
        self.version = version

    # -- what it says ---------------------------------------------------------------------------------------------

    def state(self, now_ms: int) -> ClientState:
        return ClientState(
            client_id=self.client_id,
            instance=self.instance,
            kind=self.kind,
            group=self.group,
            member_id=member_id() if (member_id := self._member_id()) else None,
            host=socket.gethostname(),
            pid=os.getpid(),
            started_ms=self.started_ms,
            as_of_ms=now_ms,
            version=self.version,
            values={name: _plain(self._config[name]) for name in KINDS[self.kind]},
            sources=self._in_force.sources,
            own={name: _plain(self._own[name]) for name in self._in_force.sources},
            refused=self._in_force.refused,
        )

    def figures(self) -> tuple[Metrics | None, Mapping[str, Sketch]]:
        """None when its program wants none pushed, or when they cannot be read now."""
        if not self._config["metrics_enabled"]:
            return None, {}
        read, sketches = self._read(), self._sketches()
        if read is None or sketches is None:
            return None, {}
        try:
            return read(), sketches()
        except Exception:
            log.exception("The figures of %s cannot be read", self.client_id)
            return None, {}


def _weakly(function: Callable[..., T]) -> Callable[[], Callable[..., T] | None]:
    """Of a method of the client, without keeping the client; it answers None when the client is gone."""
    if isinstance(function, MethodType):
        return WeakMethod(function)
    return lambda: function


def _plain(value: Any) -> Any:
    """JSON has no infinity."""
    return None if value == float("inf") else value

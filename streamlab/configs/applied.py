"""Who has applied a change: n of n, who refuses and why, who is away."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable

import msgspec

from ..connection import Connection
from ..metrics.telemetry import ClientState, read_states
from .entity import Entity, EntityKind
from .settings import KINDS
from .store import Changed

_ASK_EVERY_S = 0.05


class Acknowledgement(msgspec.Struct, frozen=True, kw_only=True):
    """Of one change, by the clients that run now and have the settings at all."""

    entity: str
    version: int
    applied: list[ClientState]
    refused: list[ClientState]  # they say why in `refused`
    waiting: list[ClientState]  # they were heard of lately and have not said anything about it yet
    away: list[ClientState]  # nothing was heard of them for some seconds; they take it when they come back

    @property
    def clients(self) -> int:
        return len(self.applied) + len(self.refused) + len(self.waiting) + len(self.away)

    @property
    def settled(self) -> bool:
        """Whether everybody who is there has said something."""
        return not self.waiting

    def __str__(self) -> str:
        if not self.clients:
            return "no running client has to apply it"
        others = [("refused by", self.refused), ("awaited from", self.waiting), ("away:", self.away)]
        more = "".join(f", {word} {len(who)}" for word, who in others if who)
        return f"applied by {len(self.applied)} of {self.clients} clients{more}"


def concerned(states: Iterable[ClientState], entity: Entity, names: Collection[str]) -> list[ClientState]:
    """The clients that belong to the entity and have one of the settings."""
    return [
        state
        for state in states
        if _belongs(state, entity) and any(name in KINDS.get(state.kind, {}) for name in names)
    ]


def _belongs(state: ClientState, entity: Entity) -> bool:
    if entity.kind is EntityKind.CLIENT:
        return state.client_id == entity.name
    if entity.kind is EntityKind.GROUP:
        return state.group == entity.name
    return entity.kind is EntityKind.BROKER


def acknowledgement(connection: Connection, changed: Changed) -> Acknowledgement:
    """How far a change is. Raises StreamlabError when the server cannot be asked."""
    now_ms = connection.server_time_ms()
    found: dict[str, list[ClientState]] = {"applied": [], "refused": [], "waiting": [], "away": []}
    for state in concerned(read_states(connection).values(), changed.entity, changed.names):
        found[_standing(state, changed, now_ms)].append(state)
    return Acknowledgement(entity=str(changed.entity), version=changed.version, **found)


def _standing(state: ClientState, changed: Changed, now_ms: int) -> str:
    if state.version >= changed.version:
        return "refused" if any(name in state.refused for name in changed.names) else "applied"
    return "away" if state.away(now_ms) else "waiting"


def wait_until_applied(connection: Connection, changed: Changed, timeout_s: float = 5.0) -> Acknowledgement:
    """Until everybody who is there has applied or refused it, or that long. Raises StreamlabError."""
    deadline = time.monotonic() + timeout_s
    while True:
        said = acknowledgement(connection, changed)
        if said.settled or time.monotonic() >= deadline:
            return said
        time.sleep(_ASK_EVERY_S)

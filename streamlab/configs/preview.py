"""What a change of settings would do, worked out with the rule that the clients themselves use."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from ..connection import Connection
from ..metrics.telemetry import ClientState, read_states
from .applied import concerned
from .effective import Effective, effective
from .entity import Entity, entity
from .running import layers_of
from .settings import KINDS, named
from .store import Configs, Settings


class Step(msgspec.Struct, frozen=True):
    """One setting before and after."""

    before: Any
    after: Any


class Effect(msgspec.Struct, frozen=True, kw_only=True):
    """What the change would mean for one running client."""

    client: ClientState
    takes: dict[str, Step] = {}  # every setting that would have another value for it, now and then
    hidden: dict[str, str] = {}  # setting -> the nearer entity whose value holds in any case
    refuses: dict[str, str] = {}  # setting -> why


class Preview(msgspec.Struct, frozen=True, kw_only=True):
    """A change that was not made."""

    entity: str
    version: (
        int  # of the entity as it was looked at: give it as `expected` so that no other change comes between
    )
    changes: dict[str, Step]  # what the entity itself has; None: nothing
    effects: list[Effect]  # on the clients that run now and have one of the settings


def preview(
    connection: Connection, of: Entity | str, values: Mapping[str, Any], unset: Iterable[str] = ()
) -> Preview:
    """Changes nothing. Raises what `Configs.change` would raise."""
    configs, who = Configs(connection), entity(of)
    wanted = configs.checked(who, values)
    gone = [named(who, name) for name in unset]
    now = configs.get(who)
    then = now._replace(values={n: v for n, v in now.values.items() if n not in gone} | wanted)
    names = sorted({*wanted, *gone})
    changes = {
        name: Step(now.values.get(name), then.values.get(name))
        for name in names
        if now.values.get(name) != then.values.get(name)
    }
    clients = concerned(read_states(connection).values(), who, names)
    _, stored = configs.read(
        {layer for client in clients for layer in layers_of(client.client_id, client.group)}
    )
    effects = [_effect(client, stored, then, names) for client in clients]
    return Preview(
        entity=str(who),
        version=now.version,
        changes=changes,
        effects=sorted(effects, key=lambda effect: effect.client.instance),
    )


def _effect(
    client: ClientState, stored: Mapping[Entity, Settings], then: Settings, names: list[str]
) -> Effect:
    settings = [stored[layer] for layer in layers_of(client.client_id, client.group)]
    own = {name: _given(client, name) for name in KINDS[client.kind]}
    before = effective(client.kind, own, settings)
    after = effective(client.kind, own, [then if s.entity == then.entity else s for s in settings])
    refuses = {n: why for n, why in after.refused.items() if n in names or n not in before.refused}
    return Effect(
        client=client,
        takes={n: Step(v, after.values[n]) for n, v in before.values.items() if v != after.values[n]},
        hidden={n: after.sources[n] for n in names if _is_hidden(after, then, n)},
        refuses=refuses,
    )


def _is_hidden(after: Effective, then: Settings, name: str) -> bool:
    """Whether another entity's value holds although this one's is right."""
    stored = name in then.values and name not in after.refused
    return stored and after.sources.get(name, str(then.entity)) != str(then.entity)


def _given(client: ClientState, name: str) -> Any:
    """What the program gave the client, or the default."""
    value = client.own.get(name, client.values.get(name))
    return math.inf if value is None and KINDS[client.kind][name].default == math.inf else value

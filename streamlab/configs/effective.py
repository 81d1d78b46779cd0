"""Which value of each setting holds for one client: a pure function of what it was given and of what is stored.

    client id  >  its group  >  broker  >  the constructor's argument  >  the default

A stored value wins over the constructor's, because tuning something that runs is its purpose; taking it back lets the
constructor's value hold again. A value that this client cannot take is refused with the reason, and counts as if it
were not stored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from .settings import KINDS
from .store import Settings


class Effective(NamedTuple):
    values: dict[str, Any]  # of every setting that this kind of client takes from outside
    sources: dict[
        str, str
    ]  # setting -> the entity that it is from; missing: the constructor's or the default
    refused: dict[str, str]  # setting -> why


class _Rule(NamedTuple):
    """What must hold between settings. The first one of them that is stored is refused when it does not."""

    kinds: tuple[str, ...]
    settings: tuple[str, ...]
    holds: Callable[[Mapping[str, Any]], bool]
    sentence: str


_RULES = (
    _Rule(
        ("consumer", "worker"),
        ("heartbeat_interval_ms", "session_timeout_ms"),
        lambda v: v["heartbeat_interval_ms"] < v["session_timeout_ms"],
        "heartbeat_interval_ms ({heartbeat_interval_ms}) must be below session_timeout_ms ({session_timeout_ms})",
    ),
    _Rule(
        ("producer",),
        ("linger_ms", "delivery_timeout_ms"),
        lambda v: v["linger_ms"] < v["delivery_timeout_ms"],
        "linger_ms ({linger_ms}) must be below delivery_timeout_ms ({delivery_timeout_ms})",
    ),
)


def effective(kind: str, own: Mapping[str, Any], layers: Sequence[Settings]) -> Effective:
    """`own` is what the client was made with; `layers` are the entities that it belongs to, nearest first.

    >>> from .entity import BROKER, client
    >>> near, far = Settings(client("c"), 2, {"linger_ms": 50}), Settings(BROKER, 1, {"linger_ms": 10})
    >>> own = {name: setting.default for name, setting in KINDS["producer"].items()}
    >>> effective("producer", own, [near, far]).values["linger_ms"]
    50
    """
    refused: dict[tuple[str, str], str] = {}  # (setting, entity) -> why
    while True:
        taken = _taken(kind, layers, refused)
        broken = _broken(kind, own, taken)
        if broken is None:
            break
        rule, values = broken
        name = next(name for name in rule.settings if name in taken)
        refused[name, taken[name][1]] = rule.sentence.format(**values)
    return Effective(
        _values(kind, own, taken),
        {name: source for name, (_, source) in taken.items()},
        {name: f"{why} ({source})" for (name, source), why in sorted(refused.items())},
    )


def _taken(
    kind: str, layers: Sequence[Settings], refused: dict[tuple[str, str], str]
) -> dict[str, tuple[Any, str]]:
    """Setting -> the nearest stored value that is not refused, and whose it is. Notes what can be no value."""
    taken = {}
    for name, setting in KINDS[kind].items():
        for layer in layers:
            place = (name, str(layer.entity))
            if name not in layer.values or place in refused:
                continue
            problem = setting.problem(layer.values[name])
            if problem is None:
                taken[name] = layer.values[name], place[1]
                break
            refused[place] = f"{name} {problem}"
    return taken


def _broken(
    kind: str, own: Mapping[str, Any], taken: Mapping[str, tuple[Any, str]]
) -> tuple[_Rule, dict[str, Any]] | None:
    """A rule that a stored value breaks; what the program itself gave is the program's affair."""
    values = _values(kind, own, taken)
    for rule in _RULES:
        if kind in rule.kinds and any(name in taken for name in rule.settings) and not rule.holds(values):
            return rule, values
    return None


def _values(kind: str, own: Mapping[str, Any], taken: Mapping[str, tuple[Any, str]]) -> dict[str, Any]:
    return {name: taken[name][0] if name in taken else own[name] for name in KINDS[kind]}

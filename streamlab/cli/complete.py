"""What a shell offers after Tab: names of topics, groups and settings, asked of the server where it answers at once.

A server that is away, slow or unknown offers nothing: whoever pressed Tab must not wait, and never sees an error.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

import typer

_TIMEOUT_S = 0.5
_MOST = 500


def topics(context: typer.Context, incomplete: str) -> list[str]:
    from .. import keys

    return _matching(_ask(context, "HKEYS", keys.TOPICS), incomplete)


def groups(context: typer.Context, incomplete: str) -> list[str]:
    from .. import keys

    return _matching(_ask(context, "SMEMBERS", keys.GROUPS), incomplete)


def dead_letter_topics(context: typer.Context, incomplete: str) -> list[str]:
    from .. import keys

    return _matching(_ask(context, "HKEYS", keys.DEAD_LETTER_TOPICS), incomplete)


def replays(context: typer.Context, incomplete: str) -> list[str]:
    from .. import keys

    return _matching(_ask(context, "ZRANGE", keys.REPLAYS, "0", "-1"), incomplete)


def loads(context: typer.Context, incomplete: str) -> list[str]:
    from .. import keys

    return _matching(_ask(context, "HKEYS", keys.LAB_LOADS), incomplete)


def scenarios(incomplete: str) -> list[str]:
    from ..lab.scenarios import SCENARIOS

    return _matching(SCENARIOS, incomplete)


def settings(incomplete: str) -> list[str]:
    """NAME= of a topic's settings; with its values where there are few."""
    from ..config import TOPIC

    name, sign, _ = incomplete.partition("=")
    if not sign:
        return _matching([f"{known}=" for known in TOPIC], incomplete)
    choices = TOPIC[name].choices if name in TOPIC else ()
    return _matching([f"{name}={choice}" for choice in choices], incomplete)


def names(incomplete: str) -> list[str]:
    """Of a topic's settings."""
    from ..config import TOPIC

    return _matching(TOPIC, incomplete)


def _matching(found: Iterable[Any], incomplete: str) -> list[str]:
    texts = (name.decode(errors="replace") if isinstance(name, bytes) else str(name) for name in found)
    return sorted(text for text in texts if text.startswith(incomplete))[:_MOST]


def _ask(context: typer.Context, *command: str) -> Iterable[Any]:
    try:
        import redis

        from ..address import parse
        from ..embedded import EmbeddedServer, default_directory

        given = context.params.get("url") or (context.parent.params.get("url") if context.parent else None)
        url = given or os.environ.get("STREAMLAB_URL") or EmbeddedServer.running_url(default_directory())
        if not url:
            return []
        address = parse(url)
        if address.is_cluster:
            from ..connection import Connection

            found: Iterable[Any] = Connection(url).execute_many([command])[0]
            return found
        client = redis.Redis.from_url(url, socket_timeout=_TIMEOUT_S, socket_connect_timeout=_TIMEOUT_S)
        return client.execute_command(*command)  # type: ignore[no-any-return]
    except Exception:  # see above
        return []

"""What one look leaves for the next: what was found, and counters whose difference is evidence. One key, for everybody.

Whoever wants advice takes what stands there; only when that is older than FRESH_MS somebody looks anew, one at a time.
So it costs the same however many look on, and nothing while nobody does.
"""

from __future__ import annotations

import secrets

import msgspec

from .. import keys
from ..connection import Connection
from ..errors import translated
from .asking_server import Counters
from .finding import Advice
from .onset import Failed

FRESH_MS = 5_000
KEPT_MS = 5 * 60_000
"""Nobody has asked for this long: the next look begins with nothing."""
ASKED_MS = 30_000
"""Somebody who wants advice is taken to want it for so long."""
LOOKING_MS = 3_000
"""Who looks has this long before another one may."""


class Total(msgspec.Struct, frozen=True, array_like=True):
    """What a worker had done since its start, at one moment."""

    at_ms: int
    succeeded: float
    failed: float
    dead: float
    timeouts: float


class Memory(msgspec.Struct, frozen=True):
    advice: Advice
    totals: dict[str, list[Total]] = {}  # by instance, oldest first
    counters: dict[str, Counters] = {}  # by run id of a master
    failures: dict[str, list[Failed]] = {}  # of a group's attempts, oldest first


_decoder = msgspec.json.Decoder(Memory)


def read(connection: Connection) -> Memory | None:
    """None: nobody has looked lately, or with another version. Raises StreamlabError."""
    with translated():
        stored = connection.client.get(keys.ADVISOR)
    try:
        return _decoder.decode(stored) if stored else None
    except msgspec.MsgspecError:
        return None


def write(connection: Connection, memory: Memory) -> None:
    """Raises StreamlabError."""
    with translated():
        connection.client.set(keys.ADVISOR, msgspec.json.encode(memory), px=KEPT_MS)


def may_look(connection: Connection) -> bool:
    """Whether it is this one's turn: nobody else has begun to look in the last moment. Raises StreamlabError."""
    with translated():
        return bool(connection.client.set(keys.ADVISOR_TURN, secrets.token_hex(4), nx=True, px=LOOKING_MS))


def ask(connection: Connection) -> None:
    """Say that somebody wants advice, so that whoever keeps it fresh does. Raises StreamlabError."""
    with translated():
        connection.client.set(keys.ADVISOR_ASKED, b"", px=ASKED_MS)


def asked(connection: Connection) -> bool:
    """Whether somebody has wanted advice lately. Raises StreamlabError."""
    with translated():
        return bool(connection.client.exists(keys.ADVISOR_ASKED))

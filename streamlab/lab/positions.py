"""How far a file has been played into a topic, kept beside the records themselves.

It lives in the same server as the topic, so that a server that comes back with less than it had (a power cut
may cost two seconds) has also forgotten that it had it.
"""

from __future__ import annotations

import msgspec

from .. import keys
from ..connection import Connection
from ..errors import translated
from .rows import Place
from .sources import Fingerprint

LIFETIME_S = 30 * 24 * 3600


class Counts(msgspec.Struct):
    """What became of the rows. Every row is acknowledged or rejected in the end."""

    acknowledged: int = 0  # in the log, each once
    rejected: int = 0  # in the rejects file
    without_key: int = 0  # of those acknowledged
    blank: int = 0  # blank lines, which are no rows

    @property
    def rows(self) -> int:
        return self.acknowledged + self.rejected


class Position(msgspec.Struct):
    """Everything before `place` is settled. What comes after it may be in the log, from `ends` on, or not."""

    place: Place
    fingerprint: Fingerprint
    ends: dict[int, int]  # partition -> offset from which on rows behind `place` may stand
    counts: Counts
    finished: bool = False


class Positions:
    """Positions of all files in one server."""

    def __init__(self, connection: Connection):
        self._connection = connection

    def load(self, topic: str, source: str) -> Position | None:
        """None: this file was never played into this topic, or that is too long ago."""
        with translated():
            stored = self._connection.client.get(keys.play_position(topic, source))
        return None if stored is None else msgspec.json.decode(stored, type=Position)

    def save(self, topic: str, source: str, position: Position) -> None:
        with translated():
            self._connection.client.set(
                keys.play_position(topic, source), msgspec.json.encode(position), ex=LIFETIME_S
            )

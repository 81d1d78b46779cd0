"""Whole snapshots of earlier moments: everything that was known then, for who wants to look back.

Charts live on the rings of `history.py`, which hold a few figures of each thing. These shelves hold all of it, less
often:

    10s     one snapshot every 10 s, for an hour
    60s     one a minute, for a day
    600s    one every 10 minutes, for a week

A shelf is a stream whose entries are called by the moment they are of. It is bounded in number and in bytes, whichever
comes first, so a huge broker is remembered for less long. A day of 1,000 partitions with 5 groups is about 30 MB.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, NamedTuple

import zstandard
from redis.exceptions import ResponseError

from .. import keys
from ..connection import Connection
from ..errors import translated
from .snapshot import Snapshot, decode

LEVEL = 3
MEMORY_SHARE = 0.05
"""Of the server's memory limit, where it has one, a shelf takes no more than this."""

log = logging.getLogger("streamlab.sampler")


class Shelf(NamedTuple):
    name: str
    step_ms: int
    span_ms: int
    most_bytes: int

    def room(self, size_bytes: int, memory_limit_bytes: int = 0) -> int:
        """How many snapshots of this size it keeps; a limit of 0 is none.

        >>> shelf = Shelf("10s", 10_000, 3_600_000, 1_000_000)
        >>> shelf.room(100), shelf.room(100_000), shelf.room(5_000_000), shelf.room(100, 200_000)
        (360, 10, 1, 100)
        """
        most = self.most_bytes
        if memory_limit_bytes:
            most = min(most, int(memory_limit_bytes * MEMORY_SHARE))
        return max(1, min(self.span_ms // self.step_ms, most // max(size_bytes, 1)))


HOUR_MS, DAY_MS = 3_600_000, 86_400_000
SHELVES = (
    Shelf("10s", 10_000, HOUR_MS, 16 << 20),
    Shelf("60s", 60_000, DAY_MS, 32 << 20),
    Shelf("600s", 600_000, 7 * DAY_MS, 16 << 20),
)


class Keeper:
    """Writes. Not safe to share between threads."""

    def __init__(self, connection: Connection):
        self._connection = connection
        self._kept: dict[str, int] = {}  # shelf -> number of the step that was kept last
        self._compressor = zstandard.ZstdCompressor(LEVEL)

    def keep(self, snapshot: Snapshot, encoded: bytes) -> None:
        """Put a snapshot on every shelf whose turn it is. Raises StreamlabError."""
        due = [shelf for shelf in SHELVES if self._kept.get(shelf.name) != snapshot.as_of_ms // shelf.step_ms]
        if not due:
            return
        packed = self._compressor.compress(encoded)
        for shelf in due:
            self._put(shelf, snapshot, packed)
            self._kept[shelf.name] = snapshot.as_of_ms // shelf.step_ms

    def _put(self, shelf: Shelf, snapshot: Snapshot, packed: bytes) -> None:
        key = keys.past(shelf.name)
        room = shelf.room(len(packed), snapshot.server.max_memory_bytes)
        entry = f"{snapshot.as_of_ms}-0"
        with translated():
            try:
                self._connection.client.execute_command("XADD", key, "MAXLEN", "=", room, entry, "z", packed)
                self._connection.client.pexpire(key, 2 * shelf.span_ms)
            except ResponseError as error:
                if "equal or smaller" not in str(error):
                    raise
                log.debug("not kept for later, the clock was set back: %s", error)


class Past:
    """Reads. Safe to share between threads."""

    def __init__(self, connection: Connection):
        self._connection = connection

    def at(self, at_ms: int) -> Snapshot | None:
        """The newest snapshot that was kept of this moment or before; None when nothing so old is kept.

        Raises StreamlabError, and msgspec.DecodeError for one of another version.
        """
        return self._unpacked(self._ask("XREVRANGE", f"{at_ms}-0", "-"), max)

    def after(self, at_ms: int) -> Snapshot | None:
        """The oldest that was kept of a later moment."""
        return self._unpacked(self._ask("XRANGE", f"({at_ms}-0", "+"), min)

    def oldest_ms(self) -> int | None:
        """How far back it goes; None: nothing is kept."""
        found = [_at(entry) for entries in self._ask("XRANGE", "-", "+") for entry in entries]
        return min(found, default=None)

    def _ask(self, command: str, first: str, last: str) -> Sequence[Any]:
        return self._connection.execute_many(
            [(command, keys.past(shelf.name), first, last, "COUNT", 1) for shelf in SHELVES]
        )

    def _unpacked(self, replies: Sequence[Any], nearest: Any) -> Snapshot | None:
        found = [entry for entries in replies for entry in entries]
        if not found:
            return None
        _, fields = nearest(found, key=_at)
        packed = fields[b"z"] if isinstance(fields, dict) else fields[1]
        return decode(zstandard.ZstdDecompressor().decompress(packed))


def _at(entry: Any) -> int:
    return int(entry[0].partition(b"-")[0])

"""How a process of a load hears of changes: it looks at what is wanted a few times a second."""

from __future__ import annotations

import time

import redis

from ... import keys
from ...connection import Connection
from .desired import Desired, decoded

LOOK_EVERY_S = 0.4


class Watch:
    """Of one load, for one thread."""

    def __init__(self, connection: Connection, desired: Desired):
        self.desired = desired  # read by other threads too; replaced as a whole
        self.over = False  # it is not wanted any more, or was started anew
        self.replaced = False  # it was started anew
        self._client = connection.private_client(2.0)
        self._looked_at = time.monotonic()

    def look(self) -> Desired:
        """The load as it is wanted; asked of the server when that was long enough ago. While it is away: as before."""
        now = time.monotonic()
        if now - self._looked_at >= LOOK_EVERY_S:
            self._looked_at = now
            self._ask()
        return self.desired

    def close(self) -> None:
        self._client.close()

    def _ask(self) -> None:
        try:
            raw = self._client.hget(keys.LAB_LOADS, self.desired.load.name)
        except (redis.RedisError, OSError):
            return
        found = decoded(raw) if raw else None  # type: ignore[arg-type]
        if found is None or found.run != self.desired.run:
            self.over, self.replaced = True, found is not None
        elif found.version != self.desired.version:
            self.desired = found

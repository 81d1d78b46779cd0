"""What waits for one browser: the newest frame, never a queue of old ones.

A slow browser costs one frame of memory. It misses frames, so what it gets next is a full one.
"""

from __future__ import annotations

import asyncio
import time


class Mailbox:
    """Holds at most one frame; putting another in replaces it. For one event loop."""

    def __init__(self) -> None:
        self._frame: bytes | None = None
        self._arrived = asyncio.Event()
        self._waiting_since: float | None = None
        self.missed = 0  # frames replaced before they were taken
        self.owed = True  # whether the next frame has to be a full one

    @property
    def occupied(self) -> bool:
        return self._frame is not None

    @property
    def stuck_s(self) -> float:
        """How long the frame inside has waited; 0.0 when there is none."""
        return 0.0 if self._waiting_since is None else time.monotonic() - self._waiting_since

    def put(self, frame: bytes) -> None:
        if self._frame is None:
            self._waiting_since = time.monotonic()
        else:
            self.missed += 1
        self._frame = frame
        self._arrived.set()

    async def take(self) -> bytes:
        """Waits for a frame and removes it."""
        await self._arrived.wait()
        self._arrived.clear()
        frame, self._frame, self._waiting_since = self._frame, None, None
        assert frame is not None
        return frame

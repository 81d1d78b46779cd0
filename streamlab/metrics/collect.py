"""Snapshots, one after the other: take a picture, keep those that rates need, derive the rest."""

from __future__ import annotations

import gc
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from ..clock import SYSTEM_CLOCK, Clock
from ..connection import Connection
from ..errors import translated
from .build import Before, build
from .camera import Camera
from .picture import Picture
from .rates import WINDOW_MS
from .snapshot import Snapshot

KEEP_EVERY_MS = 2_000
"""Spacing of the pictures kept for rates of consumption: enough to hit a window of 10 s within 2 s."""


class Collector:
    """Not safe to share between threads.

    collector = Collector(connection)
    snapshot = collector.collect(seq=1)   # rates are None
    snapshot = collector.collect(seq=2)   # rates since the first one
    """

    def __init__(self, connection: Connection, clock: Clock = SYSTEM_CLOCK):
        self._camera = Camera(connection, clock)
        self._clock = clock
        self._last: Picture | None = None
        self._kept: deque[Picture] = deque()

    def collect(self, seq: int) -> Snapshot:
        """Raises StreamlabError when the server cannot be asked; the next call goes on from the last good
        one."""
        started = self._clock.monotonic()
        with _no_collector(), translated():
            now = self._camera.take()
            self._forget(now.as_of_ms)
            before = Before(self._last, list(self._kept))
            snapshot = build(now, before, self._camera.first_unread, seq, 0.0)
            self._keep(now)
            # frozen for its readers; only now is it known how long it took
            msgspec.structs.force_setattr(snapshot, "took_ms", (self._clock.monotonic() - started) * 1000)
        return snapshot

    @property
    def age_s(self) -> float:
        """Seconds since the moment that the newest snapshot is of."""
        return self._clock.monotonic() - self._camera.time_read_at

    def close(self) -> None:
        self._camera.close()

    def _forget(self, now_ms: int) -> None:
        while self._kept and (now_ms - self._kept[0].as_of_ms > WINDOW_MS or self._kept[0].as_of_ms > now_ms):
            self._kept.popleft()

    def _keep(self, now: Picture) -> None:
        self._last = now
        if not self._kept or now.as_of_ms - self._kept[-1].as_of_ms >= KEEP_EVERY_MS:
            self._kept.append(now)


@contextmanager
def _no_collector() -> Iterator[None]:
    """No garbage collection inside: tens of thousands of new objects trigger it, and none of them is
    garbage."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()

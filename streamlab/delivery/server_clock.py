"""The server's time, told by our own monotonic clock: asked for now and then, within half a round trip."""

from __future__ import annotations

from ..clock import Clock
from ..connection import Connection

_ASK_AGAIN_S = 60.0
_ASKS = 3
"""The answer that came soonest says most."""


class ServerClock:
    """Retries are planned in the server's time, as everything that several processes agree on."""

    def __init__(self, connection: Connection, clock: Clock):
        self._connection = connection
        self._clock = clock
        self._zero_ms = 0.0  # server time at 0 of the monotonic clock
        self._asked = float("-inf")

    def keep(self) -> None:
        """Ask the server when it was asked long ago. Raises StreamlabErrors."""
        if self._clock.monotonic() - self._asked < _ASK_AGAIN_S:
            return
        best_s = float("inf")
        for _ in range(_ASKS):
            before = self._clock.monotonic()
            server_ms = self._connection.server_time_ms()
            after = self._clock.monotonic()
            if after - before < best_s:
                best_s = after - before
                self._zero_ms = server_ms - (before + after) / 2 * 1000
        self._asked = after

    def at_ms(self, monotonic_s: float) -> int:
        """Server time at a moment of the monotonic clock."""
        return int(self._zero_ms + monotonic_s * 1000)

    def now_ms(self) -> int:
        return self.at_ms(self._clock.monotonic())

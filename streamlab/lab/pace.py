"""How quickly rows follow each other. Each pace says how long to wait before a row, given the time now."""

from __future__ import annotations

from typing import Protocol

from .rows import Row

BURST_S = 0.005
"""Waits shorter than this are saved up: a clock cannot be slept on for microseconds."""
_CATCH_UP_S = 1.0


class Pace(Protocol):
    def delay_s(self, row: Row, now: float) -> float:
        """Seconds to wait before this row; 0: send it now. `now` is monotonic. Asked again after a wait."""

    def sent(self, row: Row) -> None:
        """The row was sent."""


class FlatOut:
    """As quickly as the broker takes them."""

    def delay_s(self, row: Row, now: float) -> float:
        return 0.0

    def sent(self, row: Row) -> None:
        pass


class Steady:
    """So many rows a second. After a stall it does not race to make up for more than a second."""

    def __init__(self, rows_per_s: float):
        self._gap_s = 1 / rows_per_s
        self._due: float | None = None  # monotonic; None: nothing was sent yet

    def delay_s(self, row: Row, now: float) -> float:
        if self._due is None or now - self._due > _CATCH_UP_S:
            self._due = now
        delay = self._due - now
        return delay if delay > BURST_S else 0.0

    def sent(self, row: Row) -> None:
        assert self._due is not None
        self._due += self._gap_s


class Rhythm:
    """The data's own rhythm, so many times faster. A row that is late in the file follows at once.

    After a stall it catches up, so that the whole takes as long as it should.
    """

    def __init__(self, times_faster: float):
        self._factor = times_faster
        self._due: float | None = None
        self._last_s = 0.0

    def delay_s(self, row: Row, now: float) -> float:
        assert row.time_s is not None
        if self._due is None:
            self._due, self._last_s = now, row.time_s
        delay = self._due + max(0.0, row.time_s - self._last_s) / self._factor - now
        return delay if delay > BURST_S else 0.0

    def sent(self, row: Row) -> None:
        assert row.time_s is not None and self._due is not None
        if row.time_s > self._last_s:
            self._due += (row.time_s - self._last_s) / self._factor
            self._last_s = row.time_s

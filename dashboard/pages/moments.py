"""What the broker looked like at one moment: the snapshot, and the history that leads up to it.

Every page is a pure function of a `Moment`, its address and its query; that is why one rendering serves all
who look.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from functools import cache

import msgspec
from django.conf import settings

from dashboard.charts import WINDOW_MS, Columns
from dashboard.presenters import trend
from dashboard.presenters.sparkline import Sparkline, sparkline
from dashboard.presenters.trend import Trend
from streamlab import keys
from streamlab.connection import Connection
from streamlab.errors import StreamlabError, translated
from streamlab.metrics.history import History
from streamlab.metrics.snapshot import ServerSnapshot, Snapshot, decode

TREND_WINDOW_MS = 60_000
FINE, COARSE = "1s", "10s"
STALE_AFTER_MS = 5_000
_NOWHERE = "redis://127.0.0.1:1/0"
"""Address of a history that is never asked."""


class NoMeasurements(Exception):
    """Raised when there is no snapshot to draw. Its text says why and what to do."""


class Gone(Exception):
    """Raised when the topic or group that a page shows does not exist (any more)."""


class Moment:
    """One snapshot and what led up to it. What was read once is not read again."""

    def __init__(self, snapshot: Snapshot, history: History, read_at_ms: int | None = None):
        self.snapshot = snapshot
        self.as_of_ms = snapshot.as_of_ms
        self.read_at_ms = read_at_ms or time.time_ns() // 1_000_000
        self._history = history
        self._columns: dict[tuple[str, str, str, str, int], Columns] = {}
        self._trends: dict[str, Trend] = {}

    @property
    def stale(self) -> bool:
        """Whether the newest snapshot is so old that the sampler must have stopped."""
        return self.read_at_ms - self.as_of_ms > STALE_AFTER_MS

    @property
    def window_start_ms(self) -> int:
        return self.as_of_ms - WINDOW_MS

    def series(self, what: str, name: str, field: str, since_ms: int) -> Columns:
        """Samples of one thing, one a second, newer than `since_ms`; empty when nothing is kept of it."""
        return self._many(FINE, what, [name], field, since_ms)[name]

    def sparklines(self, what: str, names: Iterable[str], field: str) -> Mapping[str, Sparkline]:
        """A small line over the window for each of these things, from samples ten seconds apart."""
        found = self._many(COARSE, what, list(names), field, self.window_start_ms)
        return {
            name: sparkline(*columns, self.window_start_ms, self.as_of_ms) for name, columns in found.items()
        }

    def trends(self, groups: Iterable[str]) -> Mapping[str, Trend]:
        """Where the lag of each of these groups is heading, read in one round trip."""
        names = list(groups)
        missing = [name for name in names if name not in self._trends]
        if missing:
            fields, since_ms = ["lag", "time_lag_ms"], self.as_of_ms - TREND_WINDOW_MS
            for name, series in self._history.many(
                "group", missing, fields, FINE, since_ms, self.as_of_ms
            ).items():
                times = [int(t) for t in series["t"] if t is not None]
                self._trends[name] = trend.of_lag(times, series["lag"], series["time_lag_ms"])
        return {name: self._trends[name] for name in names}

    def _many(
        self, resolution: str, what: str, names: list[str], field: str, since_ms: int
    ) -> dict[str, Columns]:
        keys = {name: (resolution, what, name, field, since_ms) for name in names}
        missing = [name for name in names if keys[name] not in self._columns]
        if missing:
            read = self._history.many(what, missing, [field], resolution, since_ms, self.as_of_ms)
            for name, series in read.items():
                times = [int(t) for t in series["t"] if t is not None]
                self._columns[keys[name]] = Columns(times, series[field])
        return {name: self._columns[keys[name]] for name in names}


@cache
def _connection(url: str) -> Connection:
    return Connection(url)


def current_or_bare() -> Moment:
    """The newest moment, or now with nothing measured, for pages that need no measurements."""
    try:
        return current()
    except NoMeasurements:
        return bare()


def bare() -> Moment:
    """Now, with nothing measured."""
    server = ServerSnapshot("", "", 0, 0, 0, 0, 0.0, False, None)
    return Moment(
        Snapshot(0, time.time_ns() // 1_000_000, 0.0, {}, {}, server), History(Connection(_NOWHERE))
    )


def current() -> Moment:
    """The newest moment. Raises NoMeasurements when Redis or the sampler has nothing for us."""
    if not settings.STREAMLAB_URL:
        raise NoMeasurements("No broker is running here, and STREAMLAB_URL names none elsewhere.")
    connection = _connection(settings.STREAMLAB_URL)
    try:
        with translated():
            data = connection.client.get(keys.SNAPSHOT)
    except StreamlabError as error:
        raise NoMeasurements("Redis does not answer. Measuring goes on when it is back.") from error
    if data is None:
        raise NoMeasurements("The sampler has not measured anything for a minute. Is it running?")
    try:
        return Moment(decode(data), History(connection))
    except msgspec.DecodeError as error:
        raise NoMeasurements(
            "The sampler is of another version than this web process. Restart both."
        ) from error

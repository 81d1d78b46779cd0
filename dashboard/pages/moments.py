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

from dashboard.charts import WINDOW_MS, Columns, Read
from dashboard.presenters import commands, trend
from dashboard.presenters.sparkline import Sparkline, sparkline
from dashboard.presenters.trend import Trend
from streamlab.connection import Connection
from streamlab.errors import StreamlabError
from streamlab.metrics.history import History
from streamlab.metrics.newest import Newest
from streamlab.metrics.past import Past
from streamlab.metrics.rings import COARSER, FINEST
from streamlab.metrics.snapshot import ServerSnapshot, Snapshot

TREND_WINDOW_MS = 60_000
COARSE_STEP_MS = 10_000
STALE_AFTER_MS = 5_000
_NOWHERE = "redis://127.0.0.1:1/0"
"""Address of a history that is never asked."""


class NoMeasurements(Exception):
    """Raised when there is no snapshot to draw. Its text says why and what to do."""

    def __init__(self, why: str, command: str = ""):
        super().__init__(why)
        self.command = command  # that helps, to type; "" when none would


class NotKept(NoMeasurements):
    """Raised for an earlier moment of which nothing is kept (any more)."""

    def __init__(self, why: str, nearest_ms: int | None):
        super().__init__(why)
        self.nearest_ms = nearest_ms  # a moment that is kept; None: nothing is


class Gone(Exception):
    """Raised when the topic or group that a page shows does not exist (any more)."""


RINGS = {ring.step_s * 1000: ring for ring in (FINEST, *COARSER)}
"""By the length of a step in ms."""


def finest_step_ms(start_ms: int, now_ms: int) -> int:
    """Of the finest ring that still holds what was at `start_ms`."""
    for step_ms, ring in RINGS.items():
        if now_ms - start_ms <= ring.span_s * 1000 + step_ms:
            return step_ms
    return max(RINGS)


class Moment:
    """One snapshot and what led up to it. What was read once is not read again."""

    def __init__(self, snapshot: Snapshot, history: History, past: bool = False):
        self.snapshot = snapshot
        self.as_of_ms = snapshot.as_of_ms
        self.past = past  # an earlier moment that somebody wound back to
        self.now_ms = time.time_ns() // 1_000_000
        self.read_at_ms = self.as_of_ms if past else self.now_ms  # what "ago" is measured from
        self._history = history
        self._columns: dict[tuple[int, str, str, str, int], Columns] = {}
        self._trends: dict[str, Trend] = {}
        self.step_ms = finest_step_ms(self.window_start_ms, self.now_ms) if past else 1_000
        """Between two samples of `series`: the finest that is kept of this moment."""

    @property
    def stale(self) -> bool:
        """Whether the newest snapshot is so old that the sampler must have stopped."""
        return self.read_at_ms - self.as_of_ms > STALE_AFTER_MS

    @property
    def window_start_ms(self) -> int:
        return self.as_of_ms - WINDOW_MS

    def series(self, what: str, name: str, field: str, since_ms: int) -> Columns:
        """Samples of one thing, `step_ms` apart, newer than `since_ms`; empty when nothing is kept of it."""
        return self._many(self.step_ms, what, [name], field, since_ms)[name]

    def reader(self, step_ms: int) -> Read:
        """`series` with samples so far apart."""
        return lambda what, name, field, since_ms: self._many(step_ms, what, [name], field, since_ms)[name]

    def peaks(
        self, what: str, names: Iterable[str], field: str, since_ms: int, step_ms: int
    ) -> Mapping[str, float | None]:
        """The largest sample of each of these things; None when nothing is known of it."""
        found = self._many(step_ms, what, list(names), field, since_ms)
        return {
            name: max((v for v in columns.values if v is not None), default=None)
            for name, columns in found.items()
        }

    def sparklines(self, what: str, names: Iterable[str], field: str) -> Mapping[str, Sparkline]:
        """A small line over the window for each of these things, from samples ten seconds apart or more."""
        step_ms = max(self.step_ms, COARSE_STEP_MS)
        found = self._many(step_ms, what, list(names), field, self.window_start_ms)
        return {
            name: sparkline(*columns, self.window_start_ms, self.as_of_ms) for name, columns in found.items()
        }

    def trends(self, groups: Iterable[str]) -> Mapping[str, Trend]:
        """Where the lag of each of these groups is heading, read in one round trip."""
        names = list(groups)
        missing = [name for name in names if name not in self._trends]
        if missing:
            steps = self.step_ms // 1000
            fields, since_ms = ["lag", "time_lag_ms"], self.as_of_ms - TREND_WINDOW_MS * steps
            for name, series in self._history.many(
                "group", missing, fields, RINGS[self.step_ms].name, since_ms, self.as_of_ms
            ).items():
                times = [int(t) for t in series["t"] if t is not None]
                windows_s = tuple(steps * s for s in trend.WINDOWS_S)
                self._trends[name] = trend.of_lag(times, series["lag"], series["time_lag_ms"], windows_s)
        return {name: self._trends[name] for name in names}

    def _many(
        self, step_ms: int, what: str, names: list[str], field: str, since_ms: int
    ) -> dict[str, Columns]:
        keys = {name: (step_ms, what, name, field, since_ms) for name in names}
        missing = [name for name in names if keys[name] not in self._columns]
        if missing:
            ring = RINGS[step_ms].name
            read = self._history.many(what, missing, [field], ring, since_ms, self.as_of_ms)
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
    connection = _measured_connection()
    try:
        snapshot = _newest(connection.url).get()
    except StreamlabError as error:
        raise NoMeasurements("Redis does not answer. Measuring goes on when it is back.") from error
    except msgspec.DecodeError as error:
        raise NoMeasurements(
            "The sampler is of another version than this web process. Restart both."
        ) from error
    if snapshot is None:
        raise NoMeasurements(
            "The sampler has not measured anything for a minute. Is it running?", commands.SAMPLER
        )
    return Moment(snapshot, History(connection))


def at(at_ms: int) -> Moment:
    """What was kept of an earlier moment. Raises NotKept, and NoMeasurements when Redis does not answer."""
    connection = _measured_connection()
    past = Past(connection)
    try:
        newest = _newest(connection.url).get()
        if newest is not None and newest.as_of_ms <= at_ms:
            return Moment(newest, History(connection), past=True)
        found = past.at(max(0, at_ms))  # no ID of a stream lies before 1970
        if found is None:
            nearest_ms = past.oldest_ms()
            raise NotKept("Nothing is kept of that moment.", nearest_ms)
    except msgspec.DecodeError as error:
        raise NotKept("What was kept of that moment is of another version of Streamlab.", None) from error
    except StreamlabError as error:
        raise NoMeasurements("Redis does not answer. Measuring goes on when it is back.") from error
    return Moment(found, History(connection), past=True)


@cache
def _newest(url: str) -> Newest:
    return Newest(_connection(url))


def _measured_connection() -> Connection:
    if not settings.STREAMLAB_URL:
        raise NoMeasurements(
            "No broker is running here, and STREAMLAB_URL names none elsewhere.", commands.DEMO
        )
    return _connection(settings.STREAMLAB_URL)

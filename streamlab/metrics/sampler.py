"""The process that measures: a snapshot each second, kept for the pages and added to history.

Any number may run; one holds the lease and works, the others stand by and take over within 5 s of its death.
A tick:

    renew the lease → collect → renew the lease → history → sl:snapshot → publish on sl:snapshot:tick
    → whole snapshots for looking back → the last commits of each partition

The history is written first, so that whoever hears of a snapshot finds its cells. When the server goes away,
the sampler says so once, tries again each second, and goes on where it was; it says how many snapshots are
missing.
"""

from __future__ import annotations

import logging
import signal
import sys
import threading
import time
from types import FrameType

import msgspec

from .. import keys, retention
from ..clock import SYSTEM_CLOCK, Clock
from ..connection import Connection
from ..errors import StreamlabError, translated
from ..events.relay import RelayThread
from . import cadence
from .collect import Collector
from .commit_windows import CommitWindows
from .history import Recorder
from .lease import STANDBY_S, Lease
from .past import Keeper
from .snapshot import Snapshot, encode

SNAPSHOT_TTL_MS = 60_000
RETRY_S = 1.0
SWEEP_EVERY_S = 30.0
STOP_WITHIN_S = 0.8
"""A stop that waits for a silent server is cut short after this."""

log = logging.getLogger("streamlab.sampler")


class Sampler:
    """Not safe to share between threads; `stop` may be set by any."""

    def __init__(self, connection: Connection, clock: Clock = SYSTEM_CLOCK):
        self.stop = threading.Event()
        self._connection = connection
        self._clock = clock
        self._client = connection.private_client()
        self._lease = Lease(connection)
        self._collector = Collector(connection, clock)
        self._recorder = Recorder(self._client)
        self._keeper = Keeper(connection)
        self._windows = CommitWindows(connection)
        self._housekeeper = _Housekeeper(connection, self.stop)
        self._relay = RelayThread(connection, self.stop)
        self._last_ms: int | None = None  # server time of the newest snapshot
        self._lost_at: float | None = None  # when the server went away
        self._standing_by: str | None = None  # for whom

    def run(self) -> None:
        """Until `stop` is set."""
        try:
            while not self.stop.is_set():
                self.stop.wait(self._turn())
            self._leave()
        finally:
            for part in (self._relay, self._collector, self._lease, self._client):
                part.close()

    def _turn(self) -> float:
        """Do what is to be done now; seconds until the next turn."""
        try:
            if not self._lease.hold():
                self._stand_by()
                return STANDBY_S
            self._begin_work()
            snapshot = self._sample()
        except StreamlabError as error:
            self._lose(error)
            return RETRY_S
        self._found()
        if snapshot is None:
            return STANDBY_S
        return cadence.wait_s(snapshot.as_of_ms, self._collector.age_s)

    def _sample(self) -> Snapshot | None:
        """One tick; None when another sampler took over meanwhile. Raises StreamlabError."""
        with translated():
            seq = int(self._client.incr(keys.SNAPSHOT_SEQ))
        snapshot = self._collector.collect(seq)
        if not self._lease.hold():
            return None
        self._tell_skipped(snapshot)
        with translated():
            self._recorder.record(snapshot)
            encoded = encode(snapshot)
            self._publish(snapshot, encoded)
        self._last_ms = snapshot.as_of_ms
        self._keeper.keep(snapshot, encoded)
        self._windows.take_in(snapshot)
        return snapshot

    def _publish(self, snapshot: Snapshot, encoded: bytes) -> None:
        pipe = self._client.pipeline(transaction=False)
        pipe.set(keys.SNAPSHOT, encoded, px=SNAPSHOT_TTL_MS)
        tick = {"seq": snapshot.seq, "as_of_ms": snapshot.as_of_ms}
        pipe.publish(keys.SNAPSHOT_TICK, msgspec.json.encode(tick))
        pipe.execute()

    # -- what it says ---------------------------------------------------------------------------------------

    def _begin_work(self) -> None:
        if not self._housekeeper.active:
            log.info("active: a snapshot each second")
            self._housekeeper.active = self._relay.active = True
        self._standing_by = None

    def _stand_by(self) -> None:
        self._found()
        if self._standing_by != self._lease.holder:
            log.info("standing by: %s is active", self._lease.holder)
        self._standing_by = self._lease.holder
        self._housekeeper.active = self._relay.active = False
        self._last_ms = None

    def _tell_skipped(self, snapshot: Snapshot) -> None:
        missed = cadence.skipped(self._last_ms, snapshot.as_of_ms)
        if missed:
            log.log(
                logging.INFO if missed == 1 else logging.WARNING,  # one is nothing: a start, a moment of load
                "%s without a snapshot before number %d, which took %.0f ms",
                "1 second" if missed == 1 else f"{missed} seconds",
                snapshot.seq,
                snapshot.took_ms,
            )

    def _lose(self, error: StreamlabError) -> None:
        if self._lost_at is None:
            self._lost_at = self._clock.monotonic()
            log.error("no snapshot: %s Trying again every second.", error)
        self._recorder.renew_expiries()

    def _found(self) -> None:
        if self._lost_at is not None:
            log.info("the server answers again after %.1f s", self._clock.monotonic() - self._lost_at)
            self._lost_at = None

    def _leave(self) -> None:
        """Write what was gathered and let another one begin at once."""
        if not self._lease.mine:
            return
        try:
            with translated():
                self._recorder.flush()
            self._lease.release()
        except StreamlabError as error:
            log.warning("stopped without giving the lease back: %s", error)


class _Housekeeper:
    """Applies retention while this sampler is the active one, beside its ticks."""

    def __init__(self, connection: Connection, stop: threading.Event):
        self.active = False
        self._connection = connection
        self._stop = stop
        threading.Thread(target=self._run, name="housekeeper", daemon=True).start()

    def _run(self) -> None:
        while not self._stop.wait(SWEEP_EVERY_S):
            if self.active:
                self._sweep()

    def _sweep(self) -> None:
        started = time.monotonic()
        try:
            partitions = retention.sweep(self._connection)
        except StreamlabError as error:
            log.warning("retention will be tried again: %s", error)
        except Exception:
            log.exception("retention failed; it will be tried again")
        else:
            log.debug("retention looked at %d partitions in %.1f s", partitions, time.monotonic() - started)


def main(url: str | None = None) -> None:
    """Sample until SIGTERM or SIGINT. `url` None: $STREAMLAB_URL, else the server inside."""
    from ..broker import connect

    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s")
    broker = connect(url)
    sampler = Sampler(broker.connection)

    def stop(_signum: int, _frame: FrameType | None) -> None:
        sampler.stop.set()
        signal.setitimer(signal.ITIMER_REAL, STOP_WITHIN_S)

    def give_up(_signum: int, _frame: FrameType | None) -> None:
        raise SystemExit(0)

    signal.signal(signal.SIGALRM, give_up)
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, stop)
    try:
        sampler.run()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        broker.close()
    log.info("stopped")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else None)

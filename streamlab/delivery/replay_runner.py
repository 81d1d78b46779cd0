"""Running a replay job: one process at a time, at its rate, under the guard, until its end or until it is told to stop.

A lease says who runs it; who holds it renews it from a thread of its own. A process that was away for longer than the
lease finds that another took chunks meanwhile, and stops: the chunks themselves decide, the lease only saves work.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import closing
from typing import TypeVar

from .. import keys
from ..clock import SYSTEM_CLOCK, Clock
from ..connection import Connection
from ..errors import IllegalStateError, StreamlabError
from ..events import Journal
from ..metrics.lease import Lease
from .replay_history import Mark, Part, ReplayHistory
from .replay_jobs import RESUMABLE, ReplayCounts, ReplayJob, ReplayJobs, ReplayState, UnknownReplayError
from .replay_pace import SettlingWatch, TokenBucket, chunk_letters, stopped_by_guard
from .replay_partition import OvertakenError, PartitionReplay
from .replay_send import ChunkSender
from .replay_spec import ReplaySpec, Target

LEASE_MS = 6_000
"""A job whose process died can be run by another after this."""
_RENEW_S = 1.5
_LOOK_S = 0.25
"""How often the job's state and what was settled is looked at."""
_RETRY_S = 0.5
_GIVE_UP_S = 60.0
"""How long a replay waits for a server that does not answer."""

log = logging.getLogger(__name__)

T = TypeVar("T")
Watcher = Callable[[ReplayJob], None]


class ReplayRunner:
    """Runs one job."""

    def __init__(self, connection: Connection, job_id: str, clock: Clock = SYSTEM_CLOCK):
        self._connection = connection
        self._jobs = ReplayJobs(connection)
        self._history = ReplayHistory(connection)
        self._id = job_id
        self._clock = clock
        self._lost = threading.Event()  # the lease is another's

    def run(
        self,
        watch: Watcher | None = None,
        stop: threading.Event | None = None,
        wait_s: float = 2 * LEASE_MS / 1000,
    ) -> ReplayJob:
        """Replay until the end; `watch` is shown the job a few times a second. Setting `stop` pauses it.

        A job whose last process was killed is free after a few seconds; `wait_s` is how long to wait for that.
        Returns the job as it is then; its state says why it ended. Raises UnknownReplayError, and IllegalStateError
        when it is done, cancelled or run by another process.
        """
        stop = stop or threading.Event()
        job = self._jobs.get(self._id)
        if not job.resumable:
            raise IllegalStateError(f"Replay {job.id} is {job.state}: there is nothing left to do.")
        lease = self._lease(wait_s, stop)
        journal = Journal(self._connection, of=f"replay-{self._id}")
        ended = threading.Event()
        renewal = threading.Thread(
            target=self._renew, args=(lease, ended), name=f"replay-{job.id}", daemon=True
        )
        renewal.start()
        try:
            return self._run(
                self._jobs.get(self._id), journal, watch, stop
            )  # as whoever ran it before has left it
        finally:
            ended.set()
            renewal.join()
            journal.close()
            _release(lease)

    def cancel(self, by: str) -> ReplayJob:
        """End the job for good. What was taken and perhaps not sent is sent first, so that its counts are true.

        Whoever runs the job hears of it and finishes its chunk; for one that was killed this waits, some seconds,
        and does that in its place. Raises UnknownReplayError, IllegalStateError when it is done already.
        """
        self._jobs.get(self._id)  # is there such a job?
        mark = self._history.announce(self._id, Part.FINISHED)
        now_ms = self._connection.server_time_ms()
        self._jobs.move(
            self._id, RESUMABLE, ReplayState.CANCELLED, reason=f"cancelled by {by}", ended_ms=now_ms
        )
        self._conclude(mark, 2 * LEASE_MS / 1000)
        return self._jobs.get(self._id)

    def tell_left(self, mark: Mark) -> bool:
        """In the place of a process that was killed: tell the history what it left untold.

        False: somebody works on the job right now, and will see to it. Raises StreamlabErrors.
        """
        try:
            return self._conclude(mark, 0.0)
        except UnknownReplayError:
            self._history.forget(mark)
            return True

    def _conclude(self, mark: Mark, wait_s: float) -> bool:
        """Once nobody runs the job: send what was taken and perhaps not sent, when it is over for good, and tell.

        False: somebody runs it, who finishes its chunk, sees that it is over, and tells.
        """
        lease = Lease(self._connection, keys.replay_lease(self._id), LEASE_MS)
        try:
            if not self._free(lease, wait_s):
                return False
            job = self._jobs.get(self._id)
            with closing(Journal(self._connection, of=f"replay-{self._id}")) as journal:
                if job.state is ReplayState.CANCELLED and job.counts.taken:
                    for way in self._ways(job, ChunkSender(self._connection, job, journal)):
                        way.finish_pending()
                    job = self._jobs.get(self._id)
                self._history.tell(journal, mark, job)
            return True
        finally:
            _release(lease)

    # -- the run --------------------------------------------------------------------------------------------------

    def _run(
        self, job: ReplayJob, journal: Journal, watch: Watcher | None, stop: threading.Event
    ) -> ReplayJob:
        untold = self._begin(job, journal)
        began = self._clock.monotonic()
        try:
            if untold is not None:
                self._history.tell(journal, untold, self._jobs.get(job.id))
            end, reason = self._go(job, journal, watch, stop)
        except OvertakenError:
            log.warning("Another process has gone on with replay %s; this one stops.", job.id)
            return self._jobs.get(job.id)
        except StreamlabError as error:
            end, reason = ReplayState.FAILED, f"{type(error).__name__}: {error}"
        took_s = self._clock.monotonic() - began
        never = threading.Event()
        return self._patiently(lambda: self._end(job, journal, end, reason, took_s), never)

    def _begin(self, job: ReplayJob, journal: Journal) -> Mark | None:
        """Returns that it began, which is to be told; None: it goes on. That it ended before is forgotten by this, so
        it is told now if nobody has."""
        ended = self._history.find(job.id, Part.FINISHED)
        if ended is not None:
            self._history.tell(journal, ended, job)
        fresh = None if job.started_ms else self._history.announce(job.id, Part.STARTED)
        started = {} if fresh is None else {"started_ms": self._connection.server_time_ms()}
        self._jobs.move(job.id, RESUMABLE, ReplayState.RUNNING, reason="", ended_ms="", **started)
        return fresh

    def _go(
        self, job: ReplayJob, journal: Journal, watch: Watcher | None, stop: threading.Event
    ) -> tuple[ReplayState, str]:
        """Step by step over all partitions in turn. Returns how it ended, and why."""
        ways = self._ways(job, ChunkSender(self._connection, job, journal))
        bucket = TokenBucket(job.spec.rate)
        settling = SettlingWatch() if _waits_for_outcomes(job.spec) else None
        next_look = 0.0
        while ways:
            for way in list(ways):
                if self._clock.monotonic() >= next_look:
                    next_look = self._clock.monotonic() + _LOOK_S
                    end = self._ended(job.counts, settling, watch, stop)
                    if end:
                        return end
                if stop.wait(bucket.delay_s(self._clock.monotonic())):
                    return ReplayState.PAUSED, ""
                bucket.spent(self._step(way, stop), self._clock.monotonic())
                if way.done:
                    ways.remove(way)
        return ReplayState.DONE, ""

    def _ended(
        self,
        before: ReplayCounts,
        settling: SettlingWatch | None,
        watch: Watcher | None,
        stop: threading.Event,
    ) -> tuple[ReplayState, str] | None:
        """Whether it is over before all is sent, and why. Waits while too much of what was sent is not settled."""
        while True:
            seen = self._patiently(lambda: self._jobs.get(self._id), stop)
            if watch is not None:
                watch(seen)
            if seen.state is not ReplayState.RUNNING:  # somebody else has said so
                return seen.state, seen.reason or ""
            why = stopped_by_guard(seen.spec.guard_percent, seen.spec.guard_sample, before, seen.counts)
            if why:
                return ReplayState.STOPPED, why
            if settling is None or not settling.wait(seen.counts, self._clock.monotonic()):
                return None
            if stop.wait(_LOOK_S / 5):
                return ReplayState.PAUSED, ""

    def _ways(self, job: ReplayJob, sender: ChunkSender) -> list[PartitionReplay]:
        letters = chunk_letters(job.spec.rate)
        ways = [PartitionReplay(self._connection, job, place, sender, letters) for place in job.places()]
        return [way for way in ways if not way.done]

    def _step(self, way: PartitionReplay, stop: threading.Event) -> int:
        """One step, repeated while the server does not answer."""
        began_anew = False

        def step() -> int:
            nonlocal began_anew
            if began_anew:
                way.begin()
            began_anew = True
            return way.step()

        return self._patiently(step, stop)

    def _patiently(self, action: Callable[[], T], stop: threading.Event) -> T:
        """Do it, again and again while the server does not answer. Raises StreamlabErrors that no waiting mends."""
        give_up = self._clock.monotonic() + _GIVE_UP_S
        while True:
            if self._lost.is_set():
                raise OvertakenError("The lease is another's.")
            try:
                return action()
            except StreamlabError as error:
                if not error.retriable or self._clock.monotonic() > give_up:
                    raise
                log.warning("A step of replay %s is repeated: %s", self._id, error)
                if stop.wait(_RETRY_S):
                    raise

    def _end(
        self, job: ReplayJob, journal: Journal, end: ReplayState, reason: str, took_s: float
    ) -> ReplayJob:
        mark = self._history.announce(job.id, Part.FINISHED)
        now_ms = self._connection.server_time_ms()
        try:
            self._jobs.move(job.id, (ReplayState.RUNNING,), end, reason=reason, ended_ms=now_ms)
        except IllegalStateError:
            pass  # somebody paused or cancelled it at this very moment, and was first
        ended = self._jobs.get(job.id)
        self._history.tell(journal, mark, ended, took_s)
        return ended

    # -- the lease ------------------------------------------------------------------------------------------------

    def _lease(self, wait_s: float, stop: threading.Event) -> Lease:
        lease = Lease(self._connection, keys.replay_lease(self._id), LEASE_MS)
        give_up = self._clock.monotonic() + wait_s
        while not lease.hold():
            if self._clock.monotonic() > give_up or stop.wait(_RETRY_S / 2):
                holder = lease.holder
                lease.close()
                raise IllegalStateError(f"Replay {self._id} is run by {holder}.")
        return lease

    def _free(self, lease: Lease, wait_s: float) -> bool:
        """Whether nobody runs it any more; then the lease is ours."""
        give_up = self._clock.monotonic() + wait_s
        while not lease.hold():
            if self._clock.monotonic() > give_up:
                return False
            threading.Event().wait(_LOOK_S)
        return True

    def _renew(self, lease: Lease, ended: threading.Event) -> None:
        while not ended.wait(_RENEW_S):
            try:
                if not lease.hold():
                    self._lost.set()
                    return
            except StreamlabError as error:
                log.warning("The lease of replay %s could not be renewed: %s", self._id, error)


def _waits_for_outcomes(spec: ReplaySpec) -> bool:
    """The guard is to see in time what comes of the letters; whoever gave a rate has decided how quickly they go."""
    return spec.rate is None and spec.target is not Target.TOPIC and spec.guard_percent < 100


def _release(lease: Lease) -> None:
    try:
        if lease.mine:
            lease.release()
    except StreamlabError:
        pass  # it ends by itself
    finally:
        lease.close()


def tell_left(connection: Connection) -> int:
    """Tell what killed processes have left untold of replays; how many begins and ends that were.

    One command where there is nothing. Raises StreamlabErrors.
    """
    told = 0
    for mark in ReplayHistory(connection).left():
        try:
            told += ReplayRunner(connection, mark.job_id).tell_left(mark)
        except StreamlabError as error:
            log.warning("That replay %s has %s is told later: %s", mark.job_id, mark.part, error)
    return told

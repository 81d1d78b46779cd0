"""Which job is next: shared by the worker's thread, which adds jobs, and the handlers' threads, which take them.

Jobs of the main stream and retries are taken in turn, so that neither waits for all of the other. Of each lane one job
is out at a time; the next one is ready when it has succeeded. When it fails, the lane stops, and the worker decides
about those behind it.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Container, Iterable

from .job import Failure, Job, Lane
from .stint import Stint


class Lanes:
    """Everything is guarded by `lock`, which one record takes once."""

    def __init__(self, wake: Callable[[], None], now: Callable[[], float], timeout_s: float | None):
        """`wake` is called, without the lock, when the worker's thread has a reason to look. `now` is monotonic, and
        `timeout_s` the time that a job has, None for as long as it takes."""
        self.lock = threading.Condition(threading.Lock())
        self.outcomes: deque[Job] = deque()  # finished, not yet seen by the worker's thread
        self._ready: deque[Job] = deque()  # of the main stream
        self._retries: deque[Job] = deque()  # ready too
        self._retry_next = False
        self._behind: dict[Lane, deque[Job]] = {}  # of each lane with a job that is ready, out or failed
        self._wake = wake
        self._now = now
        self._timeout_s = timeout_s
        self._low = 0  # wake when so few are ready
        self._out: set[Job] = set()  # begun, not over
        self.attention = False  # the worker's thread has a reason to look; it takes it back
        self.halted = False  # nothing new is begun; set without the lock, for a signal's handler may set it
        self._closed = False
        self._idle = 0  # threads that wait

    # -- the worker's thread --------------------------------------------------------------------------------------

    def add(self, jobs: Iterable[Job]) -> None:
        with self.lock:
            before = self.ready
            for job in jobs:
                ready = self._ready if job.lease is None else self._retries
                if job.lane is None:
                    ready.append(job)
                elif job.lane in self._behind:
                    self._behind[job.lane].append(job)
                else:
                    self._behind[job.lane] = deque()
                    ready.append(job)
            self._low = self.ready // 2
            if self._idle and self.ready > before:
                self.lock.notify(self.ready - before)

    def stop_lane(self, lane: Lane) -> list[Job]:
        """Its job has failed and will come another way: those behind it, which are not this lane's any more."""
        with self.lock:
            return list(self._behind.pop(lane, ()))

    def go_on(self, lane: Lane) -> None:
        """Its failed job is settled for good: the next one is ready."""
        with self.lock:
            self._release(lane)
            self.lock.notify()

    def withdraw(self, wanted: Callable[[Job], bool]) -> list[Job]:
        """Take out the jobs that are not begun and for which `wanted` is true."""
        with self.lock:
            gone = [job for job in (*self._ready, *self._retries) if wanted(job)]
            self._ready = deque(job for job in self._ready if not wanted(job))
            self._retries = deque(job for job in self._retries if not wanted(job))
            for lane, waiting in list(self._behind.items()):
                gone += [job for job in waiting if wanted(job)]
                self._behind[lane] = deque(job for job in waiting if not wanted(job))
            for job in (
                gone
            ):  # a lane whose ready job is gone has nobody left, for all its jobs are of one partition
                if job.lane is not None and job.started == 0.0 and not self._behind.get(job.lane):
                    self._behind.pop(job.lane, None)
            return gone

    def close(self) -> None:
        """Let the handlers' threads end."""
        with self.lock:
            self._closed = True
            self.lock.notify_all()

    def out_of(self, stints: Container[Stint]) -> list[Job]:
        """Jobs of these that a handler is at work on."""
        with self.lock:
            return [job for job in self._out if job.stint in stints]

    def give_up(self, job: Job, failure: Failure) -> bool:
        """It takes too long. False: it has just ended by itself."""
        with self.lock:
            if job.ended:
                return False
            job.given_up, job.failure, job.ended = True, failure, self._now()
            self._out.discard(job)
            self.outcomes.append(job)
            return True

    @property
    def ready(self) -> int:
        return len(self._ready) + len(self._retries)

    # -- a handler's thread ---------------------------------------------------------------------------------------

    def take(self) -> Job | None:
        """The next job; waits for it. None: there is nothing left to do for ever."""
        with self.lock:
            while self.halted or not (self._ready or self._retries):
                if self._closed:
                    return None
                self._idle += 1
                self.lock.wait()
                self._idle -= 1
            return self._begin()

    def finish(self, job: Job, failure: Failure | None) -> bool:
        """The job is over. False: it was given up meanwhile, and this thread with it."""
        with self.lock:
            if job.given_up:
                return False
            job.failure, job.ended = failure, self._now()
            self._out.discard(job)
            self.outcomes.append(job)
            followed = False  # by one of its lane that is in hand already
            if failure is None and job.lane is not None:
                followed = bool(self._behind.get(job.lane))
                self._release(job.lane)
            someone_waits = job.lane is not None and (failure is not None or job.lease is not None)
            someone_waits &= not followed
            someone_waits |= job.lease is not None and job.lease.losses > 0  # the next suspect
            wake = someone_waits or len(self._ready) + len(self._retries) == self._low
        if wake:
            self.attention = True
            self._wake()
        return True

    # -- how, with the lock ---------------------------------------------------------------------------------------

    def _begin(self) -> Job:
        if self._retries and (self._retry_next or not self._ready):
            job, self._retry_next = self._retries.popleft(), False
        else:
            job, self._retry_next = self._ready.popleft(), True
        job.started = now = self._now()
        self._out.add(job)
        if self._timeout_s is not None:
            job.deadline = now + self._timeout_s
        return job

    def _release(self, lane: Lane) -> None:
        waiting = self._behind.get(lane)
        if waiting is None:
            return
        if waiting:
            following = waiting.popleft()
            (self._ready if following.lease is None else self._retries).append(following)
        else:
            del self._behind[lane]

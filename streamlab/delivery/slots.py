"""The threads that call the handler: `concurrency` of them, and a fresh one for each that hangs.

Python cannot end a thread. So a handler that is past its time is left to itself: its attempt has failed, what it still
does counts for nothing, and a new thread takes its place. The old one holds what it holds (a database connection, a
lock, memory) until it returns. That is why the number of such threads is bounded: beyond `max_lost_threads` the worker
stops with an error, and whoever supervises the process starts it anew.
"""

from __future__ import annotations

import itertools
import sys
import threading
from collections.abc import Callable
from types import FrameType, TracebackType

from .job import Failure, Job
from .lanes import Lanes
from .steps import Steps
from .verdicts import HandlerTimeout


class Slot(threading.Thread):
    """One handler's thread."""

    def __init__(self, name: str, lanes: Lanes, steps: Steps, begin: Callable[[Job], None]):
        super().__init__(name=name, daemon=True)
        self._lanes = lanes
        self._steps = steps
        self._begin = begin
        self.job: Job | None = None

    def run(self) -> None:
        lanes, steps = self._lanes, self._steps
        while (job := lanes.take()) is not None:
            self.job = job
            self._begin(job)
            failure = steps.run(job)
            self.job = None
            if not lanes.finish(job, failure):
                return  # another thread has this one's place


class Slots:
    """Used by the worker's thread."""

    def __init__(
        self,
        count: int,
        name: str,
        lanes: Lanes,
        steps: Steps,
        begin: Callable[[Job], None] = lambda job: None,
    ):
        """`begin` is called in a handler's thread with what it handles next."""
        self._name = name
        self._lanes = lanes
        self._steps = steps
        self._begin = begin
        self._numbers = itertools.count()
        self._lost: list[Slot] = []
        self._slots = [self._new() for _ in range(count)]

    def start(self) -> None:
        for slot in self._slots:
            slot.start()

    def _new(self) -> Slot:
        return Slot(f"{self._name}-handler-{next(self._numbers)}", self._lanes, self._steps, self._begin)

    @property
    def running(self) -> list[Job]:
        """Jobs whose handler is at work; those that were given up do not count."""
        return [job for slot in self._slots if (job := slot.job) is not None]

    @property
    def lost(self) -> int:
        """Threads that were left to themselves and have not returned yet."""
        self._lost = [slot for slot in self._lost if slot.is_alive()]
        return len(self._lost)

    def give_up_overdue(self, now: float) -> int:
        """Replace the threads whose job is past its deadline; how many."""
        count = 0
        for index, slot in enumerate(self._slots):
            job = slot.job
            if job is None or job.deadline is None or now <= job.deadline or job.ended:
                continue
            self._abandon(index, slot, job, f"the handler did not return within {now - job.started:.1f} s")
            count += 1
        return count

    def give_up(self, jobs: list[Job], why: str) -> None:
        """These are not waited for any longer."""
        for index, slot in enumerate(self._slots):
            if slot.job is not None and slot.job in jobs:
                self._abandon(index, slot, slot.job, why)

    def _abandon(self, index: int, slot: Slot, job: Job, why: str) -> None:
        error = HandlerTimeout(f"{why}; it may still be running")
        frame = sys._current_frames().get(slot.ident or 0)
        if self._lanes.give_up(job, Failure(error.with_traceback(_traceback(frame)))):
            self._lost.append(slot)
            self._slots[index] = fresh = self._new()
            fresh.start()

    def join(self, timeout_s: float) -> None:
        for slot in self._slots:
            if slot.is_alive():
                slot.join(timeout_s)


def _traceback(frame: FrameType | None) -> TracebackType | None:
    """Where a thread stands, from the handler inwards, in the shape in which an exception tells it."""
    found: TracebackType | None = None
    while frame is not None and frame.f_globals.get("__name__") != Steps.__module__:
        found = TracebackType(found, frame, frame.f_lasti, frame.f_lineno)
        frame = frame.f_back
    return found

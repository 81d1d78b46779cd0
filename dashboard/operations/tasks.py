"""What Celery runs: an operation, and every few seconds the look after those that were left behind."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from celery import shared_task
from django.db import close_old_connections, connection
from django.utils import timezone
from kombu.exceptions import OperationalError

from dashboard.broker import broker
from streamlab.errors import StreamlabError
from streamlab.lab.experiments.notes import put_back_orphan

from . import life
from .guard import look
from .kind import GaveUp, Kind, Stopped, Taken, WorldMoved
from .models import Operation, State

log = logging.getLogger(__name__)

BEAT_EVERY_S = 5.0
WRITE_EVERY_S = 0.25
"""Progress is written, and a cancellation looked for, at most this often."""


class RunningJob:
    """The `Job` of one claimed operation."""

    def __init__(self, operation: Operation):
        self.number = operation.pk
        self.by = operation.confirmed_by.get_username() if operation.confirmed_by else "somebody"
        self.progress: dict[str, Any] = dict(operation.progress)
        self._mine = Operation.objects.filter(pk=operation.pk, state=State.RUNNING, claim=operation.claim)
        self._written_at = 0.0

    def step(self, done: int, total: int | None = None, note: str = "") -> None:
        if self._due(done == total):
            self._write(done=done, total=total, note=note[:300])
            self._heed()

    def tell(self, done: int, total: int | None = None, note: str = "") -> None:
        if self._due(done == total):
            with suppress(Taken):
                self._write(done=done, total=total, note=note[:300])

    def save(self, progress: Mapping[str, Any]) -> None:
        self.progress = dict(progress)
        self._write(progress=self.progress)
        self._heed()

    def beat(self) -> bool:
        """Whether this run still has the operation."""
        return bool(self._mine.update(beat_at=timezone.now()))

    def _due(self, last: bool) -> bool:
        now = time.monotonic()
        if now - self._written_at < WRITE_EVERY_S and not last:
            return False
        self._written_at = now
        return True

    def _write(self, **changes: Any) -> None:
        """Raises Taken."""
        if not self._mine.update(beat_at=timezone.now(), **changes):
            raise Taken("It was given up for dead, and another worker may have it.")

    def _heed(self) -> None:
        """Raises Stopped when somebody cancelled."""
        if Operation.objects.filter(pk=self.number, cancel_wanted=True).exists():
            raise Stopped("cancelled")


def send(number: int) -> None:
    """Hand it to Celery. Should that fail, the next look after the forgotten ones does it."""
    try:
        run.apply_async((number,), retry=False)
    except OperationalError as error:
        log.warning("Operation %d waits for the control Redis: %s", number, error)


@shared_task(name="dashboard.operations.run")
def run(number: int) -> None:
    operation = life.claim(number)
    if operation is None:
        return
    kind, job = life.kind_of(operation), RunningJob(operation)
    try:
        with _beating(job):
            if operation.runs == 1:  # one that goes on has begun to change things already
                _not_while_measured(kind, operation)
            result = kind.run(broker(), operation.spec, operation.world, job)
    except Taken as taken:
        log.warning("%s: %s", operation, taken)
    except Stopped as stopped:
        life.finish(operation, State.CANCELLED, stopped.result)
    except GaveUp as reason:
        life.finish(operation, State.FAILED, reason.result, error=str(reason))
    except WorldMoved as moved:
        life.finish(operation, State.FAILED, error=f"Nothing was changed: {moved}")
    except StreamlabError as error:
        life.finish(operation, State.FAILED, error=str(error))
    except Exception:
        log.exception("%s failed in a way that was not foreseen", operation)
        life.finish(
            operation,
            State.FAILED,
            error="It failed in a way that was not foreseen; the worker's log has it.",
        )
    else:
        if not life.finish(operation, State.DONE, result):
            log.error("%s was done, but had been given up for dead", operation)


def _not_while_measured(kind: Kind, operation: Operation) -> None:
    """It may have waited for a worker while somebody began an experiment. Raises WorldMoved, StreamlabError."""
    refused, _ = look(broker(), kind, operation.spec)
    if refused:
        raise WorldMoved(refused)


@shared_task(name="dashboard.operations.look_after")
def look_after() -> None:
    """Queue again or end what a dead worker left, send again what nobody took, forget old drafts."""
    now = timezone.now()
    for operation in life.lost(now):
        if life.revive(operation):
            send(operation.pk)
    for number in life.forgotten(now):
        send(number)
    life.forget_old_drafts(now)
    _put_back()


def _put_back() -> None:
    """What a killed experiment left changed; the lab does the same, where one runs."""
    try:
        outcome = put_back_orphan(broker().connection)
    except StreamlabError as error:
        log.debug("Whether an experiment was killed is not known: %s", error)
        return
    if outcome is not None:
        log.warning("Experiment %s on %s: %s", outcome.id, outcome.plan.entity, outcome.why)


@contextmanager
def _beating(job: RunningJob) -> Iterator[None]:
    """Signs of life from a thread of its own, for as long as the block runs."""
    over = threading.Event()

    def beats() -> None:
        while not over.wait(BEAT_EVERY_S):
            try:
                close_old_connections()
                job.beat()
            except Exception:
                log.exception("The sign of life of operation %d was not written", job.number)
        connection.close()

    thread = threading.Thread(target=beats, name=f"operation-{job.number}-beat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()

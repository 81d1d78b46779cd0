"""What the broker's history hears of a replay: that it began, and how it ended.

    announce(mark) → the job's state changes → event → stored → the mark is taken away

Who is killed in between leaves the mark, and whoever finds it later tells the same under the same id: an event follows
from the job alone. A mark of something that did not come about tells nothing.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from .. import keys
from ..connection import Connection
from ..events import Journal, ReplayFinished, ReplayStarted
from ..replies import pairs
from .replay_jobs import ReplayJob, ReplayState

LEFT_AFTER_MS = 10_000
"""A mark so old is that of a process that does not live any more, or will say the same again."""
ENDED = (ReplayState.DONE, ReplayState.CANCELLED, ReplayState.FAILED, ReplayState.STOPPED)


class Part(StrEnum):
    STARTED = "started"
    FINISHED = "finished"


class Mark(NamedTuple):
    """Something that may have happened to a job and is not told yet."""

    part: Part
    job_id: str
    at_ms: int  # when it was announced, server time

    @property
    def member(self) -> str:
        return f"{self.part}:{self.job_id}"


class ReplayHistory:
    """Of all jobs of one server. Safe to share between threads."""

    def __init__(self, connection: Connection):
        self._connection = connection

    def announce(self, job_id: str, part: Part) -> Mark:
        """Before the job's state changes. Raises StreamlabErrors."""
        mark = Mark(part, job_id, self._connection.server_time_ms())
        self._connection.execute_many([("ZADD", keys.REPLAYS_UNTOLD, mark.at_ms, mark.member)])
        return mark

    def tell(self, journal: Journal, mark: Mark, job: ReplayJob, took_s: float | None = None) -> None:
        """Once the job's state has changed, or when it turns out that it did not. `took_s` is how long this run took.

        Raises StreamlabErrors: repeat it then, or leave it to who finds the mark.
        """
        event = _started(job) if mark.part is Part.STARTED else _finished(job, took_s)
        if event is not None:
            journal.write(event)
            journal.store()
        self.forget(mark)

    def forget(self, mark: Mark) -> None:
        """Unless it was announced anew meanwhile, which is another mark."""
        self._connection.run("replays/told", [keys.REPLAYS_UNTOLD], [mark.member, mark.at_ms])

    def left(self) -> list[Mark]:
        """Marks that somebody else has to see to. One command where there are none."""
        [found] = self._connection.execute_many([("ZRANGE", keys.REPLAYS_UNTOLD, 0, -1, "WITHSCORES")])
        if not found:
            return []
        before_ms = self._connection.server_time_ms() - LEFT_AFTER_MS
        return [mark for member, ms in pairs(found) if (mark := _mark(member, ms)).at_ms <= before_ms]

    def find(self, job_id: str, part: Part) -> Mark | None:
        """What somebody has announced of a job, and not told."""
        mark = Mark(part, job_id, 0)
        [ms] = self._connection.execute_many([("ZSCORE", keys.REPLAYS_UNTOLD, mark.member)])
        return None if ms is None else mark._replace(at_ms=int(float(ms)))


def _mark(member: bytes, ms: bytes | float) -> Mark:
    part, _, job_id = member.decode().partition(":")
    return Mark(Part(part), job_id, int(float(ms)))


def _started(job: ReplayJob) -> ReplayStarted | None:
    if job.started_ms is None:
        return None
    return ReplayStarted(
        at_ms=job.started_ms,
        replay_id=job.id,
        group=job.spec.group,
        dlq_topic=job.spec.dlq,
        target=str(job.spec.target),
        filter=job.spec.filter.in_words(),
        total=job.planned,
        rate=job.spec.rate,
        by=job.by,
    )


def _finished(job: ReplayJob, took_s: float | None) -> ReplayFinished | None:
    """None: it goes on, or never began."""
    if job.state not in ENDED or job.ended_ms is None or job.started_ms is None:
        return None
    return ReplayFinished(
        at_ms=job.ended_ms,
        replay_id=job.id,
        group=job.spec.group,
        outcome=str(job.state),
        replayed=job.counts.sent,
        skipped=job.counts.skipped + job.counts.unfit,
        failed_again=job.counts.failed_again,
        took_ms=None if took_s is None else 1000 * took_s,
        reason=job.reason,
    )

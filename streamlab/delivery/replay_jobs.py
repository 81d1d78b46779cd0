"""Replay jobs: what is stored of each, its states, and how far it came.

        draft ──run──▶ running ──▶ done                 everything between the bounds was looked at
                        │ ▲   └──▶ failed               it could not go on, and says why
               pause or │ │   └──▶ stopped              the guard: too many failed again
                 Ctrl-C ▼ │run
                       paused         cancel: from any but done ──▶ cancelled

A job whose process was killed stays `running`, without a runner. Everything but done and cancelled can be run again,
and goes on where it was. How far it came is not written into the job but kept beside the letters, changed by the
scripts that change them; so the counts are exact whatever was killed when.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import msgspec

from .. import keys
from ..connection import Connection
from ..errors import IllegalStateError, StreamlabError, translated
from ..model import TopicPartition
from ..replies import pairs
from .letter_reader import Bounds
from .replay_plan import ReplayPlan
from .replay_spec import ReplaySpec

KEPT_MS = 30 * 86_400_000
_JOBS_AT_ONCE = 100


class ReplayState(StrEnum):
    DRAFT = "draft"
    RUNNING = "running"
    PAUSED = "paused"
    DONE = "done"
    CANCELLED = "cancelled"
    FAILED = "failed"
    STOPPED = "stopped"  # by the guard


RESUMABLE = (
    ReplayState.DRAFT,
    ReplayState.RUNNING,
    ReplayState.PAUSED,
    ReplayState.FAILED,
    ReplayState.STOPPED,
)


class UnknownReplayError(StreamlabError):
    """Raised when there is no replay of that id (any more): they are kept for 30 days."""


class PartitionProgress(msgspec.Struct, frozen=True):
    """How far a job came in one partition."""

    chunk: int = 0  # number of the last chunk taken
    cursor: int = -1  # everything before it was looked at; -1: it has not begun
    pending: dict[int, int] = {}  # offset -> number of its replay: taken, not yet known to be sent
    width: int = 0  # partitions of the target topic when they were taken
    taken_ms: int | None = None  # when that was, server time; None: not known
    sent: int = 0
    skipped: int = 0  # somebody else replayed or discarded them meanwhile
    unfit: int = 0  # they cannot be replayed as asked
    recovered: int = 0
    failed_again: int = 0


_BEFORE = "before"  # what give_back.lua brings back
FIGURES = (
    "chunk",
    "cursor",
    "pending",
    "width",
    "ms",
    "sent",
    "skipped",
    "unfit",
    "recovered",
    "failed-again",
)


class ReplayCounts(msgspec.Struct, frozen=True):
    """How far a job came in all."""

    scanned: int = 0  # letters looked at
    total: int = 0  # letters between its bounds
    taken: int = 0  # on the point of being sent
    sent: int = 0
    skipped: int = 0
    unfit: int = 0
    recovered: int = 0
    failed_again: int = 0

    @property
    def settled(self) -> int:
        return self.recovered + self.failed_again

    @property
    def failed_percent(self) -> float | None:
        """Of those settled; None when none is."""
        return 100 * self.failed_again / self.settled if self.settled else None


class ReplayJob(msgspec.Struct, frozen=True, kw_only=True):
    """One job as it is now."""

    id: str
    spec: ReplaySpec
    bounds: dict[int, tuple[int, int]]  # partition -> first offset and the one behind the last
    planned: int  # letters that the plan counted
    state: ReplayState
    by: str
    created_ms: int
    started_ms: int | None = None
    ended_ms: int | None = None
    reason: str | None = None  # why it failed or was stopped, or who ended it
    runner: str | None = None  # the process that works on it now; None: none does
    counts: ReplayCounts = ReplayCounts()

    @property
    def resumable(self) -> bool:
        return self.state in RESUMABLE

    @property
    def left(self) -> int:
        """Letters of its plan that it did not come to; nobody says here what became of them since."""
        counts = self.counts
        return max(0, self.planned - counts.taken - counts.sent - counts.skipped)

    def places(self) -> dict[TopicPartition, Bounds]:
        return {TopicPartition(self.spec.dlq, n): Bounds(*b) for n, b in self.bounds.items()}


class _Stored(msgspec.Struct):
    """The part of a job that never changes, as JSON."""

    spec: ReplaySpec
    bounds: dict[int, tuple[int, int]]
    planned: int
    by: str
    created_ms: int


class ReplayJobs:
    """All replay jobs of one server. Safe to share between threads."""

    def __init__(self, connection: Connection):
        self._connection = connection

    def draft(self, plan: ReplayPlan, by: str) -> ReplayJob:
        """Store what a plan would do. Nothing is replayed yet."""
        now_ms = self._connection.server_time_ms()
        self._prune(now_ms - KEPT_MS)
        stored = _Stored(plan.spec, plan.bounds, plan.letters, by, now_ms)
        job_id = new_id(now_ms)
        with translated():
            client = self._connection.client
            client.hset(
                keys.replay(job_id),
                mapping={"plan": msgspec.json.encode(stored), "state": str(ReplayState.DRAFT)},
            )
            client.zadd(keys.REPLAYS, {job_id: now_ms})
        return self.get(job_id)

    def get(self, job_id: str) -> ReplayJob:
        """Raises UnknownReplayError."""
        stored = self._stored([job_id])
        if not stored:
            raise UnknownReplayError(f"There is no replay {job_id!r}.")
        return self._counted(stored)[0]

    def all(self, dlq: str | None = None, most: int = 100) -> list[ReplayJob]:
        """The newest first, at most so many; those of one dead-letter topic when it is named."""
        [ids] = self._connection.execute_many([("ZREVRANGE", keys.REPLAYS, 0, -1)])
        jobs: list[ReplayJob] = []
        for start in range(0, len(ids), _JOBS_AT_ONCE):
            stored = self._stored([job_id.decode() for job_id in ids[start : start + _JOBS_AT_ONCE]])
            jobs += [job for job in stored if dlq is None or job.spec.dlq == dlq]
            if len(jobs) >= most:
                break
        return self._counted(jobs[:most])

    def state(self, job_id: str) -> ReplayState | None:
        [state] = self._connection.execute_many([("HGET", keys.replay(job_id), "state")])
        return None if state is None else ReplayState(state.decode())

    def progress(self, job: ReplayJob) -> dict[TopicPartition, PartitionProgress]:
        """Of each partition, in one round trip."""
        return self.progress_in(job.id, list(job.places()))

    def progress_in(
        self, job_id: str, places: Sequence[TopicPartition]
    ) -> dict[TopicPartition, PartitionProgress]:
        """Likewise for some of its partitions."""
        found = self._progress([(job_id, place) for place in places])
        return {place: progress for (_, place), progress in found.items()}

    def move(
        self, job_id: str, allowed: tuple[ReplayState, ...], to: ReplayState, **fields: str | int
    ) -> ReplayState:
        """Returns the state that it was in. Raises UnknownReplayError, IllegalStateError when it was in another."""
        flat = [part for field in fields.items() for part in field]
        moved, before = self._connection.run(
            "replays/move", [keys.replay(job_id)], [",".join(allowed), str(to), *flat]
        )
        if not before:
            raise UnknownReplayError(f"There is no replay {job_id!r}.")
        if not moved:
            raise IllegalStateError(f"Replay {job_id} is {before.decode()}, so it cannot become {to}.")
        return ReplayState(before.decode())

    def pause(self, job_id: str) -> ReplayJob:
        """Whoever runs it stops after the chunk that it is at. Raises UnknownReplayError, IllegalStateError."""
        self.move(job_id, (ReplayState.RUNNING, ReplayState.PAUSED), ReplayState.PAUSED)
        return self.get(job_id)

    # -- how ------------------------------------------------------------------------------------------------------

    def _stored(self, ids: Sequence[str]) -> list[ReplayJob]:
        """Without their counts; those that there are. One round trip."""
        commands = [c for id in ids for c in (("HGETALL", keys.replay(id)), ("GET", keys.replay_lease(id)))]
        replies = self._connection.execute_many(commands)
        jobs = map(_job, ids, replies[::2], replies[1::2])
        return [job for job in jobs if job is not None]

    def _counted(self, jobs: Sequence[ReplayJob]) -> list[ReplayJob]:
        """One round trip."""
        found = self._progress([(job.id, place) for job in jobs for place in job.places()])
        return [
            msgspec.structs.replace(job, counts=_counts(job, {p: found[job.id, p] for p in job.places()}))
            for job in jobs
        ]

    def _progress(
        self, asked: Sequence[tuple[str, TopicPartition]]
    ) -> dict[tuple[str, TopicPartition], PartitionProgress]:
        commands = [
            ("HMGET", keys.replay_progress(*place), *[f"{job_id}:{figure}" for figure in FIGURES])
            for job_id, place in asked
        ]
        return dict(zip(asked, map(_parsed, self._connection.execute_many(commands)), strict=True))

    def _prune(self, before_ms: int) -> None:
        """Forget the jobs that are too old, with what they left beside the letters."""
        [old] = self._connection.execute_many([("ZRANGEBYSCORE", keys.REPLAYS, "-inf", f"({before_ms}")])
        ids = [job_id.decode() for job_id in old]
        places = {job.id: job.places() for job in self._stored(ids)}
        for job_id in ids:
            figures = [f"{job_id}:{figure}" for figure in (*FIGURES, _BEFORE)]
            self._connection.execute_many(
                [
                    *[("HDEL", keys.replay_progress(*place), *figures) for place in places.get(job_id, ())],
                    ("DEL", keys.replay(job_id)),
                    ("ZREM", keys.REPLAYS, job_id),
                ]
            )


def _job(job_id: str, fields: Any, runner: bytes | None) -> ReplayJob | None:
    """As it is stored; None: there is no such job (any more)."""
    told = {name.decode(): value.decode() for name, value in pairs(fields)}
    if "plan" not in told:
        return None
    stored = msgspec.json.decode(told["plan"], type=_Stored)
    return ReplayJob(
        id=job_id,
        spec=stored.spec,
        bounds=stored.bounds,
        planned=stored.planned,
        state=ReplayState(told["state"]),
        by=stored.by,
        created_ms=stored.created_ms,
        started_ms=_number(told.get("started_ms")),
        ended_ms=_number(told.get("ended_ms")),
        reason=told.get("reason") or None,
        runner=None if runner is None else runner.decode(),
    )


def _counts(job: ReplayJob, found: Mapping[TopicPartition, PartitionProgress]) -> ReplayCounts:
    looked_at = [
        (bounds.letters if job.state is ReplayState.DONE else max(0, found[place].cursor - bounds.start))
        for place, bounds in job.places().items()
    ]
    every = found.values()
    return ReplayCounts(
        scanned=sum(looked_at),
        total=sum(bounds.letters for bounds in job.places().values()),
        taken=sum(len(p.pending) for p in every),
        sent=sum(p.sent for p in every),
        skipped=sum(p.skipped for p in every),
        unfit=sum(p.unfit for p in every),
        recovered=sum(p.recovered for p in every),
        failed_again=sum(p.failed_again for p in every),
    )


def new_id(now_ms: int) -> str:
    """Sorts by time and can be typed: `20261123-081502-5f3a`."""
    return f"{datetime.fromtimestamp(now_ms / 1000, UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


def _parsed(reply: list[bytes | None]) -> PartitionProgress:
    chunk, cursor, pending, width, taken_ms, *figures = reply
    sent, skipped, unfit, recovered, failed = (int(figure or 0) for figure in figures)
    return PartitionProgress(
        int(chunk or 0),
        -1 if cursor is None else int(cursor),
        parse_pending((pending or b"").split()),
        int(width or 0),
        None if taken_ms is None else int(taken_ms),
        sent,
        skipped,
        unfit,
        recovered,
        failed,
    )


def parse_pending(letters: list[bytes]) -> dict[int, int]:
    """
    >>> parse_pending([b"41:1", b"42:3"])
    {41: 1, 42: 3}
    """
    pairs = (letter.split(b":") for letter in letters)
    return {int(offset): int(number) for offset, number in pairs}


def _number(text: str | None) -> int | None:
    return int(text) if text else None

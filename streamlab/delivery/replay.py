"""Replaying dead letters: plan it, then run it.

replays = Replays(broker.connection)
plan = replays.plan(letters, LetterFilter(error_classes=["OutOfStock"]), to="group", rate=500)
print(plan.letters, plan.failures, plan.destinations)       # exact, and nothing has happened yet
job = replays.run(replays.draft(plan, by="ann").id)         # resumable: run() again goes on
print(job.state, job.counts)
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from ..connection import Connection
from .dead_letters import EVERYTHING, DeadLetters
from .letter_filter import LetterFilter
from .replay_jobs import ReplayJob, ReplayJobs
from .replay_plan import ReplayPlan, plan
from .replay_runner import ReplayRunner, Watcher
from .replay_spec import GUARD_PERCENT, GUARD_SAMPLE, Edit, ReplaySpec, target_of


class Replays:
    """All replays of one server. Safe to share between threads."""

    def __init__(self, connection: Connection):
        self._connection = connection
        self.jobs = ReplayJobs(connection)

    def plan(
        self,
        letters: DeadLetters,
        filter: LetterFilter = EVERYTHING,
        *,
        to: str = "group",
        edit: Edit | None = None,
        rate: float | None = None,
        guard_percent: float = GUARD_PERCENT,
        guard_sample: int = GUARD_SAMPLE,
        seen: Callable[[int, int], None] | None = None,
    ) -> ReplayPlan:
        """What would happen, counted to the letter. `to` is group, source, or the name of a topic; `rate` is letters
        a second. `seen(scanned, total)` is told how far counting is.

        Raises UnknownTopicOrPartitionError, IllegalArgumentError.
        """
        target, to_topic = target_of(to)
        spec = ReplaySpec(
            dlq=letters.dlq,
            topic=letters.topic,
            group=letters.group,
            filter=filter,
            target=target,
            to_topic=to_topic,
            edit=edit,
            rate=rate,
            guard_percent=guard_percent,
            guard_sample=guard_sample,
        )
        return plan(self._connection, spec, seen)

    def draft(self, plan: ReplayPlan, by: str) -> ReplayJob:
        """Store the plan as a job, which run() then runs, here or in another process."""
        return self.jobs.draft(plan, by)

    def run(
        self, job_id: str, watch: Watcher | None = None, stop: threading.Event | None = None
    ) -> ReplayJob:
        """Run a job, or go on with it, until its end. See ReplayRunner.run."""
        return ReplayRunner(self._connection, job_id).run(watch, stop)

    def pause(self, job_id: str) -> ReplayJob:
        """Whoever runs it stops after its chunk; run() goes on. Raises UnknownReplayError, IllegalStateError."""
        return self.jobs.pause(job_id)

    def cancel(self, job_id: str, by: str) -> ReplayJob:
        """End a job for good. What was replayed stays replayed. Raises UnknownReplayError, IllegalStateError."""
        return ReplayRunner(self._connection, job_id).cancel(by)

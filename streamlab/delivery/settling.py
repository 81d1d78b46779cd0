"""What becomes of a finished job: classify → settle → report, in the worker's own thread.

    handled, from the main stream       its offset is done
    handled, a retry                    out of the queue; an event if it had failed before
    failed, tried again                 into the queue (or back), with its event; then its offset is done
    failed, given up                    a dead letter into the outbox; then its offset is done

Settlements are gathered and sent in one round trip, in their order. When the server is away they wait, and nothing of
theirs is committed; each may be repeated, for the scripts know what they have had.
"""

from __future__ import annotations

import logging
import random
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec
from redis.exceptions import RedisError, ResponseError

from ..clock import Clock
from ..connection import Call, Connection
from ..errors import StreamlabError, translate
from . import reports
from .dead_letter import Cause
from .job import Failure, Job
from .lanes import Lanes
from .partition_retries import NO_CHAIN, WHOLE_PARTITION, Lease, PartitionRetries, parse_outbox
from .policy import GiveUp, RetryIn, RetryPolicy
from .relay import Relay
from .retry_queue import QueuedRecord
from .server_clock import ServerClock
from .stint import Stint
from .tally import Tally
from .verdicts import HandlerTimeout, WorkerLost

log = logging.getLogger(__name__)

MAX_LOSSES = 5
"""A record whose worker died so often while it was tried again is given up: it may well be the reason."""
_AT_ONCE = 200


class _Step(NamedTuple):
    """One script to be run, and what follows from its answer."""

    stint: Stint
    call: Call
    then: Callable[[Any], None]


class Settling:
    """Used by the worker's thread alone."""

    def __init__(
        self,
        connection: Connection,
        lanes: Lanes,
        relay: Relay,
        policy: RetryPolicy,
        server: ServerClock,
        clock: Clock,
        tally: Tally,
        fenced: Callable[[Stint], None],
    ):
        """`fenced` hears of a stint whose partition is another's by now."""
        self._connection = connection
        self._lanes = lanes
        self._relay = relay
        self.policy = policy  # another one from now on, when it is set
        self._server = server
        self._clock = clock
        self._tally = tally
        self._fenced = fenced
        self._steps: deque[_Step] = deque()
        self._unheard: set[Stint] = set()  # a step of theirs may have run without our hearing its answer
        self._random = random.Random()

    @property
    def waiting(self) -> int:
        """Settlements that the server has not confirmed."""
        return len(self._steps)

    # -- classify -------------------------------------------------------------------------------------------------

    def settle(self, job: Job) -> None:
        """The job is over. What has to be stored is gathered until flush()."""
        if job.failure is not None:
            self._failed(job, job.failure)
        elif job.lease is not None:
            self._recovered(job, job.lease)
        elif job.replayed_into_topic:
            self._replay_handled(job)
        else:
            job.stint.mark.done(job.record.offset)

    def _replay_handled(self, job: Job) -> None:
        """A record that a replay put into the topic is handled at once: that its letter is to hear of it is stored
        before its offset is done."""
        letter = job.origin.letter_of(job.stint.group_id)
        if letter is None:
            job.stint.mark.done(job.record.offset)
            return
        field, parcel = reports.posted(reports.recovered(job, self._began_ms(job)), letter)
        self._tally.recovered += 1

        def is_known(_: Any) -> None:
            job.stint.mark.done(job.record.offset)
            self._relay.put(job.stint.retries, field, parcel)

        self._add(job.stint, job.stint.retries.tell(field, parcel), is_known)

    def _failed(self, job: Job, failure: Failure) -> None:
        tried = self._tried(job)
        attempt = len(tried.attempts) - tried.before
        first_ms = tried.first_ms or self._began_ms(job)
        age_ms = self._ended_ms(job) - first_ms
        verdict = self.policy.decide(failure.error, attempt, age_ms, cause=failure.cause, draw=self._random)
        if isinstance(verdict, GiveUp):
            self._give_up(job, verdict, tried)
        else:
            self._again(job, verdict, tried, first_ms)
        self._tally.failed(verdict, timed_out=isinstance(failure.error, HandlerTimeout))

    def _tried(self, job: Job) -> QueuedRecord:
        """The record with its history, this attempt included."""
        before = QueuedRecord.of(job.record) if job.lease is None else job.lease.record
        attempt = reports.attempt_of(job, self._began_ms(job))
        return msgspec.structs.replace(before, attempts=[*before.attempts, attempt])

    def lost_too_often(self, job: Job, lease: Lease) -> bool:
        """Give a leased record up whose workers died on it; True when it was."""
        if lease.losses < MAX_LOSSES:
            return False
        job.started = job.ended = self._clock.monotonic()
        job.failure = Failure(WorkerLost(f"the worker died {lease.losses} times while it handled the record"))
        self._give_up(job, GiveUp(Cause.EXHAUSTED), self._tried(job))
        self._tally.failed(GiveUp(Cause.EXHAUSTED), timed_out=False)
        return True

    # -- settle ---------------------------------------------------------------------------------------------------

    def _again(self, job: Job, verdict: RetryIn, tried: QueuedRecord, first_ms: int) -> None:
        stint, started_ms = job.stint, self._began_ms(job)
        due_ms = round(self._ended_ms(job) + verdict.delay_ms)
        if verdict.counted:
            record = msgspec.structs.replace(tried, first_ms=first_ms)
            field, event = reports.posted(reports.retried(job, started_ms, due_ms))
        else:
            record = msgspec.structs.replace(tried, attempts=tried.attempts[:-1])
            field, event = reports.posted(reports.released(job, started_ms, due_ms))
        log.debug(
            "%s offset %d is tried again in %.0f ms", stint.partition, job.record.offset, verdict.delay_ms
        )
        soonest = self._clock.monotonic() + verdict.delay_ms / 1000
        if job.lease is not None:
            stint.leases.pop(job.lease.id, None)
            call = stint.retries.again(job.lease, record, due_ms, field, event)
            self._add(stint, call, lambda reply: self._is_back(stint, reply, soonest, field, event))
            self._put_back(stint, self._leave_lane(job))
            return
        chain = stint.chain_of(job.record)
        call = stint.retries.fail(record, due_ms, chain, field, event)
        self._add(stint, call, lambda _: self._is_in(job, soonest, field, event))
        if chain != NO_CHAIN:
            stint.chains.add(chain)
            self.wait_behind(stint, chain, self._leave_lane(job))

    def wait_behind(self, stint: Stint, chain: str, jobs: Sequence[Job]) -> None:
        """Jobs of the main stream whose turn comes after a retry."""
        if not jobs:
            return
        if (
            chain == WHOLE_PARTITION
        ):  # what is before the retry, and comes again after a crash, goes before it
            stint.held.extend(job for job in jobs if job.record.offset > stint.ahead)
            jobs = [job for job in jobs if job.record.offset <= stint.ahead]
            if not jobs:
                return
        records = [QueuedRecord.of(job.record) for job in jobs]
        self._add(
            stint, stint.retries.park(chain, records), lambda added: self._are_parked(stint, jobs, added)
        )

    def _put_back(self, stint: Stint, followers: Sequence[Job]) -> None:
        """These were to be handled after a retry that has failed again: they are parked behind it again."""
        leases = [job.lease for job in followers if job.lease is not None]
        for lease in leases:
            stint.leases.pop(lease.id, None)
        if leases:
            self._add(stint, stint.retries.give_back(leases), lambda _: None)

    def _give_up(self, job: Job, verdict: GiveUp, tried: QueuedRecord) -> None:
        assert job.failure is not None
        stint, lease = job.stint, job.lease
        log.warning(
            "%s offset %d is a dead letter of group %r (%s) after attempt %d: %r",
            *(
                stint.partition,
                job.record.offset,
                stint.group_id,
                verdict.cause,
                job.attempt,
                job.failure.error,
            ),
        )
        died_ms = self._ended_ms(job)
        letter = reports.letter(job, self._began_ms(job), verdict.cause, tried.attempts, died_ms)
        if job.lane is not None:
            self._lanes.go_on(job.lane)
        if lease is None:
            call = stint.retries.bury(job.record.offset, letter)
            self._add(stint, call, lambda number: self._is_buried(job, number, letter))
            return
        stint.leases.pop(lease.id, None)
        self._add(
            stint, stint.retries.dead(lease, letter), lambda reply: self._is_out(stint, lease, reply, letter)
        )

    def _recovered(self, job: Job, lease: Lease) -> None:
        field, event = reports.NO_EVENT
        if lease.record.attempts or lease.record.replays:
            field, event = reports.posted(
                reports.recovered(job, self._began_ms(job)),
                job.origin.letter_of(job.stint.group_id),
            )
            self._tally.recovered += 1
        stint = job.stint
        stint.leases.pop(lease.id, None)
        call = stint.retries.done(lease, field, event)
        self._add(stint, call, lambda reply: self._is_out(stint, lease, reply, event, field))

    def _began_ms(self, job: Job) -> int:
        """Server time. Never before the server said that it was due, however rough our idea of its clock."""
        began_ms = self._server.at_ms(job.started)
        return began_ms if job.lease is None else max(began_ms, job.lease.planned_ms)

    def _ended_ms(self, job: Job) -> int:
        return self._began_ms(job) + reports.took_ms(job)

    def _leave_lane(self, job: Job) -> list[Job]:
        return [] if job.lane is None else self._lanes.stop_lane(job.lane)

    # -- report: what follows from an answer ----------------------------------------------------------------------

    def _is_in(self, job: Job, soonest: float, field: str, event: bytes) -> None:
        stint = job.stint
        stint.mark.done(job.record.offset)
        stint.queued += 1
        stint.look_at = min(stint.look_at, soonest)
        self._relay.put(stint.retries, field, event)

    def _is_back(self, stint: Stint, reply: Any, soonest: float, field: str, event: bytes) -> None:
        stint.look_at = min(stint.look_at, soonest)
        if PartitionRetries.settled(reply).ours:
            self._relay.put(stint.retries, field, event)

    def _are_parked(self, stint: Stint, jobs: Sequence[Job], added: int) -> None:
        if added < 0:  # the one before them was settled meanwhile
            self._lanes.add(jobs)
            return
        stint.queued += added
        for job in jobs:
            stint.mark.done(job.record.offset)
        self._tally.parked += added

    def _is_buried(self, job: Job, number: int, letter: bytes) -> None:
        job.stint.mark.done(job.record.offset)
        if number >= 0:
            self._relay.put(job.stint.retries, f"L{number}", letter)

    def _is_out(self, stint: Stint, lease: Lease, reply: Any, parcel: bytes, field: str = "") -> None:
        settled = PartitionRetries.settled(reply)
        if lease.chain == NO_CHAIN or settled.follows or not settled.ours:
            stint.look_at = (
                0.0  # there is room again; who was parked behind it is due now, or was when nobody heard it
            )
        if settled.ours:
            stint.queued -= 1
            self._relay.put(stint.retries, field if settled.letter < 0 else f"L{settled.letter}", parcel)
        if settled.chain_empty and lease.chain != NO_CHAIN:
            stint.chains.discard(lease.chain)
            if lease.chain == WHOLE_PARTITION:
                held, stint.held = stint.held, deque()
                self._lanes.add(held)

    # -- sending --------------------------------------------------------------------------------------------------

    def _add(self, stint: Stint, call: Call, then: Callable[[Any], None]) -> None:
        self._steps.append(_Step(stint, call, then))

    def flush(self) -> None:
        """Run what was gathered. Raises StreamlabErrors; what was not confirmed is kept for the next time.

        A step that had run says when it is repeated that it is known, and no more: what it put into the outbox is
        found there, before the answers to later steps are acted on.
        """
        while self._steps:
            self._steps = deque(step for step in self._steps if not step.stint.over)
            steps = [self._steps[i] for i in range(min(_AT_ONCE, len(self._steps)))]
            try:
                replies = self._connection.run_many([step.call for step in steps])
                self._look_into_outboxes()
            except (RedisError, OSError, StreamlabError) as error:
                self._unheard |= {step.stint for step in steps}
                raise translate(error) from error
            for step, reply in zip(steps, replies, strict=True):
                if isinstance(reply, ResponseError) and str(reply).startswith("FENCED"):
                    self._fenced(step.stint)
                elif isinstance(reply, Exception):
                    self._unheard |= {step.stint for step in steps}  # those behind it have run, too
                    raise translate(reply)
                elif not step.stint.over:
                    step.stint.steps += 1
                    step.then(reply)
                self._steps.popleft()

    def _look_into_outboxes(self) -> None:
        stints = [stint for stint in self._unheard if not stint.over]
        if stints:
            found = self._connection.execute_many([stint.retries.outbox() for stint in stints])
            for stint, outbox in zip(stints, found, strict=True):
                self._relay.put_all(stint.retries, parse_outbox(outbox))
        self._unheard.clear()

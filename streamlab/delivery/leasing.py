"""The worker's side of the retry queues: looks for what is due, hands it out, holds the leases of what is in hand.

A worker that dies leaves all that it had in hand, and one of it may be what killed it. These suspects are handed out
one at a time, and each is marked before its handler is called: so of a hundred only the culprit is found at work by the
next death, and none but it is given up.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Collection, Sequence
from typing import Any

from redis.exceptions import RedisError, ResponseError

from ..clock import Clock
from ..connection import Call, Connection
from ..errors import translate
from .job import Job
from .lanes import Lanes
from .partition_retries import Lease, PartitionRetries
from .settling import Settling
from .stint import Stint

log = logging.getLogger(__name__)

LEASE_MS = 60_000
"""Of a retry in hand; renewed at a third of it. A partition's new owner does not wait for its end."""
LOOK_AGAIN_S = 0.5
"""How often a queue is looked at in which nothing is due: a replay may have come from outside."""
IN_HAND = 100
"""Retries of a partition in hand at once, or four for each handler where that is more."""
FOLLOWERS = 100
"""Records of a partition in hand beside them that follow another one of their key: so many in all ..."""
FOLLOWERS_OF_ONE = 50
"""... and of one key. A handler works on them one by one, and each settlement asks for no next one."""


class Leasing:
    """Used by the worker's thread."""

    def __init__(
        self,
        connection: Connection,
        lanes: Lanes,
        settling: Settling,
        clock: Clock,
        concurrency: int,
        fenced: Callable[[Stint], None],
    ):
        """`fenced` hears of a stint whose partition is another's by now."""
        self._connection = connection
        self._lanes = lanes
        self._settling = settling
        self._clock = clock
        self._room = max(IN_HAND, 4 * concurrency)
        self._fenced = fenced
        self._next_extension = 0.0
        self._unheard: set[Stint] = set()  # they may have leases that we were not told of
        self._suspects: deque[Job] = deque()
        self._suspect: Job | None = None  # the one that is handed out

    def soonest(self, stints: Collection[Stint]) -> float:
        """When to look again, in monotonic seconds."""
        waiting = (stint.look_at for stint in stints if self._room_of(stint) > 0)
        return min(waiting, default=float("inf"))

    def wanting_commits(self, stints: Collection[Stint]) -> list[Stint]:
        """Where something is due that keeps an order, which is not tried again before it is committed."""
        now = self._clock.monotonic()
        return [stint for stint in stints if stint.chains and stint.look_at <= now]

    def look(self, stints: Collection[Stint]) -> None:
        """Hand out what is due, as far as there is room. Raises StreamlabErrors."""
        now = self._clock.monotonic()
        self._extend(stints, now)
        self._recall()
        asked = [
            (stint, most) for stint in stints if stint.look_at <= now and (most := self._room_of(stint)) > 0
        ]
        self._unheard |= {stint for stint, _ in asked}
        replies = self._ask([(stint, self._lease(stint, most)) for stint, most in asked])
        self._unheard.clear()
        for (stint, most), reply in zip(asked, replies, strict=True):
            if reply is None:
                continue
            found = PartitionRetries.leased(reply)
            if found.steps < stint.steps:
                self._begin_anew(stint)
                continue
            stint.committed = (
                found.committed
            )  # earlier than it was: a failover took a commit back, so commit again
            soon_s = LOOK_AGAIN_S if found.next_due_ms is None else found.next_due_ms / 1000 + 0.001
            all_room = sum(not lease.follows for lease in found.leases) == most
            stint.look_at = now + (0 if all_room else min(soon_s, LOOK_AGAIN_S))
            stint.queued = found.records
            self._hand_out(stint, found.leases)
        self._hand_out_a_suspect()

    def _begin_anew(self, stint: Stint) -> None:
        """What it takes for stored is not all there, so what it would do next could lose records."""
        log.warning(
            "A failover took back what was done on %s; it is read again from its commit.", stint.partition
        )
        self._ask([(stint, stint.retries.recall(()))])
        self._fenced(stint)

    def _lease(self, stint: Stint, most: int) -> Call:
        followers = FOLLOWERS - sum(lease.follows for lease in stint.leases.values())
        return stint.retries.lease(most, LEASE_MS, max(0, followers), FOLLOWERS_OF_ONE)

    def _room_of(self, stint: Stint) -> int:
        """Followers take none, and no suspects: they wait for each other, and nobody else does for them."""
        leases = stint.leases.values()
        if self._suspect is None:
            return self._room - sum(not lease.follows for lease in leases)
        return self._room - sum(not (lease.follows or lease.losses) for lease in leases)

    def _recall(self) -> None:
        """Call back what an answer told of that was lost."""
        if self._unheard:
            stints = [stint for stint in self._unheard if not stint.over]
            self._ask([(stint, stint.retries.recall(stint.leases)) for stint in stints])

    def _hand_out(self, stint: Stint, leases: list[Lease]) -> None:
        jobs = []
        for lease in leases:
            stint.leases[lease.id] = lease
            job = stint.retry(lease)
            if lease.losses == 0:
                jobs.append(job)
            elif not self._settling.lost_too_often(job, lease):
                self._suspects.append(job)
        self._lanes.add(jobs)

    def _hand_out_a_suspect(self) -> None:
        if self._suspect is not None and not (self._suspect.ended or self._suspect.stint.over):
            return
        self._suspect = None
        while self._suspects and self._suspect is None:
            job = self._suspects.popleft()
            if not job.stint.over:
                self._suspect = job
                self._lanes.add([job])

    def begin(self, job: Job) -> None:
        """In a handler's thread, before it calls the handler."""
        if job.lease is None or not job.lease.losses:
            return
        try:
            self._connection.run_many([job.stint.retries.begin(job.lease)])
        except (RedisError, OSError) as error:
            log.debug("Nobody will know who was at work, should this process die now: %s", error)

    def _extend(self, stints: Collection[Stint], now: float) -> None:
        if now < self._next_extension:
            return
        held = [(stint, list(stint.leases.values())) for stint in stints if stint.leases]
        self._ask([(stint, stint.retries.extend(leases, LEASE_MS)) for stint, leases in held])
        self._next_extension = now + LEASE_MS / 3000

    def give_back(self, stints: Collection[Stint], jobs: Sequence[Job]) -> None:
        """These stints end with these jobs in hand, begun or not. Raises StreamlabErrors."""
        by_stint: dict[Stint, list[Lease]] = {}
        for job in (*jobs, *self._suspects):
            if job.lease is not None and job.stint in stints:
                by_stint.setdefault(job.stint, []).append(job.lease)
        self._ask([(stint, stint.retries.give_back(leases)) for stint, leases in by_stint.items()])

    def _ask(self, calls: list[tuple[Stint, Call]]) -> list[Any]:
        """Answers in their order, None for a stint that turned out to be over. Raises StreamlabErrors."""
        if not calls:
            return []
        try:
            replies = self._connection.run_many([call for _, call in calls])
        except (RedisError, OSError) as error:
            raise translate(error) from error
        for index, (stint, _) in enumerate(calls):
            reply = replies[index]
            if isinstance(reply, ResponseError) and str(reply).startswith("FENCED"):
                self._fenced(stint)
                replies[index] = None
            elif isinstance(reply, Exception):
                raise translate(reply)
        return replies

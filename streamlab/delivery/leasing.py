"""The worker's side of the retry queues: looks for what is due, hands it out, holds the leases of what is in hand."""

from __future__ import annotations

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

LEASE_MS = 60_000
"""Of a retry in hand; renewed at a third of it. A partition's new owner does not wait for its end."""
LOOK_AGAIN_S = 0.5
"""How often a queue is looked at in which nothing is due: a replay may have come from outside."""
IN_HAND = 100
"""Retries of a partition in hand at once, or four for each handler where that is more."""


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

    def soonest(self, stints: Collection[Stint]) -> float:
        """When to look again, in monotonic seconds."""
        waiting = (stint.look_at for stint in stints if len(stint.leases) < self._room)
        return min(waiting, default=float("inf"))

    def wanting_commits(self, stints: Collection[Stint]) -> list[Stint]:
        """Where something is due that keeps an order, which is not tried again before it is committed."""
        now = self._clock.monotonic()
        return [stint for stint in stints if stint.chains and stint.look_at <= now]

    def look(self, stints: Collection[Stint]) -> None:
        """Hand out what is due, as far as there is room. Raises StreamlabErrors."""
        now = self._clock.monotonic()
        asked = [
            (stint, self._room - len(stint.leases))
            for stint in stints
            if stint.look_at <= now and len(stint.leases) < self._room
        ]
        replies = self._ask([(stint, stint.retries.lease(most, LEASE_MS)) for stint, most in asked])
        for (stint, most), reply in zip(asked, replies, strict=True):
            if reply is None:
                continue
            found = PartitionRetries.leased(reply)
            soon_s = LOOK_AGAIN_S if found.next_due_ms is None else found.next_due_ms / 1000 + 0.001
            stint.look_at = now + (0 if len(found.leases) == most else min(soon_s, LOOK_AGAIN_S))
            stint.queued = found.records
            self._hand_out(stint, found.leases)
        self._extend(stints, now)

    def _hand_out(self, stint: Stint, leases: list[Lease]) -> None:
        jobs = []
        for lease in leases:
            stint.leases[lease.id] = lease
            job = stint.retry(lease)
            if not self._settling.lost_too_often(job, lease):
                jobs.append(job)
        self._lanes.add(jobs)

    def _extend(self, stints: Collection[Stint], now: float) -> None:
        if now < self._next_extension:
            return
        self._next_extension = now + LEASE_MS / 3000
        held = [(stint, list(stint.leases.values())) for stint in stints if stint.leases]
        self._ask([(stint, stint.retries.extend(leases, LEASE_MS)) for stint, leases in held])

    def give_back(self, jobs: Sequence[Job]) -> None:
        """They were handed out and not begun. Raises StreamlabErrors."""
        by_stint: dict[Stint, list[Lease]] = {}
        for job in jobs:
            if job.lease is not None:
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

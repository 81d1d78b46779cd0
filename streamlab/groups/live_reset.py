"""Moves what a running group has committed: pause → drain → reset → resume, as one operation.

    pause     members finish, commit, give everything up; the pause ends by itself unless its operator renews it
    drain     until nobody owns a partition
    plan      as for a stopped group, from the commits that the drain left
    note      the commits to be made go into the group's meta: from here on the reset is done, whoever does it
    commit    all partitions, under an owner epoch above all others
    resume    and an entry `offsets.reset` in the outbox; members start at the new positions

An operator that dies before the note has changed nothing, and the group reads on when its pause runs out. One that
dies after it is replaced by a member: the pause stays until that has made the same commits under the same owner epoch.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import msgspec

from ..clock import SYSTEM_CLOCK, Clock, Deadline
from ..connection import Connection
from ..errors import KafkaTimeoutError, StalePlanError, StreamlabError, reply_code
from ..log import PartitionLog
from ..model import TopicPartition
from . import describe, offsets, pausing, reset
from .reset import Operation, Plan, Target
from .words import group_keys

log = logging.getLogger(__name__)

LEASE_MS = 10_000
"""How long the group stays paused when the operator dies."""
DRAIN_TIMEOUT_S = 60.0
_OWNER = "admin"
_LOOK_S = 0.05

Outcome = dict[TopicPartition, StreamlabError | None]


def live_reset(
    connection: Connection,
    partition_log: PartitionLog,
    group_id: str,
    targets: Callable[[], Mapping[TopicPartition, Target]],
    *,
    by: str = "an operator",
    strategy: str | None = None,
    drain_timeout_s: float = DRAIN_TIMEOUT_S,
    lease_ms: int = LEASE_MS,
    before: Callable[[Plan], AbstractContextManager[Any]] = nullcontext,
    clock: Clock = SYSTEM_CLOCK,
) -> tuple[Plan, Outcome]:
    """Reset a group that may have running members. `targets` is asked when they have committed what they did.

    `before(plan)` is entered when the plan is made and nothing is changed yet; what it raises stops the reset.
    Returns the plan and, for each partition, None or why it is not known to be reset; where that is an error that is
    retriable, a member makes the commit when the pause has run out. An error that is raised means that nothing was
    changed: GroupPausedError, KafkaTimeoutError when members do not give up in time, StalePlanError,
    NoOffsetForPartitionError.
    """
    with _paused(connection, group_id, by, lease_ms) as token:
        _drain(connection, group_id, Deadline(drain_timeout_s * 1000, clock), drain_timeout_s)
        plan = reset.plan(connection, partition_log, group_id, targets())
        with before(plan):
            epoch = reset.take_over(connection, partition_log, plan, token)
            operation = reset.operation(plan, token, by, epoch, strategy)
            _note(connection, group_id, operation)
            outcome = _done(connection, group_id, operation)
    return plan, outcome


def _done(connection: Connection, group_id: str, operation: Operation) -> Outcome:
    """Make the commits that are noted. What cannot be made now is left to a member, so nothing is raised."""
    outcome = reset.commit_all(connection, group_id, operation.commits)
    if any(error is not None and error.retriable for error in outcome.values()):
        return outcome
    try:
        if not _finished(connection, group_id, operation):
            return _as_stored(connection, group_id, operation, outcome)
    except StreamlabError as error:
        log.warning("Group %r is reset, and reads on when its pause runs out: %s", group_id, error)
    return outcome


def finish(connection: Connection, group_id: str, noted: bytes) -> None:
    """Do what a dead operator has noted. Whoever else does it too does the same. Raises StreamlabErrors."""
    operation = msgspec.json.decode(noted, type=Operation)
    log.warning("The reset of group %r by %s is finished in its place.", group_id, operation.by)
    for partition, refused in offsets.commit(connection, group_id, operation.commits).items():
        if isinstance(refused, StreamlabError):
            log.warning("%s was not reset: %s", partition, refused)
    _finished(connection, group_id, operation)


@contextmanager
def _paused(connection: Connection, group_id: str, by: str, lease_ms: int) -> Iterator[str]:
    """A pause that is renewed as long as this process lives, and ended at the end."""
    token = pausing.pause(connection, group_id, by, "its offsets are being reset", lease_ms)
    over = threading.Event()

    def renew() -> None:
        while not over.wait(lease_ms / 3000):
            try:
                pausing.renew(connection, group_id, token, by, "its offsets are being reset", lease_ms)
            except StreamlabError as error:  # the scripts refuse what comes after the pause
                log.warning("The pause of group %r could not be renewed: %s", group_id, error)

    thread = threading.Thread(target=renew, name=f"pause-{group_id}", daemon=True)
    thread.start()
    try:
        yield token
    finally:
        over.set()
        thread.join(5)
        try:
            pausing.resume(connection, group_id, by, token=token)
        except StreamlabError as error:  # the pause runs out, and what is noted is done by a member
            log.warning("Group %r is still paused, for %d ms: %s", group_id, lease_ms, error)


def _drain(connection: Connection, group_id: str, deadline: Deadline, timeout_s: float) -> None:
    nap = threading.Event()
    while owners := describe.owners(connection, group_id):
        if deadline.expired:
            raise KafkaTimeoutError(
                f"Nothing was reset: after {timeout_s:g} s {', '.join(sorted(set(owners.values())))} had not given up "
                "all partitions. A member does so at its next poll()."
            )
        nap.wait(_LOOK_S)


def _note(connection: Connection, group_id: str, operation: Operation) -> None:
    try:
        connection.run(
            "groups/commit_to", group_keys(group_id), [operation.token, msgspec.json.encode(operation)]
        )
    except StreamlabError as error:
        if reply_code(error) == "NOT_PAUSED":
            raise StalePlanError("Nothing was reset: the pause ran out, and the group reads on.") from error
        raise


def _finished(connection: Connection, group_id: str, operation: Operation) -> bool:
    """Say what was done, and let the group read on. False when somebody has done so already."""
    told = msgspec.json.encode(operation)
    return pausing.resume(connection, group_id, operation.by, token=operation.token, did=told)


def _as_stored(connection: Connection, group_id: str, operation: Operation, outcome: Outcome) -> Outcome:
    """A member was faster: it made the commits, and members may have taken over from there."""
    log.warning("The reset of group %r was finished by one of its members.", group_id)
    stored = offsets.fetch(connection, group_id, operation.commits)
    return {
        p: None if p in stored and stored[p].owner_epoch >= operation.owner_epoch else error
        for p, error in outcome.items()
    }

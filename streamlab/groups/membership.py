"""One consumer's membership of its group, in the shape of KIP-848: no leader, no barrier, no broker process.

The group's state lives in Redis and changes only through scripts (`scripts/groups/`). Every change of members,
subscriptions or partition counts raises the group's **epoch**. Whichever member sees an epoch without a target
assignment computes one (`assignors.py`) and stores it; the first wins, and all would have computed the same.

    a member joins     epoch + 1 → target stored → owners release what is no longer theirs → others take it
    a member leaves    likewise; what it owned is free at once
    a member dies      likewise, once its lease has run out; any other member's heartbeat notices

A partition that stays where it is is never stopped. A partition that moves is first finished and committed by its
owner, then released, then taken. Taking gives a new **owner epoch**, which is written beside the partition's commits:
a commit with an older one is refused, so that a member which only believed itself to be dead can do no harm.
"""

from __future__ import annotations

import logging
import re
import socket
import threading
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import msgspec
from redis.exceptions import RedisError

from .. import keys
from ..clock import Clock
from ..connection import Connection
from ..errors import StreamlabError, UnknownMemberIdError, translated
from ..model import TopicPartition
from ..topics import Topics
from . import assignors

log = logging.getLogger(__name__)

_AFTER_LEASE_MS = 20


class GroupState(StrEnum):
    """How far a group is on its way to its target assignment."""

    EMPTY = "Empty"  # no members; commits may remain
    ASSIGNING = "Assigning"  # an epoch without a target yet
    RECONCILING = "Reconciling"  # the target stands, partitions are still being handed over
    STABLE = "Stable"  # every member owns exactly its target
    DEAD = "Dead"  # nothing is known of such a group


class Member(msgspec.Struct, frozen=True):
    """What a group knows of one member."""

    member_id: str
    client_id: str
    host: str
    instance_id: str | None
    topics: list[str]  # sorted; what a pattern matches now
    assignor: str
    session_timeout_ms: int


@dataclass(frozen=True)
class View:
    """What the group last said to this member."""

    seen: int  # rises with every answer
    epoch: int
    target: frozenset[TopicPartition]


def parse_partition(text: str) -> TopicPartition:
    """
    >>> parse_partition("orders/3")
    TopicPartition(topic='orders', partition=3)
    """
    topic, _, number = text.rpartition("/")
    return TopicPartition(topic, int(number))


def group_keys(group_id: str) -> list[str]:
    """KEYS of every group script."""
    return [
        keys.group_meta(group_id),
        keys.group_members(group_id),
        keys.group_leases(group_id),
        keys.group_target(group_id),
        keys.group_owners(group_id),
        keys.group_wake(group_id),
    ]


class Membership:
    """Joins, heartbeats in the background, leaves. The consumer's thread takes and releases partitions.

    `changed` is called, from the background thread too, whenever there may be something to take or to give up.
    """

    def __init__(
        self,
        connection: Connection,
        topics: Topics,
        config: dict[str, Any],
        wanted_topics: Callable[[], Iterable[str]],
        changed: Callable[[], None],
        clock: Clock,
    ):
        self.group_id: str = config["group_id"]
        self.member_id = ""
        self.lost: str | None = None  # why this member is no longer one
        self._connection = connection
        self._topics = topics
        self._config = config
        self._wanted_topics = wanted_topics
        self._changed = changed
        self._clock = clock
        self._keys = group_keys(self.group_id)
        self._lock = threading.RLock()  # one conversation with the group at a time
        self._view: View | None = None
        self._member: Member | None = None
        self._thread: threading.Thread | None = None
        self._stopped = threading.Event()
        self._first_lease_ms = -1  # when a lease of another member may run out; -1: no other member
        self.polled_at = clock.monotonic()

    @property
    def joined(self) -> bool:
        return self._member is not None

    @property
    def view(self) -> View | None:
        return self._view

    # -- the consumer's thread ------------------------------------------------------------------------------------

    def join(self) -> None:
        """Become a member under a new id, and learn the target if it can be had at once."""
        with self._lock:
            self.lost = None
            self.polled_at = self._clock.monotonic()
            self.member_id = f"{re.sub(r'[^A-Za-z0-9._-]', '_', self._config['client_id'])}-{uuid.uuid4()}"
            self._say_join()
            with translated():
                self._connection.client.sadd(keys.GROUPS, self.group_id)
            self.beat()
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(
                target=self._run, name=f"{self._config['client_id']}-heartbeat", daemon=True
            )
            self._thread.start()

    def take(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """Own what is free of these: partition → owner epoch. Raises UnknownMemberIdError."""
        wanted = sorted(partitions)
        epochs = self._run_script("take", [self.member_id, *map(str, wanted)])
        return {p: epoch for p, epoch in zip(wanted, epochs, strict=True) if epoch}

    def release(self, partitions: Iterable[TopicPartition]) -> None:
        self._run_script("release", [self.member_id, *map(str, sorted(partitions))])

    def leave(self, why: str = "left") -> None:
        """Stop being a member. What it owned is free at once. Raises a StreamlabError when nobody can be told."""
        with self._lock:
            member, self._member, self._view = self._member, None, None
            if member is not None:
                self._run_script("leave", [self.member_id, why])

    def end(self) -> None:
        """Let the background thread end at its next turn: leave() wakes it."""
        self._stopped.set()

    def join_thread(self) -> None:
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(2)

    # -- the conversation -----------------------------------------------------------------------------------------

    def _say_join(self) -> None:
        member = Member(
            self.member_id,
            self._config["client_id"],
            socket.gethostname(),
            None,
            sorted(self._wanted_topics()),
            self._config["partition_assignment_strategy"] or assignors.DEFAULT,
            self._config["session_timeout_ms"],
        )
        self._run_script("join", [self.member_id, member.session_timeout_ms, msgspec.json.encode(member)])
        self._member = member

    def beat(self) -> None:
        """Renew the lease, look at the target; compute it when nobody has. Raises StreamlabErrors."""
        with self._lock:
            if self._member is None:
                return
            if sorted(self._wanted_topics()) != self._member.topics:
                self._say_join()
            for _ in range(
                3
            ):  # an epoch may move on while its target is computed; the next beat goes on then
                reply = self._run_script("heartbeat", [self.member_id, self._member.session_timeout_ms])
                epoch, assigned, target, counts, first_lease_ms, members, owners = reply
                if epoch == assigned:
                    if self._counts(self._member.topics) == self._known_counts(counts):
                        break
                    self._run_script("refresh", [epoch, "partitions were added"])
                else:
                    self._assign(epoch, _pairs(members), _pairs(owners))
            self._first_lease_ms = first_lease_ms
            partitions = frozenset(map(parse_partition, msgspec.json.decode(target)))
            seen = self._view.seen + 1 if self._view else 1
            self._view = View(seen, int(epoch), partitions)
        self._changed()

    def _counts(self, topics: Iterable[str]) -> dict[str, int]:
        specs = self._topics.all()
        return {topic: specs[topic].partitions for topic in topics if topic in specs}

    def _known_counts(self, stored: bytes) -> dict[str, int]:
        counts = msgspec.json.decode(stored, type=dict[str, int])
        assert self._member is not None
        return {topic: counts[topic] for topic in self._member.topics if topic in counts}

    def _assign(self, epoch: bytes, members: dict[bytes, bytes], owners: dict[bytes, bytes]) -> None:
        """Compute and offer the target of an epoch."""
        known = [msgspec.json.decode(text, type=Member) for text in members.values()]
        self._topics.all(fresh=True)
        subscriptions = {m.member_id: frozenset(m.topics) for m in known}
        counts = self._counts({topic for m in known for topic in m.topics})
        subscriptions = {
            m: frozenset(t for t in topics if t in counts) for m, topics in subscriptions.items()
        }
        held = {parse_partition(p.decode()): owner.decode().split(" ")[0] for p, owner in owners.items()}
        name = min((m.assignor for m in known), default=assignors.DEFAULT)
        if name not in assignors.ASSIGNORS:  # of a later version: a member that knows it computes the target
            return
        assignment = assignors.ASSIGNORS[name](subscriptions, counts, held)
        pairs: list[Any] = []
        for member_id, partitions in assignment.items():
            pairs += [member_id, msgspec.json.encode([str(p) for p in partitions])]
        self._run_script("assign", [epoch, msgspec.json.encode(counts), name, *pairs])

    def _run_script(self, name: str, args: list[Any]) -> Any:
        try:
            return self._connection.run(f"groups/{name}", self._keys, args)
        except StreamlabError as error:
            if "UNKNOWN_MEMBER" in str(error):
                self._lose(f"its session of {self._config['session_timeout_ms']} ms ran out")
                raise UnknownMemberIdError(
                    f"{self.member_id} is not in group {self.group_id!r} any more."
                ) from error
            raise

    def _lose(self, why: str) -> None:
        with self._lock:
            if self._member is not None:
                log.warning(
                    "%s is out of group %r: %s. It joins again at the next poll().",
                    self.member_id,
                    self.group_id,
                    why,
                )
                self.lost, self._member, self._view = why, None, None
        self._changed()

    # -- the background thread ------------------------------------------------------------------------------------

    def _run(self) -> None:
        interval_s = self._config["heartbeat_interval_ms"] / 1000
        while not self._stopped.is_set():
            try:
                self._listen(interval_s)
            except (RedisError, OSError, StreamlabError) as error:
                if not self._stopped.wait(min(interval_s, 0.25)):
                    log.debug("The heartbeat of %s is interrupted: %s", self.member_id, error)
            except Exception:  # a mistake of ours must not end the heartbeat without a word
                log.exception("The heartbeat of %s failed in a way that was not foreseen.", self.member_id)
                self._stopped.wait(min(interval_s, 1.0))

    def _listen(self, interval_s: float) -> None:
        """Heartbeat at the interval, and at once when the group says that something changed."""
        pubsub = self._connection.client.pubsub(ignore_subscribe_messages=True)
        try:
            pubsub.subscribe(keys.group_wake(self.group_id))
            next_beat = 0.0
            while not self._stopped.is_set():
                left = min(next_beat - self._clock.monotonic(), 0.5)
                woken = pubsub.get_message(timeout=max(left, 0.001)) is not None
                while woken and pubsub.get_message(timeout=0) is not None:
                    pass
                self._check_poll_interval()
                if woken or self._clock.monotonic() >= next_beat:
                    try:
                        self.beat()
                    except UnknownMemberIdError:
                        pass  # noted in `lost`; the consumer's thread joins again
                    next_beat = self._clock.monotonic() + min(interval_s, self._until_a_lease_ends_s())
        finally:
            pubsub.close()

    def _until_a_lease_ends_s(self) -> float:
        """So that a dead member is noticed right after its session timeout, not a heartbeat later."""
        return float("inf") if self._first_lease_ms < 0 else (self._first_lease_ms + _AFTER_LEASE_MS) / 1000

    def _check_poll_interval(self) -> None:
        limit_ms = self._config["max_poll_interval_ms"]
        if self.joined and (self._clock.monotonic() - self.polled_at) * 1000 > limit_ms:
            why = f"poll() was not called for {limit_ms} ms (max_poll_interval_ms)"
            try:
                self.leave(why)
            finally:
                self.lost = why
                self._changed()
            log.warning("%s left group %r: %s.", self.member_id, self.group_id, why)


def _pairs(flat: list[bytes]) -> dict[bytes, bytes]:
    return dict(zip(flat[::2], flat[1::2], strict=True))

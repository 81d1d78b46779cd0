"""One consumer's membership of its group, in the shape of KIP-848: no leader, no barrier, no broker process.

The group's state lives in Redis and changes only through scripts (`scripts/groups/`). Every change of members,
subscriptions or partition counts raises the group's **epoch**. Whichever member sees an epoch without a target
assignment computes one (`assignors.py`) and stores it; the first wins, and all would have computed the same.

    a member joins     epoch + 1 → target stored → owners release what is no longer theirs → others take it
    a member leaves    likewise; what it owned is free at once
    a member dies      likewise, once its lease has run out; any other member's heartbeat notices

A partition that stays where it is is never stopped. A partition that moves is first finished and committed by its
owner, then released, then taken. Taking gives a new **owner epoch**, which is written beside the partition's commits:
a commit with an older one is refused, so that a member which was only believed to be dead can do no harm.

A static member (`group_instance_id`) does not leave: who comes under the same id within the session gets what it had,
without a new epoch; the one before is fenced. A paused group wants its members to own nothing.
"""

from __future__ import annotations

import logging
import re
import socket
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import msgspec
from redis.exceptions import RedisError

from .. import keys
from ..clock import Clock
from ..connection import Connection
from ..errors import FencedInstanceIdError, StreamlabError, UnknownMemberIdError, reply_code, translated
from ..model import TopicPartition
from ..topics import Topics
from . import assignors, live_reset, target
from .by_load import LoadWatch
from .words import GroupState, Member, group_keys, parse_owners, parse_partition

log = logging.getLogger(__name__)

PARTITIONS_A_CALL = 500
"""Bounds how long one call keeps the server busy: it takes some 20 ms to take so many, and less to release them."""
_AFTER_LEASE_MS = 20


class View(msgspec.Struct, frozen=True):
    """What the group last said to this member."""

    seen: int  # rises with every answer
    epoch: int
    target: frozenset[TopicPartition]  # what it should own; nothing while the group is paused
    paused: bool
    asked: str  # stamp of the last change of what this member owns, as far as it knew
    stamp: str  # likewise, as the group knows
    owned: frozenset[TopicPartition] | None  # by the group's view; None: as this member knows


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
        self.fenced: str | None = None  # who has this member's group_instance_id now: this one is over
        self.instance_id: str = config["group_instance_id"] or ""
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
        self._joining = False  # asked to be a member, and not answered
        self._thread: threading.Thread | None = None
        self._stopped = threading.Event()
        self._alarm_ms = -1  # when a lease of somebody else may run out; -1: there is none
        self._stamp = ""  # the group's last change of what this member owns, as far as it acted on it
        self._newest_epoch = 0  # an owner epoch that a partition has seen, and the group perhaps has lost
        self._watch = LoadWatch(connection, topics, self.group_id, clock)
        self._by_load = False  # the group's assignor goes by work
        self._next_beat = 0.0  # monotonic seconds
        self.beat_at = float("nan")  # monotonic seconds of the last heartbeat that was answered
        self.polled_at = clock.monotonic()

    @property
    def joined(self) -> bool:
        return self._member is not None

    @property
    def view(self) -> View | None:
        return self._view

    # -- the consumer's thread ------------------------------------------------------------------------------------

    def join(self) -> None:
        """Become a member under a new id, and learn the target if it can be had at once.

        Where the answer to an attempt was lost the next one is made under the same id: who may be a member already
        must not become a second one, which would be given partitions that nobody reads until its session is over.
        """
        with self._lock:
            self.lost, self._stamp = None, ""
            self.polled_at = self._clock.monotonic()
            if not self._joining:
                name = self.instance_id or re.sub(r"[^A-Za-z0-9._-]", "_", self._config["client_id"])
                self.member_id = f"{name}-{uuid.uuid4()}"
            self._joining = True
            self._note_group()
            self._say_join("new")
            self._note_group()  # again: somebody may have deleted the group of that name in between
            self._joining = False
            if self._thread is None or not self._thread.is_alive():
                name = f"{self._config['client_id']}-heartbeat"
                self._thread = threading.Thread(target=self._run, name=name, daemon=True)
                self._thread.start()
            self.beat()

    def take(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """Own what is free of these: partition → owner epoch. Raises UnknownMemberIdError, FencedInstanceIdError."""
        taken: dict[TopicPartition, int] = {}
        with self._lock:
            for wanted in _portions(sorted(partitions)):
                seen = [self.member_id, self.instance_id, self._stamp, self._newest_epoch]
                stamp, *epochs = self._run_script("take", [*seen, *map(str, wanted)])
                self._stamp = stamp.decode()
                taken |= {p: epoch for p, epoch in zip(wanted, epochs, strict=True) if epoch}
        return taken

    def release(self, partitions: Iterable[TopicPartition]) -> None:
        with self._lock:
            for named in _portions(sorted(partitions)):
                arguments = [self.member_id, self._stamp, *map(str, named)]
                self._stamp = self._run_script("release", arguments).decode()

    def owned_by(self, view: View) -> frozenset[TopicPartition] | None:
        """What this member owns by the group's view, where that may be another than its own: the group's keys were
        rolled back by a failover, or an answer was lost. None: there is no doubt. Act on it, then `accept` it."""
        return (
            view.owned if view.asked == self._stamp else None
        )  # else it took or released something meanwhile

    def accept(self, view: View) -> None:
        self._stamp = view.stamp

    def must_exceed(self, owner_epoch: int) -> bool:
        """A partition knows this owner epoch. True when the group, which gives them, may have forgotten it."""
        newer = owner_epoch > self._newest_epoch
        self._newest_epoch = max(self._newest_epoch, owner_epoch)
        return newer

    def leave(self, why: str = "left", word: str = "left") -> None:
        """Stop being a member. What it owned is free at once, unless it is static: that stays its own until its session
        runs out. Raises a StreamlabError when nobody can be told."""
        with self._lock:
            member, self._member, self._view = self._member, None, None
            if member is not None and not self.instance_id:
                self._run_script("leave", [self.member_id, why, word])

    def beat_soon(self) -> None:
        """Heartbeat within half a second: the session or the interval of this member is another now."""
        self._next_beat = 0.0

    def end(self) -> None:
        """Let the background thread end at its next turn: leave() wakes it."""
        self._stopped.set()

    def join_thread(self) -> None:
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(2)

    # -- the conversation -----------------------------------------------------------------------------------------

    def _note_group(self) -> None:
        with translated():
            self._connection.client.sadd(keys.GROUPS, self.group_id)

    def _say_join(self, how: str) -> None:
        """`how` is "new", or "again" for another subscription."""
        member = Member(
            self.member_id,
            self._config["client_id"],
            socket.gethostname(),
            self.instance_id or None,
            sorted(self._wanted_topics()),
            self._config["partition_assignment_strategy"] or assignors.DEFAULT,
            self._config["session_timeout_ms"],
        )
        about = [member.session_timeout_ms, msgspec.json.encode(member), self.instance_id, how]
        self._run_script("join", [self.member_id, *about])
        self._member = member

    def beat(self) -> None:
        """Renew the lease, look at the target; compute it when nobody has. Raises StreamlabErrors."""
        with self._lock:
            if self._member is None:
                return
            if self._announced_otherwise(self._member):
                self._say_join("again")
            for _ in range(3):  # an epoch may move on meanwhile; the next beat goes on then
                said = self._ask(self._member)
                self.beat_at = self._clock.monotonic()
                if not self._act_on(said, self._member):
                    break
            self._view = self._seen(said)
            self._alarm_ms = said.alarm_ms
            self._by_load = said.assignor.decode() in assignors.BY_LOAD
        self._changed()

    def _seen(self, said: _Answer) -> View:
        wanted = [] if said.paused else msgspec.json.decode(said.target)
        stamp = said.stamp.decode()
        owned = frozenset(parse_partition(p.decode()) for p in said.owned)
        return View(
            seen=self._view.seen + 1 if self._view else 1,
            epoch=int(said.epoch),
            target=frozenset(map(parse_partition, wanted)),
            paused=bool(said.paused),
            asked=self._stamp,
            stamp=stamp,
            owned=None if stamp == self._stamp else owned,
        )

    def _announced_otherwise(self, member: Member) -> bool:
        return (
            sorted(self._wanted_topics()) != member.topics
            or self._config["session_timeout_ms"] != member.session_timeout_ms
        )

    def _ask(self, member: Member) -> _Answer:
        seen = [self.member_id, member.session_timeout_ms, self.instance_id, self._stamp]
        return _Answer(*self._run_script("heartbeat", seen))

    def _act_on(self, said: _Answer, member: Member) -> bool:
        """Do what any member may do for the group. True when the group is to be asked again."""
        if said.abandoned_reset:
            live_reset.finish(self._connection, self.group_id, said.abandoned_reset)
            return True
        if said.epoch != said.assigned:
            self._assign(said)
            return True
        if self._counts_stand(said, member):
            return False
        self._topics.all(fresh=True)  # this member's copy may be older than what the target was made with
        if self._counts_stand(said, member):
            return False
        self._run_script("refresh", [said.epoch, "the partitions of its topics changed"])
        return True

    def _counts_stand(self, said: _Answer, member: Member) -> bool:
        """Whether the member's topics have the partitions that the target was made with."""
        made_with = msgspec.json.decode(said.counts, type=dict[str, int])
        theirs = {t: made_with[t] for t in member.topics if t in made_with}
        return target.known_counts(self._topics, member.topics) == theirs

    def _assign(self, said: _Answer) -> None:
        """Compute and offer the target of an epoch."""
        name = said.assignor.decode() or assignors.DEFAULT
        if name not in assignors.ASSIGNORS:  # of a later version: a member that knows it computes the target
            return
        members = [msgspec.json.decode(text, type=Member) for text in said.members[1::2]]
        owners = parse_owners(dict(zip(said.owners[::2], said.owners[1::2], strict=True)))
        made = target.compute(self._connection, self._topics, self.group_id, name, members, owners)
        self._run_script("assign", [said.epoch, msgspec.json.encode(made.counts), name, *made.arguments])

    def _run_script(self, name: str, args: list[Any]) -> Any:
        try:
            return self._connection.run(f"groups/{name}", self._keys, args)
        except StreamlabError as error:
            code = reply_code(error)
            if code == "UNKNOWN_MEMBER":
                self._lose(f"its session of {self._config['session_timeout_ms']} ms ran out")
                raise UnknownMemberIdError(
                    f"{self.member_id} is not in group {self.group_id!r} any more."
                ) from error
            if code == "FENCED_INSTANCE":
                self.fenced = (
                    f"group_instance_id {self.instance_id!r} of group {self.group_id!r} is another's now"
                )
                self._lose(self.fenced)
                raise FencedInstanceIdError(f"{self.fenced}. Close this consumer.") from error
            raise

    def _lose(self, why: str) -> None:
        with self._lock:
            if self._member is not None:
                then = "" if self.fenced else " It joins again at the next poll()."
                log.warning("%s is out of group %r: %s.%s", self.member_id, self.group_id, why, then)
                self.lost, self._member, self._view = why, None, None
        self._changed()

    # -- the background thread ------------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._stopped.is_set():
            interval_s = self._interval_s
            try:
                self._listen()
            except (RedisError, OSError, StreamlabError) as error:
                if not self._stopped.wait(min(interval_s, 0.25)):
                    log.debug("The heartbeat of %s is interrupted: %s", self.member_id, error)
            except Exception:  # a mistake of ours must not end the heartbeat without a word
                log.exception("The heartbeat of %s failed in a way that was not foreseen.", self.member_id)
                self._stopped.wait(min(interval_s, 1.0))

    @property
    def _interval_s(self) -> float:
        return float(self._config["heartbeat_interval_ms"]) / 1000

    def _listen(self) -> None:
        """Heartbeat at the interval, and at once when the group says that something changed."""
        pubsub = self._connection.client.pubsub(ignore_subscribe_messages=True)
        try:
            pubsub.subscribe(keys.group_wake(self.group_id))
            self._next_beat = 0.0
            while not self._stopped.is_set():
                left = min(self._next_beat - self._clock.monotonic(), 0.5)
                woken = pubsub.get_message(timeout=max(left, 0.001)) is not None
                while woken and pubsub.get_message(timeout=0) is not None:
                    pass
                self._check_poll_interval()
                if woken or self._clock.monotonic() >= self._next_beat:
                    try:
                        self.beat()
                        if self._by_load:
                            self._watch.look(self.member_id)
                    except (UnknownMemberIdError, FencedInstanceIdError):
                        pass  # noted in `lost` and `fenced`; the consumer's thread joins again, or raises
                    soon = min(self._interval_s, self._until_a_lease_ends_s())
                    self._next_beat = self._clock.monotonic() + soon
        finally:
            pubsub.close()

    def _until_a_lease_ends_s(self) -> float:
        """So that a dead member is noticed right after its session timeout, not a heartbeat later."""
        return float("inf") if self._alarm_ms < 0 else (self._alarm_ms + _AFTER_LEASE_MS) / 1000

    def _check_poll_interval(self) -> None:
        limit_ms = self._config["max_poll_interval_ms"]
        if self.joined and (self._clock.monotonic() - self.polled_at) * 1000 > limit_ms:
            why = f"poll() was not called for {limit_ms} ms (max_poll_interval_ms)"
            try:
                self.leave(why, "poll_interval")
            finally:
                self.lost = why
                self._changed()
            log.warning("%s left group %r: %s.", self.member_id, self.group_id, why)


def _portions(partitions: list[TopicPartition]) -> Iterator[list[TopicPartition]]:
    for at in range(0, len(partitions), PARTITIONS_A_CALL):
        yield partitions[at : at + PARTITIONS_A_CALL]


class _Answer(NamedTuple):
    """What heartbeat.lua returns."""

    epoch: bytes
    assigned: bytes  # epoch that the target was made for
    target: bytes  # JSON
    counts: bytes  # JSON; what the target was made with
    alarm_ms: int
    paused: int
    assignor: bytes
    members: list[bytes]
    owners: list[bytes]
    stamp: bytes
    owned: list[bytes]
    abandoned_reset: bytes


__all__ = ["GroupState", "Member", "Membership", "View", "group_keys", "parse_partition"]

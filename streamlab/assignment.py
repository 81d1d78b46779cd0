"""Which partitions are this consumer's now, and how they come and go while poll() runs.

With a group: a partition that is to go is committed (when `enable_auto_commit`), its listener hears, reading stops, and
only then is it released; one that is to come is taken as soon as its owner has released it. Without a group every
partition of the subscribed topics is this consumer's; by hand, exactly those that were asked for.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from .clock import Clock
from .connection import Connection
from .errors import (
    FencedInstanceIdError,
    FencedMemberEpochError,
    NonEmptyGroupError,
    NoOffsetForPartitionError,
    UnknownMemberIdError,
    UnknownTopicOrPartitionError,
)
from .fetcher import Fetcher
from .groups import offsets
from .groups.committer import NO_EPOCH, Committer, Places
from .groups.membership import Membership, View
from .log import PartitionLog
from .metrics.of_consumer import MemberStats
from .model import Commit, TopicPartition
from .subscription import Subscription
from .topics import Topics

log = logging.getLogger(__name__)


class Assignment:
    """Follows the group, or the topics, from the consumer's own thread."""

    def __init__(
        self,
        connection: Connection,
        topics: Topics,
        partition_log: PartitionLog,
        fetcher: Fetcher,
        config: dict[str, Any],
        read: Callable[[], Places],
        clock: Clock,
    ):
        """`read` tells how far each partition was read."""
        self._connection = connection
        self._topics = topics
        self._log = partition_log
        self._fetcher = fetcher
        self._config = config
        self._read = read
        self._clock = clock
        self.epochs: dict[TopicPartition, int] = {}  # owner epoch of each assigned partition
        self.subscription = Subscription(topics, config)
        self.committer = Committer(connection, config, self.epochs)
        self.membership: Membership | None = None
        self._unreleased: set[TopicPartition] = set()  # given up, and the group could not be told yet
        self._reconciled = -1  # the group's answer that was last acted on
        self._resubscribed = False  # and the group was not told yet
        self._next_auto_commit = 0.0
        self.stats = MemberStats()
        self._unsettled_since: float | None = None  # partitions are to come or to go

    @property
    def partitions(self) -> set[TopicPartition]:
        return set(self.epochs)

    @property
    def has_news(self) -> bool:
        """Whether the group has said something that was not acted on yet."""
        if self.membership is None:
            return False
        view = self.membership.view
        return view is None or view.seen != self._reconciled

    # -- how it changes -------------------------------------------------------------------------------------------

    def follow_subscription(self) -> None:
        """The subscription is new."""
        if self.membership is None and self._config["group_id"] is not None:
            self.membership = Membership(
                self._connection,
                self._topics,
                self._config,
                self.subscription.topics,
                self._fetcher.notify,
                self._clock,
            )
        self._reconciled = -1
        self._resubscribed = True

    def keep_up(self) -> None:
        """Once a poll(): membership, positions, auto commit. Raises StreamlabErrors; call it again after them."""
        now = self._clock.monotonic()
        if self.membership is not None:
            self.membership.polled_at = now
            self._follow_group(self.membership)
        elif not self.subscription.by_hand:
            self._follow_topics()
        self.start_reading()
        if self.committer.automatic and now >= self._next_auto_commit:
            self._next_auto_commit = now + self._config["auto_commit_interval_ms"] / 1000
            self.auto_commit(self.partitions)

    def reconfigure(self, changed: set[str]) -> None:
        """Settings have other values. Called in another thread."""
        if "auto_commit_interval_ms" in changed:
            soon = self._clock.monotonic() + self._config["auto_commit_interval_ms"] / 1000
            self._next_auto_commit = min(self._next_auto_commit, soon)
        membership = self.membership
        if membership is not None and changed & {"session_timeout_ms", "heartbeat_interval_ms"}:
            membership.beat_soon()

    def replace_by_hand(self, wanted: set[TopicPartition]) -> None:
        """Exactly these from now on."""
        gone = self.partitions - wanted
        self.auto_commit(gone)
        self._forget(gone)
        self.epochs.update(dict.fromkeys(sorted(wanted - self.partitions), NO_EPOCH))
        self.start_reading()

    def give_up(self, commit: bool) -> None:
        """All of them, and the membership. The group hears of it even when the commit fails."""
        owned, membership = self.partitions, self.membership
        try:
            if commit:
                self.auto_commit(owned)
                owned = self.partitions  # without what turned out to be lost
            if owned and membership is not None and membership.joined:
                self.subscription.listener.on_partitions_revoked(owned)
        finally:
            self._forget(owned)
            self.membership = None
            if membership is not None:
                membership.end()
                membership.leave()
                membership.join_thread()

    def lose(self, lost: set[TopicPartition]) -> None:
        """They are another's already."""
        if lost:
            self._forget(lost)
            self.subscription.listener.on_partitions_lost(lost)
            self._reconciled = -1

    # -- committing -----------------------------------------------------------------------------------------------

    def commit(self, places: Places) -> set[TopicPartition]:
        """Returns the partitions that have another owner now; they are given up. Raises FencedInstanceIdError."""
        member_id = None
        if self.membership is not None:
            self._check_fence(self.membership)
            if not self.membership.joined:
                failed = set(places)
                self.lose(failed)
                return failed
            member_id = self.membership.member_id
        started = self._clock.monotonic()
        failed = self.committer.commit(places, member_id)
        if places:
            self.stats.commits += 1
            self.stats.commit_ms.add((self._clock.monotonic() - started) * 1000)
        if self.membership is not None:
            self.lose(failed)
        return failed

    def auto_commit(self, partitions: set[TopicPartition]) -> None:
        """Commit what was read of these and is not committed yet; one that is another's by now is given up."""
        fenced = self.membership is not None and self.membership.fenced
        if not self.committer.automatic or not partitions or fenced:
            return
        news = self.committer.news({p: at for p, at in self._read().items() if p in partitions})
        try:
            failed = self.commit(news)
        except NonEmptyGroupError as error:  # of an assignment by hand: reading goes on
            log.warning("%s cannot commit: %s", self._config["client_id"], error)
            return
        if failed:
            log.warning(
                "%s no longer owns %s; its new owner reads on.", self._config["client_id"], sorted(failed)
            )

    # -- following ------------------------------------------------------------------------------------------------

    def _follow_group(self, membership: Membership) -> None:
        self._check_fence(membership)
        if not membership.joined:
            self._unsettled_since = self._clock.monotonic()
            self.lose(self.partitions)
            self._unreleased.clear()
            self.subscription.make_topics()
            membership.join()
        elif self._resubscribed:
            self.subscription.make_topics()
            membership.beat()
        self._resubscribed = False
        view = membership.view
        if view is None or view.seen == self._reconciled:
            return
        if self._unsettled_since is None and self.partitions != view.target:
            self._unsettled_since = self._clock.monotonic()
        try:
            gone = self.partitions - view.target
            if gone or self._unreleased:
                self._revoke(membership, gone)
            self._believe(membership, view)
            fresh = view.target - self.partitions
            if fresh:
                self._take(membership, fresh)
            self._reconciled = view.seen
            self._count_rebalance(view)
        except UnknownMemberIdError:
            self.lose(self.partitions)

    def _check_fence(self, membership: Membership) -> None:
        """Raises FencedInstanceIdError."""
        if membership.fenced:
            self.lose(self.partitions)
            raise FencedInstanceIdError(f"{membership.fenced}. Close this consumer.")

    def _count_rebalance(self, view: View) -> None:
        """Everything that shall be this member's is."""
        if self._unsettled_since is not None and self.partitions == view.target:
            now = self._clock.monotonic()
            self.stats.rebalances += 1
            self.stats.rebalance_ms.add((now - self._unsettled_since) * 1000)
            self.stats.last_rebalance = now
            self._unsettled_since = None

    def _believe(self, membership: Membership, view: View) -> None:
        """Where the group sees another ownership than this member does, the group is right: what it gave to others is
        committed and given up, what it still counts as this member's is released unless it shall be."""
        owned = membership.owned_by(view)
        if owned is None:
            return
        mistaken = self.partitions - owned
        if mistaken:
            log.warning("%s does not own %s any more.", self._config["client_id"], sorted(mistaken))
            self._revoke(membership, mistaken)
        forgotten = owned - self.partitions - view.target
        if forgotten:
            membership.release(forgotten)
        membership.accept(view)

    def _revoke(self, membership: Membership, gone: set[TopicPartition]) -> None:
        """Finish, commit, tell, and only then let somebody else have them."""
        if gone:
            self.auto_commit(gone)
            self._unreleased |= gone - self.partitions  # lost by then, which the listener has heard
            gone &= self.partitions
        if gone:
            self.subscription.listener.on_partitions_revoked(gone)
            self._forget(gone)
            self._unreleased |= gone
        membership.release(self._unreleased)
        self._unreleased.clear()

    def _take(self, membership: Membership, fresh: Iterable[TopicPartition]) -> None:
        epochs = membership.take(fresh)
        if not epochs:
            return
        claimed = offsets.claim(self._connection, membership.group_id, membership.member_id, epochs)
        ahead = {p: r.owner_epoch for p, r in claimed.items() if isinstance(r, FencedMemberEpochError)}
        if ahead and membership.must_exceed(max(ahead.values())):  # the group forgot which epochs it gave
            again = membership.take(ahead)
            epochs |= again
            claimed |= offsets.claim(self._connection, membership.group_id, membership.member_id, again)
        gone = [p for p, refusal in claimed.items() if isinstance(refusal, UnknownTopicOrPartitionError)]
        if gone:  # or not made yet, after a crash
            specs = self._topics.all(fresh=True)
            self._topics.make_partitions(
                p for p in gone if p.topic in specs and p.partition < specs[p.topic].partitions
            )
        commits = {p: c for p, c in claimed.items() if isinstance(c, Commit)}
        self.epochs.update({p: epochs[p] for p in commits})
        if commits:
            self.subscription.listener.on_partitions_assigned(set(commits))  # which may seek()
        self._begin_at({p: commit for p, commit in commits.items() if p not in self._fetcher.lanes})

    def _follow_topics(self) -> None:
        self.subscription.make_topics()
        wanted = self.subscription.partitions()
        self._forget(self.partitions - wanted)
        self.epochs.update(dict.fromkeys(wanted - self.partitions, NO_EPOCH))

    def start_reading(self) -> None:
        """Find the position of assigned partitions that have none yet."""
        waiting = [p for p in self.epochs if p not in self._fetcher.lanes]
        if waiting:
            commits = self.committer.fetch(waiting)
            self._begin_at({p: commits.get(p) for p in waiting})

    def _begin_at(self, commits: Mapping[TopicPartition, Commit | None]) -> None:
        """Start at the commit, or where `auto_offset_reset` says. Raises NoOffsetForPartitionError."""
        specs = self._topics.all()
        if any(p.topic not in specs for p in commits):
            specs = self._topics.all(fresh=True)
        there = {
            p: c for p, c in commits.items() if p.topic in specs and p.partition < specs[p.topic].partitions
        }
        edges = self._log.offsets(there)
        policy = self._config["auto_offset_reset"]
        for partition, commit in there.items():
            edge = edges[partition]
            if commit is not None and commit.offset != offsets.NOT_COMMITTED:
                self.committer.known[partition] = commit.offset
                # below the log start auto_offset_reset decides; beyond the log end, the entry tells where the log
                # went on after it had lost its end
                self._fetcher.assign(
                    partition, commit.offset, commit.entry if commit.offset >= edge.log_start else None
                )
            elif policy == "none":
                raise NoOffsetForPartitionError(
                    f"{partition}: nothing is committed, and auto_offset_reset is 'none'. seek() first."
                )
            else:
                self._fetcher.assign(
                    partition, edge.log_start if policy == "earliest" else edge.log_end, None
                )
        if there:
            self._fetcher.read_on()

    def _forget(self, partitions: set[TopicPartition]) -> None:
        self._fetcher.drop(partitions)
        self.committer.forget(partitions)
        for partition in partitions:
            self.epochs.pop(partition, None)

"""The consumer: poll() returns records of the partitions that are this consumer's.

    consumer = broker.consumer("orders", group_id="revenue", auto_offset_reset="earliest")
    for record in consumer:
        ...

With a group, partitions come and go while poll() runs: what goes is committed first (when `enable_auto_commit`), then
given up. What poll() returned counts as read at the next poll(): a consumer that is killed reads again what it had not
committed. Not safe to share between threads; reading and heartbeats happen in threads of their own.
"""

from __future__ import annotations

import itertools
import logging
import os
import re
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from typing import Any, NamedTuple

from .clock import SYSTEM_CLOCK, Clock, Deadline
from .config import CONSUMER, resolved
from .connection import Connection
from .errors import (
    CommitFailedError,
    FencedMemberEpochError,
    IllegalArgumentError,
    IllegalStateError,
    InvalidGroupIdError,
    KafkaConfigurationError,
    NoOffsetForPartitionError,
    NonEmptyGroupError,
    StreamlabError,
    UnknownMemberIdError,
    UnknownTopicOrPartitionError,
)
from .fetcher import Fetcher, Undecodable
from .groups import assignors, offsets
from .groups.membership import Membership, group_keys
from .groups.offsets import NewCommit
from .log import PartitionLog
from .model import Commit, ConsumerRecord, EntryId, OffsetAndMetadata, OffsetAndTimestamp, TopicPartition
from .topics import Topics, is_internal

log = logging.getLogger(__name__)

_numbers = itertools.count(1)


class ConsumerRebalanceListener:
    """Override what you need; called from poll(), in its thread."""

    def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        """These are about to be given up; their positions are committed already when `enable_auto_commit`."""

    def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        """These are this consumer's from now on."""

    def on_partitions_lost(self, lost: set[TopicPartition]) -> None:
        """These were another's before anything could be committed."""
        self.on_partitions_revoked(lost)


class ConsumerGroupMetadata(NamedTuple):
    group_id: str | None
    generation_id: int  # the group's epoch; -1: not a member
    member_id: str
    group_instance_id: str | None


class Consumer:
    """kafka-python's KafkaConsumer."""

    def __init__(self, connection: Connection, *topics: str, clock: Clock = SYSTEM_CLOCK, **configs: Any):
        """Raises KafkaConfigurationError for a setting that is unknown or out of its range."""
        self.config = resolved(configs, CONSUMER)
        self.config["client_id"] = self.config["client_id"] or f"consumer-{os.getpid()}-{next(_numbers)}"
        self.config["partition_assignment_strategy"] = _assignor_name(self.config["partition_assignment_strategy"])
        if self.config["group_id"] is not None and not _legal_group(self.config["group_id"]):
            raise InvalidGroupIdError(f"{self.config['group_id']!r} is not a group name: 1 to 255 printable characters.")
        self._connection = connection
        self._clock = clock
        self._topics = Topics(connection, self.config["metadata_max_age_ms"])
        self._log = PartitionLog(connection, self._topics)
        self._fetcher = Fetcher(connection, self._log, self.config, clock)
        self._subscribed: tuple[str, ...] = ()
        self._pattern: re.Pattern[str] | None = None
        self._manual = False
        self._listener = ConsumerRebalanceListener()
        self._epochs: dict[TopicPartition, int] = {}  # owner epoch of each owned partition; -1: none asked yet
        self._committed: dict[TopicPartition, int] = {}  # what this consumer knows to be committed
        self._iterated: dict[TopicPartition, list[ConsumerRecord]] = {}  # polled by iteration, not yielded yet
        self._iterator: Iterator[ConsumerRecord] | None = None
        self._membership: Membership | None = None
        self._reconciled = -1  # the answer of the group that was last acted on
        self._next_auto_commit = 0.0
        self._closed = False
        if topics:
            self.subscribe(list(topics))

    # -- what to read ---------------------------------------------------------------------------------------------

    def subscribe(
        self,
        topics: Iterable[str] = (),
        pattern: str | None = None,
        listener: ConsumerRebalanceListener | None = None,
    ) -> None:
        """Read these topics, or all that match the regular expression, shared with the other members of the group."""
        self._check_open()
        if isinstance(topics, str):
            raise TypeError("topics must be a list of names, not one name.")
        if bool(topics) == bool(pattern):
            raise IllegalStateError("Give either topics or a pattern.")
        if self._manual:
            raise IllegalStateError("This consumer has a manual assignment; unsubscribe() first.")
        self._subscribed = tuple(dict.fromkeys(topics))
        self._pattern = re.compile(pattern) if pattern else None
        self._listener = listener or ConsumerRebalanceListener()
        if self._membership is None and self.config["group_id"] is not None:
            self._membership = Membership(
                self._connection, self._topics, self.config, self._wanted_topics, self._something_changed, self._clock
            )
        self._reconciled = -1

    def assign(self, partitions: Iterable[TopicPartition]) -> None:
        """Read exactly these, sharing with nobody. Replaces an earlier assign()."""
        self._check_open()
        if self._subscribed or self._pattern:
            raise IllegalStateError("This consumer is subscribed; unsubscribe() first.")
        wanted = {TopicPartition(*p) for p in partitions}
        self._manual = True
        gone = set(self._epochs) - wanted
        if gone:
            self._auto_commit(gone)
            self._forget(gone)
        for partition in sorted(wanted - set(self._epochs)):
            self._require(partition)
            self._epochs[partition] = -1
        self._start_reading()

    def unsubscribe(self) -> None:
        """Stop reading, commit when `enable_auto_commit`, leave the group."""
        self._give_up_all(commit=self.config["enable_auto_commit"])
        self._subscribed, self._pattern, self._manual = (), None, False

    def subscription(self) -> set[str]:
        return set(self._wanted_topics()) if self._subscribed or self._pattern else set()

    def assignment(self) -> set[TopicPartition]:
        return set(self._epochs)

    def pause(self, *partitions: TopicPartition) -> None:
        """poll() returns nothing of these until resume()."""
        self._set_paused(partitions, True)

    def resume(self, *partitions: TopicPartition) -> None:
        self._set_paused(partitions, False)
        self._read_on()

    def paused(self) -> set[TopicPartition]:
        return {p for p, lane in self._fetcher.lanes.items() if lane.paused}

    # -- reading --------------------------------------------------------------------------------------------------

    def poll(
        self, timeout_ms: float = 0, max_records: int | None = None, update_offsets: bool = True
    ) -> dict[TopicPartition, list[ConsumerRecord]]:
        """Up to `max_records` (default `max_poll_records`) records, waiting up to `timeout_ms` for the first.

        Raises CorruptRecordError or OffsetOutOfRangeError of one partition, once; the others go on at the next poll().
        While the server is away it returns nothing and keeps trying.
        """
        self._check_open()
        if timeout_ms < 0:
            raise IllegalArgumentError("timeout_ms cannot be negative.")
        most = self.config["max_poll_records"] if max_records is None else max_records
        if most < 1:
            raise IllegalArgumentError("max_records must be 1 or more.")
        if not (self._subscribed or self._pattern or self._manual):
            raise IllegalStateError("Nothing to read: subscribe() or assign() first.")
        deadline = Deadline(timeout_ms, self._clock)
        deserialize = self._deserialize if self._has_deserializer else None
        fetcher = self._fetcher
        while True:
            self._keep_up()
            records = fetcher.take(most, deserialize)
            if records or deadline.expired:
                return records
            with fetcher.changed:
                if not self._has_news():
                    fetcher.changed.wait(min(deadline.remaining_s or 0, 1.0))

    def __iter__(self) -> Iterator[ConsumerRecord]:
        return self

    def __next__(self) -> ConsumerRecord:
        """The next record; waits up to `consumer_timeout_ms`, for ever by default."""
        while True:
            if self._iterator is not None:
                record = next(self._iterator, None)
                if record is not None:
                    return record
                self._iterator = None
            deadline = Deadline(_finite(self.config["consumer_timeout_ms"]), self._clock)
            while not (polled := self.poll(min(1000.0, _or_inf(deadline.remaining_ms)))):
                if deadline.expired:
                    raise StopIteration
            self._iterator = self._one_by_one(polled)

    def _one_by_one(self, polled: dict[TopicPartition, list[ConsumerRecord]]) -> Iterator[ConsumerRecord]:
        """Yield polled records; those not yielded yet do not count as read when something is committed."""
        self._iterated = polled
        for partition in list(polled):
            records = polled[partition]
            records.reverse()
            while records and self._iterated is polled:
                yield records.pop()
        self._iterated = {}

    def close(self, autocommit: bool = True, timeout_ms: float | None = None) -> None:
        """Commit what was read (when `enable_auto_commit` and `autocommit`), leave the group, stop the threads."""
        if self._closed:
            return
        if self._membership is not None:
            self._membership.end()
        try:
            self._give_up_all(commit=autocommit and self.config["enable_auto_commit"])
        except StreamlabError as error:
            log.warning("%s could not take leave: %s", self.config["client_id"], error)
        self._closed = True
        if self._membership is not None:
            self._membership.join_thread()
        self._fetcher.stop()
        if self._fetcher.is_alive():
            self._fetcher.join((timeout_ms or 5_000) / 1000)

    def __enter__(self) -> Consumer:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    # -- positions ------------------------------------------------------------------------------------------------

    def position(self, partition: TopicPartition, timeout_ms: float | None = None) -> int | None:
        """Offset of the next record that poll() will return; None when it is not known yet."""
        lane = self._fetcher.lanes.get(self._assigned(partition))
        return None if lane is None else self._read_to(partition)[0]

    def seek(self, partition: TopicPartition, offset: int) -> None:
        """Read on from there. An offset outside the log is dealt with by `auto_offset_reset` when it is met."""
        if not isinstance(offset, int) or offset < 0:
            raise IllegalArgumentError(f"An offset is a whole number from 0, not {offset!r}.")
        partition = self._assigned(partition)
        self._drop_iterated({partition})
        if partition in self._fetcher.lanes:
            self._fetcher.seek(partition, offset)
        else:
            self._fetcher.assign(partition, offset, None)
        self._read_on()

    def seek_to_beginning(self, *partitions: TopicPartition) -> None:
        """Of all assigned partitions when none are given."""
        wanted = partitions or tuple(self._epochs)
        for partition, offset in self.beginning_offsets(wanted).items():
            self.seek(partition, offset)

    def seek_to_end(self, *partitions: TopicPartition) -> None:
        wanted = partitions or tuple(self._epochs)
        for partition, offset in self.end_offsets(wanted).items():
            self.seek(partition, offset)

    def beginning_offsets(self, partitions: Iterable[TopicPartition], timeout_ms: float | None = None) -> dict[TopicPartition, int]:
        return {p: o.log_start for p, o in self._log.offsets(partitions).items()}

    def end_offsets(self, partitions: Iterable[TopicPartition], timeout_ms: float | None = None) -> dict[TopicPartition, int]:
        return {p: o.log_end for p, o in self._log.offsets(partitions).items()}

    def offsets_for_times(
        self, timestamps: dict[TopicPartition, int], timeout_ms: float | None = None
    ) -> dict[TopicPartition, OffsetAndTimestamp | None]:
        """The first record appended at or after each moment (ms); None when there is none."""
        return self._log.at_time({TopicPartition(*p): ms for p, ms in timestamps.items()})

    def highwater(self, partition: TopicPartition) -> int | None:
        """The log end as of the last fetch; None when nothing was fetched."""
        lane = self._fetcher.lanes.get(self._assigned(partition))
        return lane.log_end if lane else None

    def topics(self) -> set[str]:
        return set(self._topics.all(fresh=True))

    def partitions_for_topic(self, topic: str) -> set[int] | None:
        spec = self._topics.get(topic)
        return set(range(spec.partitions)) if spec else None

    # -- committing -----------------------------------------------------------------------------------------------

    def commit(self, offsets: dict[TopicPartition, OffsetAndMetadata | int] | None = None, timeout_ms: float | None = None) -> None:
        """Commit these positions, or everything that was read. Returns when it is stored.

        Raises CommitFailedError when a partition is no longer this consumer's: its new owner reads those records again.
        """
        failed = self._commit(self._new_commits(offsets))
        if failed:
            raise CommitFailedError(
                f"{', '.join(map(str, sorted(failed)))}: no longer this consumer's. The records since the last commit "
                "will be read again by the new owner."
            )

    def commit_async(
        self,
        offsets: dict[TopicPartition, OffsetAndMetadata | int] | None = None,
        callback: Callable[[dict, Exception | None], Any] | None = None,
    ) -> Future:
        """As commit(), but what went wrong goes to the future and `callback(offsets, error or None)`.

        Made at once: a commit is one short round trip, and so commits never overtake each other.
        """
        future: Future = Future()
        error: Exception | None = None
        try:
            self.commit(offsets)
            future.set_result(offsets)
        except StreamlabError as e:
            error = e
            future.set_exception(e)
        if callback is not None:
            callback(offsets or {}, error)
        return future

    def committed(self, partition: TopicPartition, metadata: bool = False, timeout_ms: float | None = None) -> Any:
        """The group's committed offset (or OffsetAndMetadata); None when there is none."""
        found = offsets.fetch(self._connection, self._group_id, [TopicPartition(*partition)]).get(TopicPartition(*partition))
        if found is None:
            return None
        return OffsetAndMetadata(found.offset, found.metadata) if metadata else found.offset

    def group_metadata(self) -> ConsumerGroupMetadata:
        view = self._membership.view if self._membership else None
        member = self._membership.member_id if self._membership and self._membership.joined else ""
        return ConsumerGroupMetadata(self.config["group_id"], view.epoch if view else -1, member, None)

    def metrics(self, raw: bool = False) -> dict[str, dict[str, float]]:
        """Figures under Kafka's names, since the consumer was made."""
        fetcher = self._fetcher
        with fetcher.changed:
            lags = [lane.log_end - lane.position for lane in fetcher.lanes.values() if lane.log_end is not None]
            fetches = fetcher.fetches or float("nan")
            return {
                "consumer-fetch-manager-metrics": {
                    "fetch-total": float(fetcher.fetches),
                    "fetch-latency-avg": fetcher.fetch_ms / fetches,
                    "fetch-size-avg": fetcher.fetched_bytes / fetches,
                    "bytes-consumed-total": float(fetcher.fetched_bytes),
                    "records-consumed-total": float(fetcher.fetched_records),
                    "records-lag-max": float(max(lags)) if lags else float("nan"),
                    "records-lost-total": float(sum(lane.lost for lane in fetcher.lanes.values())),
                }
            }

    # -- keeping up with the group --------------------------------------------------------------------------------

    def _keep_up(self) -> None:
        """What poll() does before it returns records: membership, positions, auto commit. Never raises for a server
        that is away; reading goes on by itself when it is back."""
        now = self._clock.monotonic()
        try:
            if self._membership is not None:
                self._membership.polled_at = now
                self._follow_group(self._membership)
            elif not self._manual:
                self._follow_topics()
            if any(p not in self._fetcher.lanes for p in self._epochs):
                self._start_reading()
            if self.config["enable_auto_commit"] and now >= self._next_auto_commit and self._commits:
                self._next_auto_commit = now + self.config["auto_commit_interval_ms"] / 1000
                self._auto_commit(set(self._epochs))
        except StreamlabError as error:
            if not error.retriable:
                raise
            log.debug("%s keeps trying: %s", self.config["client_id"], error)
            with self._fetcher.changed:
                self._fetcher.changed.wait(0.05)

    def _follow_group(self, membership: Membership) -> None:
        if not membership.joined:
            self._lose_all()
            self._make_topics()
            membership.join()
        view = membership.view
        if view is None or view.seen == self._reconciled:
            return
        owned = set(self._epochs)
        try:
            gone = owned - view.target
            if gone:
                self._revoke(membership, gone)
            fresh = view.target - owned
            if fresh:
                self._take(membership, fresh)
            self._reconciled = view.seen
        except UnknownMemberIdError:
            self._lose_all()

    def _revoke(self, membership: Membership, gone: set[TopicPartition]) -> None:
        """Finish, commit, tell, and only then let somebody else have them."""
        if self.config["enable_auto_commit"]:
            self._auto_commit(gone)
        self._listener.on_partitions_revoked(gone)
        self._forget(gone)
        membership.release(gone)

    def _take(self, membership: Membership, fresh: set[TopicPartition]) -> None:
        epochs = membership.take(fresh)
        if not epochs:
            return
        claimed = offsets.claim(self._connection, self._group_id, membership.member_id, epochs)
        commits = {p: c for p, c in claimed.items() if isinstance(c, Commit)}
        self._epochs |= {p: epochs[p] for p in commits}
        self._begin_at(commits)
        if commits:
            self._listener.on_partitions_assigned(set(commits))

    def _follow_topics(self) -> None:
        """Without a group every partition of the subscribed topics is this consumer's."""
        self._make_topics()
        specs = self._topics.all()
        wanted = {TopicPartition(t, n) for t in self._wanted_topics() if t in specs for n in range(specs[t].partitions)}
        gone, fresh = set(self._epochs) - wanted, wanted - set(self._epochs)
        if gone:
            self._forget(gone)
        self._epochs |= dict.fromkeys(fresh, -1)

    def _lose_all(self) -> None:
        lost = set(self._epochs)
        if lost:
            self._forget(lost)
            self._listener.on_partitions_lost(lost)
        self._reconciled = -1

    def _start_reading(self) -> None:
        """Find the position of partitions that have an owner but none yet."""
        waiting = [p for p in self._epochs if p not in self._fetcher.lanes]
        commits = offsets.fetch(self._connection, self._group_id, waiting) if self.config["group_id"] and waiting else {}
        self._begin_at({p: commits.get(p) for p in waiting})

    def _begin_at(self, commits: dict[TopicPartition, Any]) -> None:
        """Start at the commit, or where `auto_offset_reset` says."""
        edges = self._log.offsets(commits)
        policy = self.config["auto_offset_reset"]
        for partition, commit in commits.items():
            edge = edges[partition]
            if commit is not None and commit.offset != offsets.NOT_COMMITTED:
                self._committed[partition] = commit.offset
                inside = edge.log_start <= commit.offset <= edge.log_end
                self._fetcher.assign(partition, commit.offset, commit.entry if inside else None)
            elif policy == "none":
                raise NoOffsetForPartitionError(
                    f"{partition}: nothing is committed, and auto_offset_reset is 'none'. seek() first."
                )
            else:
                self._fetcher.assign(partition, edge.log_start if policy == "earliest" else edge.log_end, None)
        if commits:
            self._read_on()

    def _read_on(self) -> None:
        if not self._fetcher.is_alive():
            self._fetcher.start()
        else:
            self._fetcher.wake()

    def _give_up_all(self, commit: bool) -> None:
        owned = set(self._epochs)
        membership = self._membership
        try:
            if owned and commit and self._commits:
                self._auto_commit(owned)
            if owned and membership is not None and membership.joined:
                self._listener.on_partitions_revoked(owned)
        finally:
            self._forget(owned)
            if membership is not None:
                membership.leave()

    def _forget(self, partitions: set[TopicPartition]) -> None:
        self._fetcher.drop(partitions)
        self._drop_iterated(partitions)
        for partition in partitions:
            self._epochs.pop(partition, None)
            self._committed.pop(partition, None)

    def _drop_iterated(self, partitions: set[TopicPartition]) -> None:
        for partition in partitions & set(self._iterated):
            self._iterated[partition].clear()

    # -- commits --------------------------------------------------------------------------------------------------

    @property
    def _commits(self) -> bool:
        return self.config["group_id"] is not None

    @property
    def _group_id(self) -> str:
        if self.config["group_id"] is None:
            raise InvalidGroupIdError("This consumer has no group_id, so it has no commits.")
        return self.config["group_id"]

    def _read_to(self, partition: TopicPartition) -> tuple[int, EntryId | None]:
        """What was read: the next offset, and the entry that holds the one before it where that is known."""
        lane = self._fetcher.lanes[partition]
        unread = self._iterated.get(partition)
        if unread:
            return unread[-1].offset, None  # reversed: the next to be yielded stands last
        return lane.position, lane.entry

    def _new_commits(self, given: dict[TopicPartition, Any] | None) -> dict[TopicPartition, tuple[int, EntryId | None, str]]:
        self._group_id  # noqa: B018 - raises without a group
        if given is None:
            read = {p: self._read_to(p) for p in self._epochs if p in self._fetcher.lanes}
            return {p: (offset, entry, "") for p, (offset, entry) in read.items()}
        wanted = {}
        for partition, position in given.items():
            partition = self._assigned(TopicPartition(*partition))
            offset, metadata = (position, "") if isinstance(position, int) else (position.offset, position.metadata or "")
            if offset < 0:
                raise IllegalArgumentError(f"An offset is a whole number from 0, not {offset}.")
            lane = self._fetcher.lanes.get(partition)
            entry = lane.entry if lane is not None and lane.position == offset else None
            wanted[partition] = (offset, entry, metadata)
        return wanted

    def _auto_commit(self, partitions: set[TopicPartition]) -> None:
        """Commit what was read and is not committed yet. A partition that is another's by now is given up, not an error."""
        if not (self._commits and self.config["enable_auto_commit"]):
            return
        changed = {
            p: new
            for p, new in self._new_commits(None).items()
            if p in partitions and self._committed.get(p) != new[0]
        }
        failed = self._commit(changed)
        if failed:
            log.warning("%s no longer owns %s; its new owner reads on.", self.config["client_id"], sorted(failed))

    def _commit(self, wanted: dict[TopicPartition, tuple[int, EntryId | None, str]]) -> set[TopicPartition]:
        """Returns the partitions that have another owner now; they are given up."""
        if not wanted:
            return set()
        owner = self.config["client_id"].replace(" ", "_")
        if self._manual:
            self._fence(wanted)
        elif self._membership is not None:
            if not self._membership.joined:
                self._lose_all()
                return set(wanted)
            owner = self._membership.member_id
        new = {p: NewCommit(offset, entry, self._epochs[p], owner, meta) for p, (offset, entry, meta) in wanted.items()}
        results = offsets.commit(self._connection, self._group_id, new)
        failed = {p for p, result in results.items() if isinstance(result, FencedMemberEpochError)}
        self._committed |= {p: wanted[p][0] for p in wanted if p not in failed}
        if failed:
            self._forget(failed)
            self._listener.on_partitions_lost(failed)
            self._reconciled = -1
        return failed

    def _fence(self, partitions: Iterable[TopicPartition]) -> None:
        """A manual assignment commits under owner epochs too, which it gets only while the group has no members."""
        fresh = [p for p in partitions if self._epochs[p] < 0]
        if not fresh:
            return
        owner = self.config["client_id"].replace(" ", "_")
        try:
            for partition in fresh:
                epoch = self._connection.run("groups/fence", group_keys(self._group_id), [f"{owner} commits by hand"])
                claimed = offsets.claim(self._connection, self._group_id, owner, {partition: epoch})
                if isinstance(claimed[partition], Commit):
                    self._epochs[partition] = epoch
        except StreamlabError as error:
            if "NON_EMPTY_GROUP" in str(error):
                raise NonEmptyGroupError(
                    f"Group {self._group_id!r} has running members, so its offsets cannot be committed by hand. Stop them, "
                    "or use another group_id."
                ) from error
            raise

    # -- small things ---------------------------------------------------------------------------------------------

    def _wanted_topics(self) -> Iterable[str]:
        if self._pattern is None:
            return self._subscribed
        internal = not self.config["exclude_internal_topics"]
        return [t for t in self._topics.all() if self._pattern.fullmatch(t) and (internal or not is_internal(t))]

    def _make_topics(self) -> None:
        known = self._topics.all()
        for topic in self._subscribed:
            if topic not in known and self.config["allow_auto_create_topics"]:
                self._topics.ensure(topic)

    def _something_changed(self) -> None:
        with self._fetcher.changed:
            self._fetcher.changed.notify_all()

    def _has_news(self) -> bool:
        """Called with the lanes locked: whether poll() has something to do."""
        if self._membership is not None:
            view = self._membership.view
            if view is None or view.seen != self._reconciled:
                return True
        return any(lane.has_news for lane in self._fetcher.lanes.values())

    def _set_paused(self, partitions: Iterable[TopicPartition], paused: bool) -> None:
        with self._fetcher.changed:
            for partition in partitions:
                self._fetcher.lanes[self._assigned(partition)].paused = paused

    def _assigned(self, partition: TopicPartition) -> TopicPartition:
        partition = TopicPartition(*partition)
        if partition not in self._epochs:
            raise IllegalStateError(f"{partition} is not assigned to this consumer.")
        return partition

    def _require(self, partition: TopicPartition) -> None:
        spec = self._topics.ensure(partition.topic) if self.config["allow_auto_create_topics"] else self._topics.require(partition.topic)
        if not 0 <= partition.partition < spec.partitions:
            raise UnknownTopicOrPartitionError(f"There is no partition {partition}: the topic has {spec.partitions}.")

    @property
    def _has_deserializer(self) -> bool:
        return self.config["key_deserializer"] is not None or self.config["value_deserializer"] is not None

    def _deserialize(self, partition: TopicPartition, records: list[ConsumerRecord]) -> list[ConsumerRecord]:
        """Raises Undecodable with the records before the one that cannot be."""
        done: list[ConsumerRecord] = []
        for record in records:
            try:
                done.append(_deserialized(record, self.config["key_deserializer"], self.config["value_deserializer"]))
            except Exception as error:
                raise Undecodable(
                    f"{partition} offset {record.offset} cannot be deserialized: {type(error).__name__}: {error}. "
                    f"seek() to {record.offset + 1} to skip it.",
                    done,
                ) from error
        return done

    def _check_open(self) -> None:
        if self._closed:
            raise IllegalStateError("The consumer is closed.")


def _deserialized(record: ConsumerRecord, key: Any, value: Any) -> ConsumerRecord:
    import msgspec

    changes: dict[str, Any] = {}
    for name, how in (("key", key), ("value", value)):
        data = getattr(record, name)
        if how is not None and data is not None:
            as_class = getattr(how, "deserialize", None)
            changes[name] = as_class(record.topic, record.headers, data) if as_class else how(data)
    return msgspec.structs.replace(record, **changes)


def _assignor_name(given: Any) -> str | None:
    """kafka-python gives classes with a `name`, several in order of preference."""
    if given is None:
        return None
    names = [getattr(g, "name", g) for g in (given if isinstance(given, (list, tuple)) else [given])]
    for name in names:
        if name in assignors.ASSIGNORS:
            return name
    raise KafkaConfigurationError(
        f"partition_assignment_strategy must be one of {', '.join(assignors.ASSIGNORS)}, not {given!r}."
    )


def _legal_group(group_id: Any) -> bool:
    return isinstance(group_id, str) and 1 <= len(group_id) <= 255 and group_id.isprintable() and group_id.strip() == group_id


def _finite(ms: float) -> float | None:
    return None if ms == float("inf") else ms


def _or_inf(ms: float | None) -> float:
    return float("inf") if ms is None else ms



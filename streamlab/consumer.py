"""The consumer: poll() returns records of the partitions that are this consumer's.

    consumer = broker.consumer("orders", group_id="revenue", auto_offset_reset="earliest")
    for record in consumer:
        ...

With a group, partitions come and go while poll() runs (`assignment.py`). What poll() returned counts as read at
the next poll(): a consumer that is killed reads again what it had not committed. Not safe to share between threads;
reading (`fetcher.py`) and heartbeats (`groups/membership.py`) happen in threads of their own.
"""

from __future__ import annotations

import itertools
import logging
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import Future
from typing import Any, NamedTuple

from .assignment import Assignment
from .clock import SYSTEM_CLOCK, Clock, Deadline
from .config import CONSUMER, resolved
from .configs import agent
from .configs.running import RunningClient, WorkerSide
from .connection import Connection
from .deserializers import deserializers
from .errors import (
    CommitFailedError,
    IllegalArgumentError,
    IllegalStateError,
    InvalidGroupIdError,
    KafkaConfigurationError,
    StreamlabError,
    UnknownTopicOrPartitionError,
)
from .fetcher import Fetcher
from .groups import assignors
from .groups.committer import Places, ReadUpTo, places_of
from .log import PartitionLog
from .metrics.of_consumer import Ages, ConsumerFigures, Pace
from .model import ConsumerRecord, OffsetAndMetadata, OffsetAndTimestamp, TopicPartition
from .subscription import ConsumerRebalanceListener
from .topics import Topics

log = logging.getLogger(__name__)

Positions = Mapping[TopicPartition, OffsetAndMetadata | int]

_numbers = itertools.count(1)


class ConsumerGroupMetadata(NamedTuple):
    group_id: str | None
    generation_id: int  # the group's epoch; -1: not a member
    member_id: str
    group_instance_id: str | None


class Consumer:
    """kafka-python's KafkaConsumer."""

    def __init__(
        self,
        connection: Connection,
        *topics: str,
        clock: Clock = SYSTEM_CLOCK,
        worker: WorkerSide | None = None,
        **configs: Any,
    ):
        """Raises KafkaConfigurationError for a setting that is unknown or out of its range, InvalidGroupIdError."""
        self.config = config = resolved(configs, CONSUMER)
        config["client_id"] = config["client_id"] or f"consumer-{os.getpid()}-{next(_numbers)}"
        config["partition_assignment_strategy"] = _assignor_name(config["partition_assignment_strategy"])
        _check_group(config["group_id"])
        if config["group_instance_id"] is not None and config["group_id"] is None:
            raise KafkaConfigurationError("group_instance_id requires group_id.")
        self._clock = clock
        self._topics = Topics(connection, config["metadata_max_age_ms"])
        self._log = PartitionLog(connection, self._topics)
        self._fetcher = Fetcher(connection, self._log, config, clock)
        self._assignment = Assignment(
            connection, self._topics, self._log, self._fetcher, config, self._read_up_to, clock
        )
        self._subscription = self._assignment.subscription
        self._deserialize = deserializers(config)
        self._iterator: Iterator[ConsumerRecord] | None = None
        self._iterated: dict[TopicPartition, list[ConsumerRecord]] = {}  # not yielded yet, the next one last
        self._closed = False
        self._pace = Pace(clock)
        self._ages = Ages(clock)
        self._figures = ConsumerFigures(
            self._pace, self._fetcher.stats, self._assignment.stats, self._ages, clock
        )
        self._worker = worker
        if worker is not None:
            config |= worker.settings
            self._assignment.committer.steps = worker.steps
        self._running = RunningClient(
            "consumer" if worker is None else "worker",
            config,
            self.metrics,
            self._reconfigured,
            self._figures.sketches,
            self._member_id,
        )
        if topics:
            self.subscribe(list(topics))
        self._sign_off = agent.enter(connection, self._running)

    def _reconfigured(self, changed: set[str]) -> None:
        """Settings have other values. Called in another thread; most are looked at each time that they matter."""
        self._fetcher.reconfigure(changed)
        self._assignment.reconfigure(changed)
        if self._worker is not None:
            self._worker.took(changed)

    # -- what to read ---------------------------------------------------------------------------------------------

    def subscribe(
        self,
        topics: Iterable[str] = (),
        pattern: str | None = None,
        listener: ConsumerRebalanceListener | None = None,
    ) -> None:
        """Read these topics, or all that match the regular expression, shared with the other members of the group.

        Raises IllegalStateError when both or neither are given, or after assign().
        """
        self._check_open()
        self._subscription.subscribe(topics, pattern, listener)
        self._assignment.follow_subscription()

    def assign(self, partitions: Iterable[TopicPartition]) -> None:
        """Read exactly these, sharing with nobody. Replaces an earlier assign().

        Raises IllegalStateError when subscribed, UnknownTopicOrPartitionError.
        """
        self._check_open()
        self._subscription.take_by_hand()
        wanted = {TopicPartition(*p) for p in partitions}
        for partition in wanted:
            self._require(partition)
        self._assignment.replace_by_hand(wanted)

    def unsubscribe(self) -> None:
        """Stop reading, commit when `enable_auto_commit`, leave the group."""
        try:
            self._assignment.give_up(commit=True)
        finally:  # without a group left, a subscription that stayed would be read alone, all partitions of it
            self._subscription.clear()
            self._iterator, self._iterated = None, {}

    def subscription(self) -> set[str]:
        return set(self._subscription.topics()) if self._subscription.to_topics else set()

    def assignment(self) -> set[TopicPartition]:
        return self._assignment.partitions

    def pause(self, *partitions: TopicPartition) -> None:
        """poll() returns nothing of these until resume()."""
        self._fetcher.set_paused([self._assigned(p) for p in partitions], True)

    def resume(self, *partitions: TopicPartition) -> None:
        self._fetcher.set_paused([self._assigned(p) for p in partitions], False)

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
        if not self._pace.polls:
            self._running.wait_for_first_look()
        most = self.config["max_poll_records"] if max_records is None else max_records
        if timeout_ms < 0 or most < 1:
            raise IllegalArgumentError("timeout_ms must be 0 or more, max_records 1 or more.")
        if not (self._subscription.to_topics or self._subscription.by_hand):
            raise IllegalStateError("Nothing to read: subscribe() or assign() first.")
        deadline = Deadline(timeout_ms, self._clock)
        self._pace.enter()
        try:
            while True:
                self.keep_up()
                records = self._fetcher.take(most, self._deserialize)
                if records or deadline.expired:
                    self._note_ages(records)
                    return records
                self._fetcher.wait(
                    min(deadline.remaining_s or 0, 1.0), unless=lambda: self._assignment.has_news
                )
        finally:
            self._pace.leave()

    def _note_ages(self, polled: dict[TopicPartition, list[ConsumerRecord]]) -> None:
        if self._ages.passes(polled, self._pace.began):
            return
        now_ms = self._running.server_now_ms()
        if now_ms is None:
            return  # the server's time was not asked for yet
        for partition, records in polled.items():
            lane = self._fetcher.lanes.get(partition)
            entry = lane.entry if lane is not None else None
            self._ages.note(records, now_ms, None if entry is None else entry.append_ms)

    def keep_up(self) -> None:
        """What poll() does besides returning records: stay a member, take and give up partitions.

        A server that is away is no error: everything goes on by itself when it is back.
        """
        try:
            self._assignment.keep_up()
        except StreamlabError as error:
            if not error.retriable:
                raise
            log.debug("%s keeps trying: %s", self.config["client_id"], error)
            self._fetcher.wait(0.05)

    def positions(self) -> dict[TopicPartition, int]:
        """position() of every assigned partition whose position is known."""
        return {partition: place.offset for partition, place in self._read_up_to().items()}

    def hold(self, partitions: Collection[TopicPartition]) -> None:
        """poll() passes over these partitions, and only these. Cheaper than pause(), for reading ahead goes on."""
        self._fetcher.hold(partitions)

    def wait(self, timeout_s: float, unless: Callable[[], bool]) -> None:
        """Until poll() has something to return or to do, or wakeup(); not at all when `unless()` is true."""
        self._fetcher.wait(timeout_s, lambda: unless() or self._assignment.has_news)

    def wakeup(self) -> None:
        """From another thread: end a wait()."""
        self._fetcher.notify()

    def owner_epoch(self, partition: TopicPartition) -> int:
        """Under which this consumer commits the partition. Raises IllegalStateError when it is not assigned."""
        return self._assignment.epochs[self._assigned(partition)]

    def __iter__(self) -> Iterator[ConsumerRecord]:
        return self

    def __next__(self) -> ConsumerRecord:
        """The next record; waits up to `consumer_timeout_ms`, for ever by default."""
        while True:
            record = next(self._iterator, None) if self._iterator is not None else None
            if record is not None:
                return record
            timeout_ms = self.config["consumer_timeout_ms"]
            deadline = Deadline(None if timeout_ms == float("inf") else timeout_ms, self._clock)
            while not (
                polled := self.poll(1000.0 if (left := deadline.remaining_ms) is None else min(left, 1000.0))
            ):
                if deadline.expired:
                    raise StopIteration
            for records in polled.values():
                records.reverse()
            self._iterated = polled
            self._iterator = self._one_by_one(polled)

    def _one_by_one(self, polled: dict[TopicPartition, list[ConsumerRecord]]) -> Iterator[ConsumerRecord]:
        """Yield polled records; those not yielded yet do not count as read when something is committed."""
        for records in polled.values():
            while records:
                yield records.pop()

    def close(self, autocommit: bool = True, timeout_ms: float | None = None) -> None:
        """Commit what was read (when `enable_auto_commit` and `autocommit`), leave the group, stop the threads."""
        if self._closed:
            return
        self._closed = True
        try:
            self._assignment.give_up(commit=autocommit)
        except StreamlabError as error:
            log.warning("%s could not take leave: %s", self.config["client_id"], error)
        finally:
            self._fetcher.stop((5_000 if timeout_ms is None else timeout_ms) / 1000)
            self._sign_off()

    def __enter__(self) -> Consumer:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    # -- positions ------------------------------------------------------------------------------------------------

    def position(self, partition: TopicPartition, timeout_ms: float | None = None) -> int | None:
        """Offset of the next record that poll() will return; None when it is not known yet."""
        place = self._read_up_to().get(self._assigned(partition))
        return None if place is None else place.offset

    def seek(self, partition: TopicPartition, offset: int) -> None:
        """Read on from there. An offset outside the log is dealt with by `auto_offset_reset` when it is met."""
        if not isinstance(offset, int) or offset < 0:
            raise IllegalArgumentError(f"An offset is a whole number from 0, not {offset!r}.")
        partition = self._assigned(partition)
        if partition in self._iterated:
            self._iterated[partition].clear()
        self._fetcher.seek(partition, offset)

    def seek_to_beginning(self, *partitions: TopicPartition) -> None:
        """Of all assigned partitions when none are given."""
        for partition, offset in self.beginning_offsets(partitions or self.assignment()).items():
            self.seek(partition, offset)

    def seek_to_end(self, *partitions: TopicPartition) -> None:
        for partition, offset in self.end_offsets(partitions or self.assignment()).items():
            self.seek(partition, offset)

    def beginning_offsets(
        self, partitions: Iterable[TopicPartition], timeout_ms: float | None = None
    ) -> dict[TopicPartition, int]:
        return {p: edge.log_start for p, edge in self._log.offsets(partitions).items()}

    def end_offsets(
        self, partitions: Iterable[TopicPartition], timeout_ms: float | None = None
    ) -> dict[TopicPartition, int]:
        return {p: edge.log_end for p, edge in self._log.offsets(partitions).items()}

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

    def commit(self, offsets: Positions | None = None, timeout_ms: float | None = None) -> None:
        """Commit these positions, or everything that was read. Returns when it is stored.

        Raises CommitFailedError when a partition is no longer this consumer's: its new owner reads those records
        again. InvalidGroupIdError without a group, NonEmptyGroupError by hand while the group has members.
        """
        self._assignment.committer.group_id  # noqa: B018 - raises without a group
        places = self._read_up_to()
        if offsets is not None:
            places = places_of({self._assigned(p): position for p, position in offsets.items()}, places)
        failed = self._assignment.commit(places)
        if failed:
            raise CommitFailedError(
                f"{', '.join(map(str, sorted(failed)))}: no longer this consumer's. The records since the last commit "
                "will be read again by the new owner."
            )

    def commit_async(
        self,
        offsets: Positions | None = None,
        callback: Callable[[Positions, Exception | None], Any] | None = None,
    ) -> Future[Positions | None]:
        """As commit(), but what went wrong goes to the future and `callback(offsets, error or None)`.

        Made at once: a commit is one short round trip, and so commits never overtake each other.
        """
        future: Future[Positions | None] = Future()
        error: StreamlabError | None = None
        try:
            self.commit(offsets)
            future.set_result(offsets)
        except StreamlabError as raised:
            error = raised
            future.set_exception(raised)
        if callback is not None:
            callback(offsets or {}, error)
        return future

    def committed(
        self, partition: TopicPartition, metadata: bool = False, timeout_ms: float | None = None
    ) -> Any:
        """The group's committed offset (or OffsetAndMetadata); None when there is none."""
        partition = TopicPartition(*partition)
        self._assignment.committer.group_id  # noqa: B018 - raises without a group
        found = self._assignment.committer.fetch([partition]).get(partition)
        if found is None:
            return None
        return OffsetAndMetadata(found.offset, found.metadata) if metadata else found.offset

    def _read_up_to(self) -> Places:
        """How far each partition was read: polled, and yielded when iterating."""
        with self._fetcher.changed:
            places = {p: ReadUpTo(lane.position, lane.entry) for p, lane in self._fetcher.lanes.items()}
        for partition, unread in self._iterated.items():
            if unread and partition in places:
                places[partition] = ReadUpTo(unread[-1].offset, None)
        return places

    def group_metadata(self) -> ConsumerGroupMetadata:
        membership = self._assignment.membership
        view = membership.view if membership else None
        member = membership.member_id if membership and membership.joined else ""
        epoch, instance = view.epoch if view else -1, self.config["group_instance_id"]
        return ConsumerGroupMetadata(self.config["group_id"], epoch, member, instance)

    def metrics(self, raw: bool = False) -> dict[str, dict[str, float]]:
        """Figures under Kafka's names (docs/metrics.md): rates, means and largest of the last half minute."""
        membership = self._assignment.membership
        beat_at = membership.beat_at if membership else float("nan")
        found = self._figures.named(
            self._fetcher.lag_max, self._fetcher.lost, len(self._assignment.epochs), beat_at
        )
        if self._worker is not None:
            found |= {group: dict(named) for group, named in self._worker.figures().items()}
        return found

    def _member_id(self) -> str | None:
        membership = self._assignment.membership
        return membership.member_id if membership is not None and membership.joined else None

    # -- small things ---------------------------------------------------------------------------------------------

    def _assigned(self, partition: TopicPartition) -> TopicPartition:
        partition = TopicPartition(*partition)
        if partition not in self._assignment.epochs:
            raise IllegalStateError(f"{partition} is not assigned to this consumer.")
        return partition

    def _require(self, partition: TopicPartition) -> None:
        creating = self.config["allow_auto_create_topics"]
        spec = self._topics.ensure(partition.topic) if creating else self._topics.require(partition.topic)
        if not 0 <= partition.partition < spec.partitions:
            raise UnknownTopicOrPartitionError(
                f"There is no partition {partition}: the topic has {spec.partitions}."
            )

    def _check_open(self) -> None:
        if self._closed:
            raise IllegalStateError("The consumer is closed.")


def _assignor_name(given: Any) -> str | None:
    """kafka-python gives classes with a `name`, several in order of preference."""
    if given is None:
        return None
    for choice in given if isinstance(given, (list, tuple)) else [given]:
        name = getattr(choice, "name", choice)
        if name in assignors.ASSIGNORS:
            return str(name)
    raise KafkaConfigurationError(
        f"partition_assignment_strategy must be one of {', '.join(assignors.ASSIGNORS)}, not {given!r}."
    )


def _check_group(group_id: Any) -> None:
    if group_id is None:
        return
    text = isinstance(group_id, str) and group_id.isprintable() and group_id.strip() == group_id
    if (
        not text or not 1 <= len(group_id) <= 255 or group_id in (".", "..")
    ):  # dots alone are no place in an address
        raise InvalidGroupIdError(
            f"{group_id!r} is not a group name: 1 to 255 printable characters, not dots alone."
        )

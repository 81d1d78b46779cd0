"""One run of a worker: a consumer, handler threads, and the loop that keeps both going.

The loop reads, hands records out, collects what came of them, stores it, and commits. It calls the group's keep-up at
every turn, however long handlers take, so that max_poll_interval_ms is about this loop and not about the handlers.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from ..clock import Clock, Deadline
from ..configs.running import WorkerSide
from ..connection import Connection
from ..consumer import Consumer
from ..errors import (
    CommitFailedError,
    CorruptRecordError,
    StreamlabError,
    UnknownTopicOrPartitionError,
)
from ..events import Journal
from ..model import ConsumerRecord, OffsetAndMetadata, TopicPartition
from ..subscription import ConsumerRebalanceListener
from ..topics import Topics
from .holdings import Holdings
from .job import Job
from .lanes import Lanes
from .leasing import Leasing
from .relay import BACKLOG, Relay
from .server_clock import ServerClock
from .settling import Settling
from .slots import Slots
from .steps import Steps
from .stint import Stint
from .tally import Tally

if TYPE_CHECKING:
    from .worker import WorkerOptions

log = logging.getLogger(__name__)

HELD_BACK = 20
"""Times max_poll_records: so many records may be done behind one that is not, before the partition waits for it."""
_TURN_S = 0.05
_PAUSE_S = 0.2
_RELAY_TIMEOUT_S = 5.0


class TooManyLostThreads(StreamlabError):
    """Raised when more than `max_lost_threads` handlers are past their time and still run. Start the process anew,
    and see why they hang: the dead letters and retries of the records have their tracebacks."""


class Shift(ConsumerRebalanceListener):
    """Used by the thread that runs it, but for wake() and named_metrics()."""

    def __init__(
        self,
        connection: Connection,
        topics: Sequence[str],
        config: dict[str, Any],
        options: WorkerOptions,
        steps: Steps,
        clock: Clock,
    ):
        self._connection = connection
        self._options = options
        self._clock = clock
        self._held: set[TopicPartition] = set()  # as the consumer was told last
        self._next_commit = 0.0
        self._in_trouble = False
        self._prepared = False
        side = WorkerSide(
            options.retry.settings, lambda changed: self._reconfigure(), self._figures, self._steps_on
        )
        self._consumer = Consumer(connection, clock=clock, worker=side, **config)
        self._group_id: str = config["group_id"]
        name = self._consumer.config["client_id"]
        timeout_ms = options.handler_timeout_ms
        self._lanes = Lanes(self.wake, clock.monotonic, None if timeout_ms is None else timeout_ms / 1000)
        self._tally = Tally()
        self._server = ServerClock(connection, clock)
        self._journal = Journal(connection, of=name)
        self._relay = Relay(connection, self._journal, Topics(connection), name)
        self._holdings = Holdings(
            connection, self._consumer, self._group_id, options.ordering, self._relay, self._lanes, clock
        )
        fenced = self._holdings.fenced
        self._settling = Settling(
            connection, self._lanes, self._relay, options.retry, self._server, clock, self._tally, fenced
        )
        self._leasing = Leasing(connection, self._lanes, self._settling, clock, options.concurrency, fenced)
        self._slots = Slots(options.concurrency, name, self._lanes, steps, self._leasing.begin)
        self._topics = list(topics)
        self._prepared = True
        self._reconfigure()

    def _reconfigure(self) -> None:
        """The retry policy may be another one now. Called in other threads too."""
        if self._prepared:
            self._settling.policy = self._options.retry.with_settings(self._consumer.config)

    @property
    def _stints(self) -> dict[TopicPartition, Stint]:
        return self._holdings.stints

    def halt(self) -> None:
        """Begin nothing new, and let the loop look now. From any thread, and from a signal's handler."""
        self._lanes.halted = True
        self.wake()

    def wake(self) -> None:
        """Let the loop look now. From any thread."""
        self._consumer.wakeup()

    # -- the loop -------------------------------------------------------------------------------------------------

    def run(self, stopping: threading.Event) -> None:
        try:
            self._relay.start()
            self._slots.start()
            self._consumer.subscribe(self._topics, listener=self)
            while not stopping.is_set():
                self._turn()
                self._consumer.wait(
                    self._until_next_turn_s(), unless=lambda: self._has_work or stopping.is_set()
                )
        finally:
            self._close()

    @property
    def _has_work(self) -> bool:
        return self._lanes.attention or (self._settling.waiting > 0 and not self._in_trouble)

    def _until_next_turn_s(self) -> float:
        """Not beyond the moment at which a retry is due."""
        soonest = self._leasing.soonest(self._stints.values())
        return max(0.001, min(_TURN_S, soonest - self._clock.monotonic()))

    def _turn(self) -> None:
        try:
            self._server.keep()
            self._collect()
            self._give_up_overdue()
            self._holdings.reopen()
            self._commit(self._leasing.wanting_commits(self._stints.values()))
            self._leasing.look(list(self._stints.values()))
            self._commit_now_and_then()
            self._in_trouble = False
        except StreamlabError as error:
            self._wait_out(error)
        self._read()

    def _wait_out(self, error: StreamlabError) -> None:
        """Raises what no waiting mends."""
        if not error.retriable:
            raise error
        if not self._in_trouble:
            log.warning("The worker of group %r waits for the server: %s", self._group_id, error)
        self._in_trouble = True
        self._consumer.wait(_PAUSE_S, unless=lambda: False)

    # -- reading --------------------------------------------------------------------------------------------------

    def _read(self) -> None:
        """Hand out what is there, of partitions that have room for it."""
        full = self._full()
        if full != self._held or self._holdings.changed:
            self._consumer.hold(full)
            self._held, self._holdings.changed = full, False
        if full and len(full) == self._holdings.count:
            self._consumer.keep_up()
            return
        try:
            polled = self._consumer.poll(0)
        except (CorruptRecordError, UnknownTopicOrPartitionError) as error:
            log.error("%s The worker of group %r goes on with the others.", error, self._group_id)
            self._tally.unreadable += 1
            return
        for partition, records in polled.items():
            stint = self._stints.get(partition)
            if stint is not None:
                self._hand_out(stint, records)
            elif partition in self._holdings.unopened:  # assigned by this very poll
                self._consumer.seek(partition, records[0].offset)

    def _full(self) -> set[TopicPartition]:
        """Partitions that are not to be read on now."""
        unopened = set(self._holdings.unopened)
        if self._in_trouble or self._relay.is_full or self._settling.waiting >= BACKLOG:
            return unopened | set(self._stints)
        ahead, most = self._consumer.config["max_poll_records"], self._options.max_queued
        return unopened | {
            partition
            for partition, stint in self._stints.items()
            if stint.mark.outstanding >= ahead
            or stint.mark.held_back >= ahead * HELD_BACK
            or stint.blocked
            or (stint.queued >= most and stint.caught_up)
        }

    def _hand_out(self, stint: Stint, records: list[ConsumerRecord]) -> None:
        ready: list[Job] = []
        waiting: dict[str, list[Job]] = {}
        seen, settled, make = stint.mark.seen, stint.settled, stint.job
        for record in records:
            seen(record.offset)
            if settled and record.offset in settled:
                settled.discard(record.offset)
                stint.mark.done(record.offset)
                self._tally.skipped += 1
            elif stint.chains and (chain := stint.chain_of(record)) in stint.chains:
                waiting.setdefault(chain, []).append(make(record))
            else:
                ready.append(make(record))
        if stint.began_at is None:
            stint.began_at = records[0].offset
        stint.seen_to = records[-1].offset
        self._lanes.add(ready)
        for chain, jobs in waiting.items():
            self._settling.wait_behind(stint, chain, jobs)

    # -- collecting -----------------------------------------------------------------------------------------------

    def _collect(self) -> None:
        """Settle what the handlers' threads have finished."""
        self._lanes.attention = False
        outcomes, tally, settle = self._lanes.outcomes, self._tally, self._settling.settle
        add = tally.latencies.add
        while outcomes:
            job = outcomes.popleft()
            if job.stint.over:
                continue
            add(job.ended - job.started)
            if job.failure is None:
                tally.handled += 1
                if job.lease is None and not job.replayed_into_topic:
                    job.stint.mark.done(job.record.offset)
                    continue
            settle(job)
        self._settling.flush()

    def _give_up_overdue(self) -> None:
        """Raises TooManyLostThreads."""
        overdue = self._slots.give_up_overdue(self._clock.monotonic())
        lost, most = self._slots.lost, self._options.max_lost_threads
        if overdue:
            log.error("A handler is past its time; %d such threads still run.", lost)
            self._collect()
        if lost > most:
            raise TooManyLostThreads(
                f"{lost} handlers of group {self._group_id!r} are past their time and still run (max_lost_threads is "
                f"{most}). Start the process anew."
            )

    # -- committing -----------------------------------------------------------------------------------------------

    def _commit_now_and_then(self) -> None:
        now = self._clock.monotonic()
        if now >= self._next_commit:
            self._next_commit = now + self._consumer.config["auto_commit_interval_ms"] / 1000
            for partition, offset in self._consumer.positions().items():
                if partition in self._stints:
                    self._stints[partition].stands_at(offset)
            self._commit(list(self._stints.values()))

    def _commit(self, stints: Iterable[Stint]) -> None:
        """What is settled without a gap. A partition that is another's by now is dropped on the way."""
        places = {}
        for stint in stints:
            position = stint.mark.position
            if position is not None and position != stint.committed and not stint.over:
                places[stint.partition] = OffsetAndMetadata(position)
        assigned = self._consumer.assignment()
        places = {partition: place for partition, place in places.items() if partition in assigned}
        if not places:
            return
        try:
            self._consumer.commit(places)
        except CommitFailedError as error:
            log.warning("%s", error)
        for partition, place in places.items():
            if partition in self._stints:
                self._stints[partition].committed = place.offset

    # -- partitions come and go -----------------------------------------------------------------------------------

    def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        self._holdings.open(sorted(assigned))

    def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        """Finish what is in hand, as far as the time allows, and commit."""
        stints = [stint for partition, stint in self._stints.items() if partition in revoked]
        if stints:
            self._finish(stints)
        self._holdings.lose(revoked)

    def on_partitions_lost(self, lost: set[TopicPartition]) -> None:
        self._holdings.lose(lost)

    def _finish(self, stints: list[Stint]) -> None:
        """Nothing new is begun; what runs may end within drain_timeout_ms, and then counts for nothing any more."""
        theirs = set(stints)
        withdrawn = self._lanes.withdraw(lambda job: job.stint in theirs)
        deadline = Deadline(self._options.drain_timeout_ms, self._clock)
        running = self._lanes.out_of(theirs)
        try:
            while running and not deadline.expired:
                self._collect()
                self._give_up_overdue()
                threading.Event().wait(0.005)
                running = self._lanes.out_of(theirs)
            self._collect()
            self._leasing.give_back(theirs, [*withdrawn, *running])
            self._commit(stints)
        except StreamlabError as error:
            log.warning("What was in hand of %s is done again by its next owner: %s", stints, error)
        for stint in stints:
            self._holdings.drop(stint)
        self._slots.give_up(running, "its partition was given up")

    # -- the end --------------------------------------------------------------------------------------------------

    def _close(self) -> None:
        """Each step, whatever becomes of those before it; an error is raised in the end."""
        with ExitStack() as steps:  # the last one first
            steps.callback(self._slots.join, 0.5)
            steps.callback(self._journal.close)
            steps.callback(self._relay.close, _RELAY_TIMEOUT_S)
            steps.callback(self._lanes.close)
            steps.callback(lambda: self._holdings.lose(list(self._stints)))
            steps.callback(self._consumer.close, autocommit=False)  # which revokes, and so finishes

    def _steps_on(self, partition: TopicPartition) -> int:
        stint = self._stints.get(partition) if self._prepared else None
        return 0 if stint is None else stint.steps

    def _figures(self) -> dict[str, dict[str, float]]:
        return {"worker-metrics": self.named_metrics()} if self._prepared else {}

    def named_metrics(self) -> dict[str, float]:
        stints = list(self._stints.values())
        return self._tally.named() | {
            "records-in-flight": float(len(self._slots.running)),
            "records-ready": float(self._lanes.ready),
            "records-outstanding": float(sum(stint.mark.outstanding for stint in stints)),
            "records-queued": float(sum(stint.queued for stint in stints)),
            "partitions-assigned": float(len(stints)),
            "partitions-held": float(len(self._held)),
            "lost-threads": float(self._slots.lost),
            "outbox-backlog": float(self._relay.backlog),
        }

"""The producer's own thread: takes closed batches, brings them to the log, settles them.

A round is one pipeline: of each partition `max_in_flight_requests_per_connection` requests' worth of batches
(`BATCHES_A_REQUEST`), one script call a batch.
What a reply means for its batch:

    base offset        acknowledged
    DUPLICATE          failed: a later batch of this producer is there, and whether this one is nobody can tell
    OUT_OF_ORDER       at the head of its partition: the log lost batches it had acknowledged (or one failed before
                       this one); go on under a new epoch. Behind a batch that is to be repeated: repeat both
    UNKNOWN_PARTITION  the topic exists: let the partition come into being, repeat. It does not: failed
    busy, no answer    repeat after a pause, until delivery_timeout_ms, then failed
    anything else      failed
"""

from __future__ import annotations

import logging
import re
import secrets
import threading
from collections import deque
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from redis.exceptions import NoScriptError, RedisError, ResponseError

from . import codec, keys
from .batches import Batch
from .clock import Clock
from .connection import Connection, script
from .errors import (
    DuplicateSequenceNumberError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    NotEnoughReplicasError,
    ProducerFencedError,
    StreamlabError,
    UnknownTopicOrPartitionError,
    translate,
)
from .metrics.of_producer import SenderStats
from .model import TopicPartition
from .topics import Topics
from .wire import KeptWire, request

if TYPE_CHECKING:
    from .producer import Producer

log = logging.getLogger(__name__)

SEQUENCES = 2**31
BATCHES_A_REQUEST = 2
"""Of one partition. What is on the way at most (this times max_in_flight, 5 at most) is what append.lua remembers, so
that a repeat is recognised. Kafka sends one batch a request and remembers 5; here a larger round means fewer turns at
the interpreter with a thread that goes on sending (measured: 20 to 40 % more records a second)."""
ROUND_BYTES = 8 << 20
"""A round carries about this much at most, so that one reply is not long in coming."""


@dataclass
class _Lane:
    """One partition's batches on their way, oldest first, and its sequence."""

    batches: deque[Batch]
    command: tuple[str | int, ...]  # what every append to this partition begins with
    epoch: int = 0
    next_sequence: int = 0


def _lane(partition: TopicPartition) -> _Lane:
    places = keys.log(*partition), keys.meta(*partition), keys.producers(*partition)
    return _Lane(deque(), ("EVALSHA", script("append").sha, len(places), *places))


class Sender(threading.Thread):
    """Runs until the producer is closed and everything is settled."""

    settles_batches = True

    def __init__(self, producer: Producer, connection: Connection, clock: Clock):
        super().__init__(name=f"{producer.config['client_id']}-sender", daemon=True)
        self._producer = producer
        self._config = producer.config
        self._connection = connection
        self._clock = clock
        self._window = BATCHES_A_REQUEST * int(self._config["max_in_flight_requests_per_connection"])
        self._line: KeptWire | None = None
        self._outdated = False  # the line has another timeout than it should
        self._script_known = True  # to the server, as far as known
        self._topics = Topics(connection, self._config["metadata_max_age_ms"])
        self._lanes: dict[TopicPartition, _Lane] = {}
        self._busy: dict[TopicPartition, None] = {}  # lanes with batches, in the order of their turns
        # drawn, not counted: a counter could go back with the server's data, and two producers be one
        self._producer_id = secrets.randbits(62) if self._config["enable_idempotence"] else -1
        self._pause_s = 0.0  # after a failed round
        self._give_up = threading.Event()
        self._fsyncs = True  # the server has WAITAOF, as far as known
        self._next_look = 0.0
        self.connected = False
        self.stats = SenderStats()

    def reconfigure(self, changed: set[str]) -> None:
        """Settings have other values, from the next round on. Called in another thread."""
        self._window = BATCHES_A_REQUEST * int(self._config["max_in_flight_requests_per_connection"])
        if changed & {"request_timeout_ms", "delivery_timeout_ms"}:
            self._outdated = True

    def give_up(self) -> None:
        """Stop without settling what is left, even in the middle of a request."""
        self._give_up.set()
        if self._line is not None:
            self._line.shut_down()

    def run(self) -> None:
        while not self._give_up.is_set():
            try:
                if self._turn():
                    break
            except (
                Exception
            ) as error:  # a mistake of ours must not leave futures that nobody will ever settle
                log.exception("Sending failed in a way that was not foreseen.")
                self._hang_up()  # replies may be left unread
                self._fail_all(StreamlabError(f"Sending failed: {type(error).__name__}: {error}"))
        self._hang_up()

    def _turn(self) -> bool:
        """Wait for work and do a round of it. True when there will be no more."""
        if not self._busy:
            self._producer.wait_for_work(self._config["metadata_max_age_ms"] / 1000 if self._lanes else None)
        elif self._pause_s:
            self._give_up.wait(self._pause_s)
        closing = self._producer.closing  # asked before: what was sent until then is taken now
        self._take_batches()
        if self._busy:
            self._round()
        elif closing:
            return True
        if self.connected and self._clock.monotonic() >= self._next_look:
            self._next_look = self._clock.monotonic() + self._config["metadata_max_age_ms"] / 1000
            self._look_at_topics()
        return False

    def _fail_all(self, error: StreamlabError) -> None:
        for partition in list(self._busy):
            for batch in list(self._lanes[partition].batches):
                self._settle(batch, error=error)

    def _take_batches(self) -> None:
        for batch in self._producer.take_ready():
            lane = self._lanes.get(batch.partition)
            if lane is None:
                lane = self._lanes[batch.partition] = _lane(batch.partition)
            lane.batches.append(batch)
            self._busy[batch.partition] = None

    # -- one round ------------------------------------------------------------------------------------------------

    def _round(self) -> None:
        self._expire()
        try:
            line = self._open_line()
            batches = self._next_batches()
            if not batches:
                return
            started = self._clock.monotonic()
            self.stats.in_flight = 1
            try:
                replies = self._exchange(line, batches)
            finally:
                self.stats.in_flight = 0
        except NotEnoughReplicasError as error:
            self._retry_later(error)
            return
        except (RedisError, OSError) as error:
            self._hang_up()
            self._retry_later(translate(error))
            return
        self.stats.count_request((self._clock.monotonic() - started) * 1000)
        self.connected = True
        self._take_replies(batches, replies)

    def _open_line(self) -> KeptWire:
        """The connection, once it is good for appending."""
        if self._outdated:
            self._outdated = False
            self._hang_up()
        if self._line is None:
            timeout_ms = min(self._config["request_timeout_ms"], self._config["delivery_timeout_ms"])
            self._line = self._connection.kept_wire(timeout_ms / 1000)
        if not self._script_known:
            self._line.ask(request([("SCRIPT", "LOAD", script("append").source)]))
            self._script_known = True
        return self._line

    def _hang_up(self) -> None:
        if self._line is not None:
            self._line.close()
            self._line = None

    def _exchange(self, line: KeptWire, batches: list[Batch]) -> list[Any]:
        """Send the batches, and encode the next ones while the server works on these. Returns their replies."""
        line.send(request([self._command(batch) for batch in batches]))
        if self._config["acks"] == 0:
            for batch in batches:
                batch.acknowledge(-1, -1)  # nobody waits for the reply, which is dealt with all the same
        self._prepare_ahead(batches)
        replies = line.read_each(len(batches))
        if any(isinstance(reply, NoScriptError) for reply in replies):  # the server was restarted
            self._script_known = False
        if self._config["acks"] in (-1, "all"):
            self._wait_for_copies(line)
        return replies

    def _prepare_ahead(self, sent: list[Batch]) -> None:
        self._take_batches()
        most = self._window
        for partition in {batch.partition for batch in sent} & self._busy.keys():
            for batch in islice(self._lanes[partition].batches, most, 2 * most):
                self._encode(batch)

    def _next_batches(self) -> list[Batch]:
        """What goes into this round: heads of the lanes, encoded and numbered."""
        most, budget, chosen = self._window, ROUND_BYTES, []
        for partition in list(self._busy):
            lane = self._lanes[partition]
            for batch in list(islice(lane.batches, most)):
                if self._too_large(batch):
                    continue
                self._prepare(lane, batch)
                chosen.append(batch)
                budget -= len(batch.payload or b"")
            if (
                self._busy.pop(partition, 0) is None
            ):  # to the end of the queue: the next round begins with another one
                self._busy[partition] = None
            if budget <= 0:
                break
        return chosen

    def _prepare(self, lane: _Lane, batch: Batch) -> None:
        self._encode(batch)
        if batch.first_sequence < 0:
            batch.epoch, batch.first_sequence = lane.epoch, lane.next_sequence
            lane.next_sequence = (lane.next_sequence + batch.count) % SEQUENCES
        if batch.attempts:
            self.stats.retries += batch.count
        batch.attempts += 1

    def _too_large(self, batch: Batch) -> bool:
        """Whether the batch is larger than its topic allows, and failed for that. What was sent once is not judged."""
        self._encode(batch)
        size, limit = len(batch.payload or b""), batch.largest_bytes
        if size <= limit or batch.attempts:
            return False
        error = MessageSizeTooLargeError(
            f"The batch of {batch.count} records takes {size} bytes, and max.message.bytes of "
            f"{batch.partition.topic!r} is {limit}. Send less, compress (compression_type), or raise it for the topic."
        )
        self._settle(batch, error=error)
        return True

    def _encode(self, batch: Batch) -> None:
        if batch.payload is not None:
            return
        headers = [batch.headers.get(i) for i in range(batch.count)] if batch.headers else None
        batch.payload = codec.encode(
            batch.timestamps,
            batch.keys,
            batch.values,
            headers,
            self._config["compression_type"],
            append_time=batch.append_time,
        )
        waited_ms = (self._clock.monotonic() - batch.born) * 1000
        self.stats.count_batch(len(batch.payload), batch.size_bytes, batch.count, waited_ms)

    def _command(self, batch: Batch) -> tuple[Any, ...]:
        return (
            *self._lanes[batch.partition].command,
            self._producer_id,
            batch.epoch,
            batch.first_sequence,
            batch.count,
            batch.payload,
        )

    def _wait_for_copies(self, line: KeptWire) -> None:
        """acks=all: every replica that is connected now has it, and the server says that it is on its disk.

        Some servers say so too early (docs/guarantees.md). On the connection of the writes, for that is what WAIT
        looks at. Raises NotEnoughReplicasError, which repeats the round; the log recognises what it has.
        """
        timeout_ms = int(self._config["request_timeout_ms"] * 0.9)
        [about] = line.ask(request([("INFO", "replication")]))
        replicas = int(re.search(rb"connected_slaves:(\d+)", about)[1])  # type: ignore[index]
        if replicas and line.ask(request([("WAIT", replicas, timeout_ms)]))[0] < replicas:
            raise NotEnoughReplicasError(
                f"Not all of {replicas} replicas had the records within {timeout_ms} ms."
            )
        if not self._fsyncs:
            return
        [reply] = line.ask_each(request([("WAITAOF", 1, 0, timeout_ms)]))
        if isinstance(reply, ResponseError):
            log.info("acks=all cannot wait for the disk: %s", reply)
            self._fsyncs = False
        elif not reply[0]:
            raise NotEnoughReplicasError(f"The records were not on disk within {timeout_ms} ms.")

    # -- replies --------------------------------------------------------------------------------------------------

    def _take_replies(self, batches: list[Batch], replies: list[Any]) -> None:
        self._pause_s = 0.0
        stuck: set[TopicPartition] = set()
        for batch, reply in zip(batches, replies, strict=True):
            if not isinstance(reply, Exception):
                self._settle(batch, int(reply[0]), int(reply[1]))
            elif batch.partition not in stuck and not self._refused(batch, reply):
                stuck.add(batch.partition)

    def _refused(self, batch: Batch, reply: Exception) -> bool:
        """Deal with an error reply of the batch at the head of its lane. False: it stays, to be repeated."""
        if isinstance(reply, NoScriptError):
            return False
        code, _, rest = str(reply).partition(" ")
        if code == "DUPLICATE":
            duplicate = DuplicateSequenceNumberError(
                f"The log has a later batch of this producer: {rest}. Not repeated."
            )
            self._settle(batch, error=duplicate)
        elif code == "OUT_OF_ORDER":
            self._renumber(batch.partition, rest)
            return False
        elif code == "PRODUCER_FENCED":
            self._settle(
                batch, error=ProducerFencedError(f"A newer producer has this one's identity: {rest}")
            )
        elif code == "UNKNOWN_PARTITION":
            return self._unknown_partition(batch)
        else:
            error = translate(reply)
            if error.retriable:
                self._retry_later(error)
                return False
            self._settle(batch, error=error)
        return True

    def _unknown_partition(self, batch: Batch) -> bool:
        topic, partition = batch.partition
        try:
            spec = self._topics.all(fresh=True).get(topic)
            if spec is not None and partition < spec.partitions:
                self._topics.make_partitions([batch.partition])
                if batch.attempts > 1:
                    self._pause_s = self._config["retry_backoff_ms"] / 1000
                return False
        except StreamlabError as error:
            self._retry_later(error)
            return False
        self._settle(batch, error=UnknownTopicOrPartitionError(f"{batch.partition} does not exist any more."))
        return True

    def _renumber(self, partition: TopicPartition, why: str) -> None:
        """Go on under a new epoch: what was acknowledged before is not there, or a batch failed for good."""
        lane = self._lanes[partition]
        lane.epoch += 1
        lane.next_sequence = 0
        for batch in lane.batches:
            batch.first_sequence = -1
        log.warning("%s: sequence broken (%s); going on under epoch %d", partition, why, lane.epoch)

    def _settle(
        self, batch: Batch, offset: int = -1, append_ms: int = -1, error: StreamlabError | None = None
    ) -> None:
        lane = self._lanes[batch.partition]
        lane.batches.remove(batch)
        if not lane.batches:
            self._busy.pop(batch.partition, None)
        if error is None:
            self.stats.records += batch.count
        else:
            self.stats.errors += batch.count
        self._producer.settle(batch, offset, append_ms, error)

    def _expire(self) -> None:
        oldest_allowed = self._clock.monotonic() - self._config["delivery_timeout_ms"] / 1000
        for partition in list(self._busy):
            for batch in list(self._lanes[partition].batches):
                if batch.born > oldest_allowed:
                    break
                self._settle(
                    batch,
                    error=KafkaTimeoutError(
                        f"Not delivered within {self._config['delivery_timeout_ms']} ms, {batch.attempts} attempts."
                    ),
                )

    def _retry_later(self, error: Exception) -> None:
        if not self._pause_s:
            log.warning("Sending is interrupted, will repeat: %s", error)
            self._pause_s = self._config["retry_backoff_ms"] / 1000
        else:
            self._pause_s = min(self._pause_s * 2, self._config["retry_backoff_max_ms"] / 1000)
        self.connected = False

    def _look_at_topics(self) -> None:
        try:
            self._producer.refresh()
        except StreamlabError as error:
            log.debug("The topics could not be looked at: %s", error)

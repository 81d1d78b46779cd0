"""Brings closed batches to the log of one server, in order, and settles them.

A round is one pipeline: of each partition `max_in_flight_requests_per_connection` requests' worth of batches
(`BATCHES_A_REQUEST`), one script call a batch.
What a reply means for its batch:

    base offset        acknowledged
    DUPLICATE          failed: a later batch of this producer is there, and whether this one is nobody can tell
    OUT_OF_ORDER       at the head of its partition: the log lost batches it had acknowledged (or one failed before
                       this one); go on under a new epoch. Behind a batch that is to be repeated: repeat both
    UNKNOWN_PARTITION  the topic exists: let the partition come into being, repeat. It does not: failed
    MOVED, ASK         another master has the partition: its lane goes to that master's stream, with all that waits
    TRYAGAIN, CLUSTERDOWN   the partition is on its way: repeat after a moment; others go on meanwhile
    busy, no answer    repeat after a pause, until delivery_timeout_ms, then failed; on a cluster, partitions that
                       have another master by then go there
    anything else      failed

A repeat begins with the oldest batch that is not settled, so a partition's order holds wherever it goes.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol

from redis.exceptions import (
    AskError,
    ClusterDownError,
    MovedError,
    NoScriptError,
    RedisError,
    ResponseError,
    TryAgainError,
)

from . import codec
from .batches import Batch
from .cluster.topology import Node
from .connection import script
from .copies import Copies
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
from .model import TopicPartition
from .send_lane import SEQUENCES, SendLane
from .wire import KeptWire, request

if TYPE_CHECKING:
    from .sender import Sender

log = logging.getLogger(__name__)

BATCHES_A_REQUEST = 2
"""Of one partition. What is on the way at most (this times max_in_flight, 5 at most) is what append.lua remembers, so
that a repeat is recognised. Kafka sends one batch a request and remembers 5; here a larger round means fewer turns at
the interpreter with a thread that goes on sending (measured: 20 to 40 % more records a second)."""
ROUND_BYTES = 8 << 20
"""A round carries about this much at most, so that one reply is not long in coming."""
REST_S = 0.02
"""How long a partition that is on its way to another master is left alone."""
_WHO = request([("INFO", "server")])


class Source(Protocol):
    """Where a stream's work comes from: the producer, or what shares it out."""

    @property
    def closing(self) -> bool: ...
    def wait_for_work(self, timeout_s: float | None) -> None: ...
    def take_ready(self) -> Sequence[Batch | SendLane]: ...


class RequestStream(threading.Thread):
    """Runs until its source is closing and everything is settled."""

    settles_batches = True

    def __init__(self, sender: Sender, source: Source, node: Node | None):
        """`node` None: there is one server."""
        where = "" if node is None else f"-{node}"
        super().__init__(name=f"{sender.config['client_id']}-sender{where}", daemon=True)
        self.node = node
        self.connected = False
        self.waits_since: float | None = None  # monotonic; since then a request is out
        self._sender = sender
        self._source = source
        self._config = sender.config
        self._clock = sender.clock
        self._stats = sender.stats
        self._line: KeptWire | None = None
        self._outdated = False  # the line has another timeout than it should
        self._leader = ""  # which server is at the other end; "": it does not say
        self._script_known = True  # to the server, as far as known
        self._copies = Copies(sender.connection.topology, node)
        self._lanes: dict[TopicPartition, SendLane] = {}
        self._busy: dict[TopicPartition, None] = {}  # lanes with batches, in the order of their turns
        self._elsewhere: dict[TopicPartition, AskError] = {}  # lanes that another master has
        self._pause_s = 0.0  # after a failed round
        self._give_up = threading.Event()
        self._next_look = 0.0

    # -- for other threads ----------------------------------------------------------------------------------------

    def reconnect(self) -> None:
        """Take a new line before the next round: the timeouts have other values."""
        self._outdated = True

    def give_up(self) -> None:
        """Stop without settling what is left, even in the middle of a request."""
        self._give_up.set()
        self.interrupt()

    def interrupt(self) -> None:
        """Stop waiting for the server now; what is on its way will be repeated."""
        if (line := self._line) is not None:
            line.shut_down()

    # -- the thread -----------------------------------------------------------------------------------------------

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
            self._source.wait_for_work(self._config["metadata_max_age_ms"] / 1000 if self._lanes else None)
        elif self._pause_s:
            self._give_up.wait(self._pause_s)
        closing = self._source.closing  # asked before: what was sent until then is taken now
        self._take_batches()
        if self._busy:
            self._round()
        elif closing:
            return True
        if self.node is None and self.connected and self._clock.monotonic() >= self._next_look:
            self._next_look = self._clock.monotonic() + self._config["metadata_max_age_ms"] / 1000
            self._sender.look_at_topics()
        return False

    def _fail_all(self, error: StreamlabError) -> None:
        for partition in list(self._busy):
            for batch in list(self._lanes[partition].batches):
                self._settle(batch, error=error)

    def _take_batches(self) -> None:
        for item in self._source.take_ready():
            if isinstance(item, SendLane):  # from another stream, with what that has not settled
                self._lanes[item.partition] = item
                if item.batches:
                    self._busy[item.partition] = None
                continue
            lane = self._lanes.get(item.partition)
            if lane is None:
                lane = self._lanes[item.partition] = SendLane.of(item.partition)
            lane.batches.append(item)
            self._busy[item.partition] = None

    # -- one round ------------------------------------------------------------------------------------------------

    def _round(self) -> None:
        self._expire()
        try:
            if self._pause_s:
                self._leave_old_master()
            line = self._open_line()
            batches = self._next_batches()
            if not batches:
                if self._busy:  # all of them rest
                    self._give_up.wait(REST_S)
                return
            started = self.waits_since = self._clock.monotonic()
            self._stats.count(in_flight=1)
            try:
                replies = self._exchange(line, batches)
            finally:
                self.waits_since = None
                self._stats.count(in_flight=-1)
        except NotEnoughReplicasError as error:
            self._retry_later(error)
            return
        except (RedisError, OSError) as error:
            self._hang_up()
            self._retry_later(translate(error))
            return
        self._stats.count_request((self._clock.monotonic() - started) * 1000)
        self.connected = True
        self._take_replies(batches, replies)

    def _open_line(self) -> KeptWire:
        """The connection, once it is good for appending."""
        if self._outdated:
            self._outdated = False
            self._hang_up()
        if self._line is None:
            timeout_ms = min(self._config["request_timeout_ms"], self._config["delivery_timeout_ms"])
            self._line = self._sender.connection.kept_wire(timeout_ms / 1000, self.node)
            [about] = self._line.ask_each(_WHO)
            run_id = re.search(rb"run_id:(\w{12})", about) if isinstance(about, bytes) else None
            self._leader = run_id[1].decode() if run_id else ""
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
        asked = request(self._commands(batches))
        line.send(asked)
        if self._config["acks"] == 0:
            for batch in batches:
                batch.acknowledge(-1, -1)  # nobody waits for the reply, which is dealt with all the same
        self._prepare_ahead(batches)
        replies = line.read_each(asked.replies)
        if asked.replies > len(batches):
            replies = [reply for reply, c in zip(replies, asked.commands, strict=True) if c[0] != "ASKING"]
        if any(isinstance(reply, NoScriptError) for reply in replies):  # the server was restarted
            self._script_known = False
        if self._config["acks"] in (-1, "all"):
            self._copies.wait(line, int(self._config["request_timeout_ms"] * 0.9))
        return replies

    def _prepare_ahead(self, sent: list[Batch]) -> None:
        self._take_batches()
        most = self._window()
        for partition in {batch.partition for batch in sent} & self._busy.keys():
            for batch in islice(self._lanes[partition].batches, most, 2 * most):
                self._encode(batch)

    def _window(self) -> int:
        return BATCHES_A_REQUEST * int(self._config["max_in_flight_requests_per_connection"])

    def _next_batches(self) -> list[Batch]:
        """What goes into this round: heads of the lanes, encoded and numbered."""
        most, budget, now, chosen = self._window(), ROUND_BYTES, self._clock.monotonic(), []
        for partition in list(self._busy):
            lane = self._lanes[partition]
            if lane.rest_until > now:
                continue
            for batch in list(islice(lane.batches, most)):
                if self._too_large(batch):
                    continue
                self._prepare(lane, batch)
                chosen.append(batch)
                budget -= len(batch.payload or b"")
            if self._busy.pop(partition, 0) is None:
                self._busy[partition] = None  # to the end: the next round begins with another one
            if budget <= 0:
                break
        return chosen

    def _prepare(self, lane: SendLane, batch: Batch) -> None:
        self._encode(batch)
        if batch.first_sequence < 0:
            batch.epoch, batch.first_sequence = lane.epoch, lane.next_sequence
            lane.next_sequence = (lane.next_sequence + batch.count) % SEQUENCES
        if batch.attempts:
            self._stats.count(retries=batch.count)
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
        self._stats.count_batch(len(batch.payload), batch.size_bytes, batch.count, waited_ms)

    def _commands(self, batches: list[Batch]) -> list[tuple[Any, ...]]:
        commands: list[tuple[Any, ...]] = []
        for batch in batches:
            lane = self._lanes[batch.partition]
            if lane.asking:
                commands.append(("ASKING",))
            commands.append(
                (
                    *lane.command,
                    self._sender.producer_id,
                    batch.epoch,
                    batch.first_sequence,
                    batch.count,
                    batch.payload,
                    self._leader,
                )
            )
        return commands

    # -- replies --------------------------------------------------------------------------------------------------

    def _take_replies(self, batches: list[Batch], replies: list[Any]) -> None:
        self._pause_s = 0.0
        stuck: set[TopicPartition] = set()
        for batch, reply in zip(batches, replies, strict=True):
            if not isinstance(reply, Exception):
                self._settle(batch, int(reply[0]), int(reply[1]))
            elif batch.partition not in stuck and not self._refused(batch, reply):
                stuck.add(batch.partition)
        if self._elsewhere:
            self._send_elsewhere()

    def _refused(self, batch: Batch, reply: Exception) -> bool:
        """Deal with an error reply of the batch at the head of its lane. False: it stays, to be repeated."""
        if isinstance(reply, NoScriptError):
            return False
        if self.node is not None and isinstance(reply, (AskError, TryAgainError, ClusterDownError)):
            self._not_here(batch.partition, reply)
            return False
        code, _, rest = str(reply).partition(" ")
        if code == "DUPLICATE":
            duplicate = DuplicateSequenceNumberError(
                f"The log has a later batch of this producer: {rest}. Not repeated."
            )
            self._settle(batch, error=duplicate)
        elif code == "OUT_OF_ORDER":
            lane = self._lanes[batch.partition]
            lane.begin_epoch()
            log.warning("%s: sequence broken (%s); going on under epoch %d", lane.partition, rest, lane.epoch)
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
        topics = self._sender.topics
        try:
            spec = topics.all(fresh=True).get(topic)
            if spec is not None and partition < spec.partitions:
                topics.make_partitions([batch.partition])
                if batch.attempts > 1:
                    self._pause_s = self._config["retry_backoff_ms"] / 1000
                return False
        except StreamlabError as error:
            self._retry_later(error)
            return False
        self._settle(batch, error=UnknownTopicOrPartitionError(f"{batch.partition} does not exist any more."))
        return True

    def _settle(
        self, batch: Batch, offset: int = -1, append_ms: int = -1, error: StreamlabError | None = None
    ) -> None:
        lane = self._lanes[batch.partition]
        lane.batches.remove(batch)
        if not lane.batches:
            self._busy.pop(batch.partition, None)
        if error is None:
            self._stats.count_acknowledged(batch.partition.topic, batch.count)
        else:
            self._stats.count(errors=batch.count)
        self._sender.settle(batch, offset, append_ms, error)

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

    # -- partitions that another master has -----------------------------------------------------------------------

    def _not_here(self, partition: TopicPartition, reply: ResponseError) -> None:
        """It did not run: the partition is with another master, or on its way."""
        self._lanes[partition].rest_until = self._clock.monotonic() + REST_S
        if isinstance(reply, AskError):
            self._elsewhere[partition] = reply
        else:
            self._sender.doubt_map()

    def _send_elsewhere(self) -> None:
        for partition, reply in self._elsewhere.items():
            assert self.node is not None
            node = Node(reply.host or self.node.host, int(reply.port))
            moved = isinstance(reply, MovedError)
            if moved:
                self._sender.learn(reply.slot_id, node)
            self._hand_over(partition, node, asking=not moved)
        self._elsewhere.clear()

    def _leave_old_master(self) -> None:
        """After a failure: lanes that have another master by now go there. Raises redis-py's errors."""
        topology = self._sender.connection.topology
        if topology is None:
            return
        topology.doubt()
        for partition in list(self._busy):
            node = topology.master_of(self._lanes[partition].slot)
            if node != self.node:
                self._hand_over(partition, node, asking=False)

    def _hand_over(self, partition: TopicPartition, node: Node, asking: bool) -> None:
        """To the stream of another master, with all that is not settled."""
        lane = self._lanes.pop(partition)
        self._busy.pop(partition, None)
        lane.asking = asking
        self._sender.hand_over(self, lane, node)

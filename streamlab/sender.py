"""What stands between a producer and its servers: one request stream a server.

On one server the stream takes batches from the producer itself. On a cluster a thread shares them out: a partition
belongs to the stream of the master that has it, and moves to another one with everything that is not settled, so that
nothing overtakes. A master that hangs holds up its own partitions only.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections import deque
from typing import TYPE_CHECKING

from redis.exceptions import RedisError

from . import keys
from .batches import Batch
from .clock import Clock
from .cluster.slots import key_slot
from .cluster.topology import Node
from .connection import Connection
from .errors import StreamlabError
from .metrics.of_producer import SenderStats
from .model import TopicPartition
from .request_stream import RequestStream
from .send_lane import SEQUENCES, SendLane
from .topics import Topics

if TYPE_CHECKING:
    from .producer import Producer

__all__ = ["SEQUENCES", "ClusterSender", "Sender", "sender_for"]

log = logging.getLogger(__name__)

SLOW_REQUEST_S = 1.0
"""A master that takes longer is asked about: perhaps another one has its place."""


def sender_for(producer: Producer, connection: Connection, clock: Clock) -> Sender:
    """Of the kind that the connection needs, not started."""
    kind = Sender if connection.topology is None else ClusterSender
    return kind(producer, connection, clock)


class Sender:
    """For one server. What the producer and the request streams ask of each other goes through here."""

    def __init__(self, producer: Producer, connection: Connection, clock: Clock):
        self.config = producer.config
        self.connection = connection
        self.clock = clock
        self.topics = Topics(connection, self.config["metadata_max_age_ms"])
        # drawn, not counted: a counter could go back with the server's data, and two producers be one
        self.producer_id = secrets.randbits(62) if self.config["enable_idempotence"] else -1
        self.stats = SenderStats()
        self._producer = producer
        self._streams: dict[Node | None, RequestStream] = {}

    # -- for the producer -----------------------------------------------------------------------------------------

    def start(self) -> None:
        self._streams[None] = stream = RequestStream(self, self._producer, None)
        stream.start()

    def join(self, timeout_s: float | None = None) -> None:
        """Until everything is settled, or that long."""
        self._streams[None].join(timeout_s)

    def is_alive(self) -> bool:
        return any(stream.is_alive() for stream in self._streams.values())

    def give_up(self) -> None:
        """Stop without settling what is left, even in the middle of a request."""
        for stream in list(self._streams.values()):
            stream.give_up()

    @property
    def runs_this_thread(self) -> bool:
        """Whether the caller is in a callback of a record."""
        return threading.current_thread() in self._streams.values()

    @property
    def connected(self) -> bool:
        return any(stream.connected for stream in list(self._streams.values()))

    def reconfigure(self, changed: set[str]) -> None:
        """Settings have other values, from the next round on. Called in another thread."""
        if changed & {"request_timeout_ms", "delivery_timeout_ms"}:
            for stream in list(self._streams.values()):
                stream.reconnect()

    # -- for the streams ------------------------------------------------------------------------------------------

    def settle(self, batch: Batch, offset: int, append_ms: int, error: StreamlabError | None) -> None:
        self._producer.settle(batch, offset, append_ms, error)

    def hand_over(self, stream: RequestStream, lane: SendLane, node: Node) -> None:
        raise AssertionError("there is one server")

    def doubt_map(self) -> None:
        """A master says that something is moving."""

    def learn(self, slot: int, node: Node) -> None:
        """A master says who has a slot."""

    def look_at_topics(self) -> None:
        try:
            self._producer.refresh()
        except StreamlabError as error:
            log.debug("The topics could not be looked at: %s", error)


class _Inbox:
    """A stream's share of the work. Guarded by the sender's lock: a partition moves with all that is its own."""

    def __init__(self, lock: threading.Lock):
        self.closing = False
        self._changed = threading.Condition(lock)
        self._items: deque[Batch | SendLane] = deque()

    def put(self, item: Batch | SendLane) -> None:
        """Under the lock."""
        self._items.append(item)
        self._changed.notify()

    def remove(self, partition: TopicPartition) -> list[Batch]:
        """Under the lock: take back the batches of a partition."""
        taken = [item for item in self._items if isinstance(item, Batch) and item.partition == partition]
        if taken:
            self._items = deque(item for item in self._items if item not in taken)
        return taken

    def close(self) -> None:
        with self._changed:
            self.closing = True
            self._changed.notify()

    def wait_for_work(self, timeout_s: float | None) -> None:
        with self._changed:
            if not self._items and not self.closing:
                self._changed.wait(timeout_s)

    def take_ready(self) -> list[Batch | SendLane]:
        with self._changed:
            taken = list(self._items)
            self._items.clear()
            return taken


class ClusterSender(Sender):
    """For a cluster: a thread that shares batches out, and a stream for each master that was ever needed."""

    def __init__(self, producer: Producer, connection: Connection, clock: Clock):
        super().__init__(producer, connection, clock)
        assert connection.topology is not None
        self._topology = connection.topology
        self._lock = threading.Lock()  # over owners and inboxes
        self._inboxes: dict[Node, _Inbox] = {}
        self._owners: dict[TopicPartition, Node] = {}
        self._open = 0  # batches shared out and not settled
        self._all_settled = threading.Condition(self._lock)
        self._given_up = False
        self._next_look = 0.0
        self._thread = threading.Thread(
            target=self._run, name=f"{self.config['client_id']}-sender", daemon=True
        )

    def start(self) -> None:
        self._thread.start()

    def join(self, timeout_s: float | None = None) -> None:
        until = None if timeout_s is None else time.monotonic() + timeout_s
        for thread in (self._thread, *list(self._streams.values())):
            thread.join(None if until is None else max(0.0, until - time.monotonic()))

    def is_alive(self) -> bool:
        return self._thread.is_alive() or super().is_alive()

    def give_up(self) -> None:
        self._given_up = True
        with self._lock:
            self._all_settled.notify_all()
        super().give_up()

    def settle(self, batch: Batch, offset: int, append_ms: int, error: StreamlabError | None) -> None:
        super().settle(batch, offset, append_ms, error)
        with self._lock:
            self._open -= 1
            if not self._open:
                self._all_settled.notify_all()

    def hand_over(self, stream: RequestStream, lane: SendLane, node: Node) -> None:
        """A lane goes to another master's stream, and whatever waits for it in the inbox goes behind it."""
        assert stream.node is not None
        with self._lock:
            lane.batches.extend(self._inboxes[stream.node].remove(lane.partition))
            self._owners[lane.partition] = node
            self._inbox(node).put(lane)

    def doubt_map(self) -> None:
        self._topology.doubt()

    def learn(self, slot: int, node: Node) -> None:
        self._topology.learn(slot, node)

    # -- the thread -----------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._given_up:
            try:
                if self._turn():
                    break
            except Exception:  # a mistake of ours must not end the sending without a word
                log.exception("Sharing out batches failed in a way that was not foreseen; it goes on.")
                time.sleep(0.1)
        for inbox in list(self._inboxes.values()):
            inbox.close()

    def _turn(self) -> bool:
        """Wait for work and share it out. True when there will be no more."""
        if self._producer.closing:
            with self._lock:
                if self._open:
                    self._all_settled.wait(SLOW_REQUEST_S)
        else:
            age_s = self.config["metadata_max_age_ms"] / 1000
            self._producer.wait_for_work(SLOW_REQUEST_S if self._open else age_s if self._owners else None)
        closing = self._producer.closing  # asked before: what was sent until then is taken now
        self._share_out()
        if closing and not self._open:
            return True
        self._look_after_slow_masters()
        if self.connected and self.clock.monotonic() >= self._next_look:
            self._next_look = self.clock.monotonic() + self.config["metadata_max_age_ms"] / 1000
            self.look_at_topics()
        return False

    def _share_out(self) -> None:
        batches = self._producer.take_ready()
        nodes = {batch.partition: self._node_for(batch.partition) for batch in batches}
        with self._lock:
            self._open += len(batches)
            for batch in batches:
                node = self._owners.setdefault(batch.partition, nodes[batch.partition])
                self._inbox(node).put(batch)

    def _node_for(self, partition: TopicPartition) -> Node:
        """Its owner, else its master. While nobody knows the master: any node, which will say so or be left again."""
        known = self._owners.get(partition)
        if known is not None:
            return known
        try:
            return self._topology.master_of(key_slot(keys.log(*partition)))
        except (RedisError, OSError):
            return self._topology.any_node()

    def _inbox(self, node: Node) -> _Inbox:
        """Under the lock; makes the node's stream at its first use."""
        inbox = self._inboxes.get(node)
        if inbox is None:
            inbox = self._inboxes[node] = _Inbox(self._lock)
            self._streams[node] = stream = RequestStream(self, inbox, node)
            stream.start()
        return inbox

    def _look_after_slow_masters(self) -> None:
        """A stream that waits for a master which has lost its place need not wait for the socket's timeout."""
        now = self.clock.monotonic()
        slow = [
            stream
            for stream in list(self._streams.values())
            if (since := stream.waits_since) is not None and now - since > SLOW_REQUEST_S
        ]
        if not slow:
            return
        self._topology.doubt()
        try:
            masters = self._topology.masters()
        except (RedisError, OSError):
            return
        for stream in slow:
            if stream.node not in masters:
                stream.interrupt()

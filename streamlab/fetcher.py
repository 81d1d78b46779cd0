"""The consumer's reading: threads of its own that keep a bounded buffer ahead of poll().

For each partition there is a `Lane`: how far the application is, how far the reading is, and the batches between.
Batches are decoded only when poll() takes their records. One `Reader` a server fills the lanes; on a cluster a thread
finds out which master's reader a lane belongs to, at first and whenever that master cannot be reached any more.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from redis.exceptions import AskError, MovedError, RedisError

from . import keys
from .clock import Clock
from .cluster.slots import key_slot
from .cluster.topology import Node
from .connection import BLOCK_SLACK_S, Connection
from .deserializers import Deserialize
from .errors import StreamlabError
from .fetch_line import FetchLine, NodeLine, ServerLine
from .lane import Lane
from .log import PartitionLog
from .metrics.of_consumer import FetchStats
from .model import ConsumerRecord, EntryId, TopicPartition
from .reader import Reader

log = logging.getLogger(__name__)


class Fetcher:
    """Reads for one consumer. All lanes are guarded by `changed`, which also tells that something has come."""

    def __init__(
        self, connection: Connection, partition_log: PartitionLog, config: dict[str, Any], clock: Clock
    ):
        self.config = config
        self.clock = clock
        self.log = partition_log
        self.changed = threading.Condition()
        self.lanes: dict[TopicPartition, Lane] = {}
        self.stopped = False
        self.stats = FetchStats()
        self._connection = connection
        self._topology = connection.topology
        self._turn = 0
        self._readers: dict[Node | None, Reader] = {}
        self._homeless = threading.Event()  # there may be lanes without a node
        self._placing: threading.Thread | None = None

    # -- for the consumer's thread --------------------------------------------------------------------------------

    def assign(self, partition: TopicPartition, position: int, entry: EntryId | None) -> None:
        with self.changed:
            lane = self.lanes[partition] = Lane(partition, position)
            lane.start(position, entry)
            self._homeless.set()

    def drop(self, partitions: Iterable[TopicPartition]) -> None:
        with self.changed:
            for partition in partitions:
                self.lanes.pop(partition, None)

    def seek(self, partition: TopicPartition, position: int) -> None:
        with self.changed:
            lane = self.lanes.setdefault(partition, Lane(partition, position))
            lane.start(position, None)
            self._homeless.set()
        self.read_on()

    def set_paused(self, partitions: Iterable[TopicPartition], paused: bool) -> None:
        with self.changed:
            for partition in partitions:
                self.lanes[partition].paused = paused
        self.read_on()

    def hold(self, partitions: Collection[TopicPartition]) -> None:
        """take() passes these over, and only these; unlike set_paused(), reading ahead goes on."""
        with self.changed:
            for partition, lane in self.lanes.items():
                lane.held = partition in partitions

    def read_on(self) -> None:
        """The lanes changed: look at them now."""
        if self._topology is None:
            self._reader(None)
        elif self._placing is None:
            name = f"{self.config['client_id']}-fetcher"
            self._placing = threading.Thread(target=self._place_lanes, name=name, daemon=True)
            self._placing.start()
        for reader in list(self._readers.values()):
            reader.wake()

    def notify(self) -> None:
        """Let whoever waits in wait() look again."""
        with self.changed:
            self.changed.notify_all()

    def wait(self, timeout_s: float, unless: Callable[[], bool] = lambda: False) -> None:
        """Until there is something to take, or notify(), unless it is so already."""
        with self.changed:
            if not unless() and not any(lane.has_news for lane in self.lanes.values()):
                self.changed.wait(timeout_s)

    def take(self, most: int, deserialize: Deserialize | None) -> dict[TopicPartition, list[ConsumerRecord]]:
        """Up to `most` records that are here, each lane's in order; lanes take turns to be first.

        Raises what a lane has to say (CorruptRecordError, OffsetOutOfRangeError, Undecodable) once, at its turn.
        """
        found: dict[TopicPartition, list[ConsumerRecord]] = {}
        with self.changed:
            lanes = list(self.lanes.values())
        if not lanes:
            return found
        self._turn = (self._turn + 1) % len(lanes)
        for lane in lanes[self._turn :] + lanes[: self._turn]:
            if lane.paused or lane.held:
                continue
            records = self._take_from(lane, most, deserialize)
            if records:
                found[lane.partition] = records
                most -= len(records)
                if not most:
                    break
            elif lane.error is not None and not lane.raised and not found:
                lane.raised = True
                raise lane.error
        if found:
            self.notify()  # there is room to read on
        return found

    def _take_from(self, lane: Lane, most: int, deserialize: Deserialize | None) -> list[ConsumerRecord]:
        lane.follow_jump()
        taken = lane.take(most)
        while len(taken) < most and lane.entries and not lane.blocked:
            records = lane.decode_next(deserialize, self.config["check_crcs"])
            if records is None:
                break
            with self.changed:
                lane.decoded(records)
            part = lane.take(most - len(taken))
            taken = taken + part if taken else part
        return taken

    def stop(self, timeout_s: float = 5.0) -> None:
        self.stopped = True
        self._homeless.set()
        until = time.monotonic() + timeout_s
        readers = list(self._readers.values())
        for reader in readers:
            if reader.is_alive():
                reader.wake()
        for thread in (self._placing, *readers):
            if thread is not None and thread.is_alive():
                thread.join(max(0.0, until - time.monotonic()))

    @property
    def lag_max(self) -> float:
        """Records that the partition furthest behind has not polled; NaN when it is not known."""
        with self.changed:
            lags = [lane.log_end - lane.position for lane in self.lanes.values() if lane.log_end is not None]
        return float(max(lags)) if lags else float("nan")

    @property
    def lost(self) -> int:
        """Records of the assigned partitions that were gone before they were read."""
        with self.changed:
            return sum(lane.lost for lane in self.lanes.values())

    def reconfigure(self, changed: set[str]) -> None:
        """Settings have other values, from the next fetch on. Called in another thread."""
        for reader in list(self._readers.values()):
            if "fetch_max_wait_ms" in changed:
                reader.reconnect()
            if reader.is_alive() and changed & {"fetch_max_wait_ms", "fetch_min_bytes"}:
                reader.wake()  # it may be in a fetch that is held for longer than it should be now

    # -- for the readers ------------------------------------------------------------------------------------------

    def open_line(self, node: Node | None) -> FetchLine:
        """Raises redis-py's errors."""
        timeout_s = self.config["fetch_max_wait_ms"] / 1000 + BLOCK_SLACK_S
        if node is None:
            return ServerLine(self._connection, timeout_s)
        return NodeLine(self._connection, node, timeout_s)

    def doubt(self, node: Node | None) -> None:
        """The connection to a server broke: its lanes may have another master by now, and the logs less than before."""
        if self._topology is not None:
            self._topology.doubt()
        with self.changed:
            for lane in self.lanes.values():
                if lane.node == node:
                    lane.node = None
                    lane.doubted = lane.witness is not None
            self._homeless.set()

    def moved(self, node: Node | None, where: Mapping[str, AskError], lanes: Iterable[Lane]) -> None:
        """A master said who has these logs now, or is about to have them."""
        assert node is not None
        assert self._topology is not None
        with self.changed:
            for lane in lanes:
                said = where.get(keys.log(*lane.partition))
                if said is None:
                    continue
                lane.node = Node(said.host or node.host, int(said.port))
                lane.asking = not isinstance(said, MovedError)
                lane.doubted = lane.witness is not None
                if not lane.asking:
                    self._topology.learn(said.slot_id, lane.node)
            homes = {lane.node for lane in self.lanes.values() if lane.node is not None}
        for home in homes:
            self._reader(home)

    def _reader(self, node: Node | None) -> Reader | None:
        """Made and started at its first use; None after stop()."""
        with self.changed:
            reader = self._readers.get(node)
            if reader is None and not self.stopped:
                reader = self._readers[node] = Reader(self, node)
                reader.start()
            self.changed.notify_all()
        return reader

    def _place_lanes(self) -> None:
        """Find out which master has each lane's log. In a thread of its own, on a cluster."""
        pause_s = 0.0
        while not self.stopped:
            self._homeless.wait()
            if pause_s:
                time.sleep(pause_s)
            self._homeless.clear()
            try:
                self._place()
                pause_s = 0.0
            except (RedisError, OSError, StreamlabError) as error:
                log.warning("It is not known where to read: %s", error)
                pause_s = min(max(pause_s * 2, 0.05), self.config["retry_backoff_max_ms"] / 1000)
                self._homeless.set()

    def _place(self) -> None:
        assert self._topology is not None
        with self.changed:
            homeless = [lane for lane in self.lanes.values() if lane.node is None]
        homes = {}
        for lane in homeless:
            homes[lane.partition] = self._topology.master_of(key_slot(keys.log(*lane.partition)))
        with self.changed:
            for lane in homeless:
                lane.node, lane.asking = homes[lane.partition], False
        for node in dict.fromkeys(homes.values()):
            reader = self._reader(node)
            if reader is not None:
                reader.wake()

"""The consumer's reading: a thread of its own that keeps a bounded buffer ahead of poll().

For each partition there is a `Lane`: how far the application is, how far the reading is, and the batches between.
The thread reads on for lanes whose buffer is below `max_partition_fetch_bytes`; batches are decoded only when poll()
takes their records.

What the log may do meanwhile, and what is done about it:

    retention removed the position     auto_offset_reset decides: earliest, latest, or OffsetOutOfRangeError; counted
    the log went back (lost its end)   read on from where it continues, with a warning; nothing is skipped
    a batch is damaged                 CorruptRecordError from poll(), once; the lane halts until seek(), others go on
    the server is away                 repeat with a pause, from where the reading was
    the partition was deleted          UnknownTopicOrPartitionError from poll(), once; the others go on
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

from redis.exceptions import RedisError

from . import keys
from .clock import Clock, Deadline
from .connection import BLOCK_SLACK_S, Connection
from .deserializers import Deserialize
from .errors import CorruptRecordError, OffsetOutOfRangeError, StreamlabError, UnknownTopicOrPartitionError
from .lane import Lane
from .log import Entry, PartitionLog, Place, parse_entry
from .metrics.of_consumer import FetchStats
from .model import ConsumerRecord, EntryId, TopicPartition
from .wire import KeptWire, request

log = logging.getLogger(__name__)


_FIRST_ENTRY_GUESS_BYTES = 16_384
READ_BYTES = 1 << 20
"""One read asks for about this much in all. More would keep poll() waiting for a large answer while this thread and
the application's take turns at the interpreter."""


class Fetcher(threading.Thread):
    """Reads for one consumer. All lanes are guarded by `changed`, which also tells that something has come."""

    def __init__(
        self, connection: Connection, partition_log: PartitionLog, config: dict[str, Any], clock: Clock
    ):
        super().__init__(name=f"{config['client_id']}-fetcher", daemon=True)
        self._connection = connection
        self._log = partition_log
        self._config = config
        self._clock = clock
        self.changed = threading.Condition()
        self.lanes: dict[TopicPartition, Lane] = {}
        self._turn = 0
        self._stopped = False
        self._plans = 0  # how often the thread has looked at the lanes
        self._line: KeptWire | None = None  # of this thread alone: it blocks
        self._line_id: int | None = None  # what the server calls it
        self._entry_bytes = float(_FIRST_ENTRY_GUESS_BYTES)  # running mean
        self._outdated = False  # the line has another timeout than it should
        self.stats = FetchStats()

    # -- for the consumer's thread --------------------------------------------------------------------------------

    def assign(self, partition: TopicPartition, position: int, entry: EntryId | None) -> None:
        with self.changed:
            lane = self.lanes[partition] = Lane(partition, position)
            lane.start(position, entry)

    def drop(self, partitions: Iterable[TopicPartition]) -> None:
        with self.changed:
            for partition in partitions:
                self.lanes.pop(partition, None)

    def seek(self, partition: TopicPartition, position: int) -> None:
        with self.changed:
            lane = self.lanes.setdefault(partition, Lane(partition, position))
            lane.start(position, None)
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
        if self.is_alive():
            self._wake()
        else:
            self.start()

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
            records = lane.decode_next(deserialize, self._config["check_crcs"])
            if records is None:
                break
            with self.changed:
                lane.decoded(records)
            part = lane.take(most - len(taken))
            taken = taken + part if taken else part
        return taken

    def _wake(self) -> None:
        """Let the thread look at the lanes again now, even if it is waiting for the server."""
        with self.changed:
            seen = self._plans
            self.changed.notify_all()
        deadline = Deadline(100, self._clock)
        while self._plans == seen and self._line_id is not None and not deadline.expired:
            try:
                self._connection.client.execute_command("CLIENT", "UNBLOCK", self._line_id)
            except (RedisError, OSError):
                return  # it notices by itself, at the latest after fetch_max_wait_ms
            with self.changed:
                if self._plans == seen:
                    self.changed.wait(0.005)

    def stop(self, timeout_s: float = 5.0) -> None:
        self._stopped = True
        if self.is_alive():
            self._wake()
            self.join(timeout_s)

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
        if "fetch_max_wait_ms" in changed:
            self._outdated = True
        if self.is_alive() and changed & {"fetch_max_wait_ms", "fetch_min_bytes"}:
            self._wake()  # it may be in a fetch that is held for longer than it should be now

    # -- the thread -----------------------------------------------------------------------------------------------

    def run(self) -> None:
        pause_s = 0.0
        while not self._stopped:
            if pause_s:
                with self.changed:
                    self.changed.wait(pause_s)
            plan = self._plan()
            if not plan:
                continue
            try:
                self._look_up([lane for lane in plan if lane.cursor is None])
                self._read([lane for lane in plan if lane.cursor is not None])
                pause_s = 0.0
            except (RedisError, OSError, StreamlabError) as error:
                if not pause_s and not self._stopped:
                    log.warning("Reading is interrupted, will repeat: %s", error)
                pause_s = min(max(pause_s * 2, 0.05), self._config["retry_backoff_max_ms"] / 1000)
                self._reconnect()
            except Exception:  # a mistake of ours must not end the reading without a word
                log.exception("Reading failed in a way that was not foreseen; it starts over.")
                pause_s = self._config["retry_backoff_max_ms"] / 1000
                self._reconnect()
        self._plans += 1  # whoever waits in _wake() need not any more
        self._hang_up()

    def _plan(self) -> list[Lane]:
        """The lanes to read for now; waits while there is none."""
        limit, total = self._config["max_partition_fetch_bytes"], self._config["fetch_max_bytes"]
        with self.changed:
            self._plans += 1
            waiting = sum(lane.buffered_bytes for lane in self.lanes.values())
            chosen = [
                lane
                for lane in self.lanes.values()
                if not lane.paused
                and lane.error is None
                and (not lane.entries or (lane.buffered_bytes < limit and waiting < total))
            ]
            if not chosen and not self._stopped:
                self.changed.wait(0.5)
            return chosen

    def _look_up(self, lanes: list[Lane]) -> None:
        """Find the cursor of lanes that have none; decide what becomes of a position outside the log."""
        if not lanes:
            return
        asked = {lane.partition: (lane, lane.version, lane.next_offset) for lane in lanes}
        places = self._log.locate({partition: offset for partition, (_, _, offset) in asked.items()})
        with self.changed:
            for partition, place in places.items():
                lane, version, offset = asked[partition]
                if lane.version != version or self.lanes.get(partition) is not lane:
                    continue
                if isinstance(place, UnknownTopicOrPartitionError):
                    lane.error = place
                    continue
                lane.log_end = place.log_end
                if place.log_start <= offset <= place.log_end:
                    lane.point_at(place)
                else:
                    self._out_of_range(lane, offset, place)
            self.changed.notify_all()

    def _out_of_range(self, lane: Lane, offset: int, place: Place) -> None:
        policy = self._config["auto_offset_reset"]
        if policy == "none":
            lane.error = OffsetOutOfRangeError(
                f"{lane.partition}: offset {offset} is outside the log, which goes from {place.log_start} to "
                f"{place.log_end}. seek() to a position inside, or set auto_offset_reset.",
                {lane.partition: offset},
            )
            return
        target = place.log_start if policy == "earliest" else place.log_end
        lost = max(0, place.log_start - offset)
        if lost:
            why = f"retention removed offsets {offset} to {place.log_start - 1} before they were read ({lost} records)"
        else:
            why = f"position {offset} is beyond the log end {place.log_end}"
        log.warning("%s: %s; going on at %d.", lane.partition, why, target)
        lane.lost += lost
        lane.jump(target)

    def _read(self, lanes: list[Lane]) -> None:
        """One fetch: what is there, or comes within fetch_max_wait_ms; at least fetch_min_bytes if it can."""
        if not lanes:
            return
        deadline = Deadline(self._config["fetch_max_wait_ms"], self._clock)
        least = self._config["fetch_min_bytes"]
        started = self._clock.monotonic()
        got = 0
        while True:
            asked = [(lane, lane.version, lane.cursor) for lane in lanes if lane.cursor is not None]
            left_ms = int(deadline.remaining_ms or 0)
            received, size = self._deliver(asked, self._xread(asked, 0 if got else left_ms))
            got += size
            if not received or got >= least or deadline.expired or self._stopped:
                break
            # too little yet: sleep for as long as the rest takes at the rate so far
            elapsed = max(self._clock.monotonic() - started, 0.001)
            with self.changed:
                plans = self._plans
                self.changed.wait(min(max((least - got) * elapsed / got, 0.005), deadline.remaining_s or 0))
                if self._plans != plans:
                    break
        if got:
            self.stats.count_fetch(got, (self._clock.monotonic() - started) * 1000)

    def _xread(self, asked: Sequence[tuple[Lane, int, str]], block_ms: int) -> list[Any]:
        """XREAD on a line of our own, so that nobody waits behind it and it can be unblocked."""
        if not asked:
            return []
        room = min(READ_BYTES, self._config["fetch_max_bytes"]) / len(asked)
        count = max(1, int(min(room, self._config["max_partition_fetch_bytes"]) / self._entry_bytes))
        names = [keys.log(*lane.partition) for lane, _, _ in asked]
        block = ("BLOCK", block_ms) if block_ms > 0 else ()
        command = ("XREAD", "COUNT", count, *block, "STREAMS", *names, *[cursor for _, _, cursor in asked])
        [reply] = self._open_line().ask(request([command]))
        return reply or []

    def _deliver(self, asked: Sequence[tuple[Lane, int, str]], reply: list[Any]) -> tuple[int, int]:
        """Put entries into their lanes: (batches, bytes)."""
        by_name = {keys.log(*lane.partition).encode(): (lane, version) for lane, version, _ in asked}
        batches = size = records = 0
        with self.changed:
            for name, raw_entries in reply:
                lane, version = by_name[name]
                for raw in raw_entries:
                    if (
                        lane.version != version
                        or self.lanes.get(lane.partition) is not lane
                        or lane.error is not None
                    ):
                        break
                    entry = self._parse(lane, raw)
                    if entry is None or not self._fits(lane, entry):
                        break
                    lane.add(entry)
                    batches, size, records = batches + 1, size + len(entry.batch), records + entry.records
            if batches:
                self._entry_bytes += 0.2 * (max(size / batches, 64.0) - self._entry_bytes)
                self.stats.bytes += size
                self.stats.records += records
            self.changed.notify_all()
        return batches, size

    def _parse(self, lane: Lane, raw: Any) -> Entry | None:
        try:
            return parse_entry(raw)
        except CorruptRecordError as error:
            lane.error = CorruptRecordError(f"{lane.partition}: {error}", *lane.partition, lane.next_offset)
            return None

    def _fits(self, lane: Lane, entry: Entry) -> bool:
        """Whether the entry continues what was read; if not, the lane looks its position up again."""
        expected = lane.next_offset
        if entry.base_offset == expected or (
            entry.base_offset < expected <= entry.id.last_offset
            and (
                lane.midway or entry.sparse
            )  # compaction lets an entry stand for those that it removed before it
        ):
            return True
        if entry.base_offset > expected:
            if not lane.midway:  # most likely retention was faster: the look-up tells
                lane.cursor = None
                return False
            log.warning("%s: offsets %d to %d are missing.", lane.partition, expected, entry.base_offset - 1)
            lane.lost += entry.base_offset - expected
            return True
        log.warning(
            "%s: the log went back from %d to %d: it lost records. Reading goes on at %d.",
            lane.partition,
            expected,
            entry.base_offset,
            entry.base_offset,
        )
        lane.jump(entry.base_offset)
        return False

    # -- the line -------------------------------------------------------------------------------------------------

    def _open_line(self) -> KeptWire:
        if self._outdated:
            self._outdated = False
            self._hang_up()
        if self._line is None:
            self._line = self._connection.kept_wire(self._config["fetch_max_wait_ms"] / 1000 + BLOCK_SLACK_S)
            [self._line_id] = self._line.ask(request([("CLIENT", "ID")]))
        return self._line

    def _hang_up(self) -> None:
        line, self._line, self._line_id = self._line, None, None
        if line is not None:
            line.close()

    def _reconnect(self) -> None:
        """The cursors stay: reading after the last entry's id finds out when the log has lost its end meanwhile."""
        self._hang_up()

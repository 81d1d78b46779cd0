"""The consumer's reading: a thread of its own that keeps a bounded buffer ahead of poll().

For each partition there is a `Lane`: how far the application is, how far the reading is, and the batches between.
The thread reads on for lanes whose buffer is below `max_partition_fetch_bytes`; batches are decoded only when poll()
takes their records.

What the log may do meanwhile, and what is done about it:

    retention removed the position     auto_offset_reset decides: earliest, latest, or OffsetOutOfRangeError; counted
    the log went back (lost its end)   read on from where it continues, with a warning; nothing is skipped
    a batch is damaged                 CorruptRecordError from poll(), once; the lane halts until seek(), others go on
    the server is away                 repeat with a pause; positions are looked up anew afterwards
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import redis
from redis.exceptions import RedisError

from . import keys
from .clock import Clock, Deadline
from .connection import BLOCK_SLACK_S, Connection
from .errors import CorruptRecordError, OffsetOutOfRangeError, RecordError, StreamlabError
from .log import Entry, PartitionLog, Place, parse_entry, records_of
from .model import ConsumerRecord, EntryId, TopicPartition

log = logging.getLogger(__name__)

Deserializer = Callable[[TopicPartition, list[ConsumerRecord]], list[ConsumerRecord]]

_FIRST_ENTRY_GUESS_BYTES = 16_384
READ_BYTES = 1 << 20
"""One read asks for about this much in all. More would keep poll() waiting for a large answer while this thread and
the application's take turns at the interpreter."""
_MAX_SEQ = 2**64 - 1


def before(entry: EntryId) -> str:
    """The id right before an entry's: reading after it begins with the entry itself.

    >>> before(EntryId(5, 7)), before(EntryId(5, 0))
    ('5-6', '4-18446744073709551615')
    """
    if entry.last_offset:
        return f"{entry.append_ms}-{entry.last_offset - 1}"
    return f"{entry.append_ms - 1}-{_MAX_SEQ}"


@dataclass
class Lane:
    """One assigned partition."""

    partition: TopicPartition
    position: int  # offset of the next record that poll() returns
    entry: EntryId | None = None  # that holds record position - 1, as far as known
    cursor: str | None = None  # read after this id; None: look it up by `next_offset`
    next_offset: int = 0  # offset expected at the cursor
    midway: bool = True  # the first entry read may begin before `next_offset`
    paused: bool = False
    version: int = 0  # raised by seek(): an answer to an older question is thrown away
    entries: deque[Entry] = field(default_factory=deque)  # read, not decoded
    records: list[ConsumerRecord] = field(default_factory=list)  # decoded, from `taken` on not yet returned
    taken: int = 0
    decoded_entry: EntryId | None = None
    buffered_bytes: int = 0
    log_end: int | None = None  # as of the last lookup or read
    error: StreamlabError | None = None  # to be raised by poll(); the lane halts
    raised: bool = False
    blocked: bool = False  # the error stands before the next buffered batch, not behind the last
    lost: int = 0  # records that retention removed before they were read

    def start(self, position: int, entry: EntryId | None) -> None:
        """Forget what was read and begin at `position`."""
        self.position = self.next_offset = position
        self.entry = entry
        self.midway = True
        if entry is None:
            self.cursor = None
        elif entry.last_offset + 1 == position:
            self.cursor = str(entry)
        else:
            self.cursor = before(entry)
        self.version += 1
        self.entries.clear()
        self.records, self.taken, self.decoded_entry, self.buffered_bytes = [], 0, None, 0
        self.error, self.raised, self.blocked = None, False, False

    @property
    def has_news(self) -> bool:
        """Whether take() would return or raise something."""
        if self.paused:
            return False
        unread = self.taken < len(self.records) or bool(self.entries) and not self.blocked
        return unread or self.error is not None and not self.raised


class Fetcher(threading.Thread):
    """Reads for one consumer. All lanes are guarded by `changed`, which also tells that something has come."""

    def __init__(self, connection: Connection, partition_log: PartitionLog, config: dict[str, Any], clock: Clock):
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
        self._client: redis.Redis | None = None
        self._socket: Any = None  # the connection that blocks, while there is one
        self._socket_id: int | None = None
        self._entry_bytes = float(_FIRST_ENTRY_GUESS_BYTES)  # running mean
        self.fetches = 0
        self.fetch_ms = 0.0
        self.fetched_bytes = 0
        self.fetched_records = 0

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
            self.lanes[partition].start(position, None)

    def take(self, most: int, deserialize: Deserializer | None) -> dict[TopicPartition, list[ConsumerRecord]]:
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
                if lane.paused:
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
                self.changed.notify_all()  # there is room to read on
        return found

    def _take_from(self, lane: Lane, most: int, deserialize: Deserializer | None) -> list[ConsumerRecord]:
        taken: list[ConsumerRecord] = []
        while len(taken) < most:
            if lane.taken >= len(lane.records) and not self._decode_next(lane, deserialize):
                break
            part = lane.records[lane.taken : lane.taken + most - len(taken)]
            lane.taken += len(part)
            taken = taken + part if taken else part
        if taken:
            lane.position = taken[-1].offset + 1
            lane.entry = lane.decoded_entry
        return taken

    def _decode_next(self, lane: Lane, deserialize: Deserializer | None) -> bool:
        """Decode the lane's next batch. False when there is none, or it cannot be decoded."""
        if lane.blocked or not lane.entries:
            return False
        entry = lane.entries[0]
        try:
            records = records_of(lane.partition, entry, self._config["check_crcs"])
            wanted = max(lane.position, entry.base_offset)
            if wanted > entry.base_offset:
                records = [r for r in records if r.offset >= wanted]
            if deserialize is not None:
                records = deserialize(lane.partition, records)
        except Undecodable as error:
            records = error.readable
            lane.error, lane.blocked = error, True
        except RecordError as error:
            log.error("%s", error)
            lane.error, lane.blocked = error, True
            return False
        lane.entries.popleft()
        lane.buffered_bytes -= len(entry.batch)
        lane.records, lane.taken, lane.decoded_entry = records, 0, entry.id
        return bool(records) or self._decode_next(lane, deserialize)

    def wake(self) -> None:
        """Let the thread look at the lanes again now, even if it is waiting for the server."""
        with self.changed:
            seen = self._plans
            self.changed.notify_all()
        deadline = Deadline(100, self._clock)
        while self._plans == seen and self._socket_id is not None and not deadline.expired:
            try:
                self._connection.client.execute_command("CLIENT", "UNBLOCK", self._socket_id)
            except (RedisError, OSError):
                return  # it notices by itself, at the latest after fetch_max_wait_ms
            with self.changed:
                if self._plans == seen:
                    self.changed.wait(0.005)

    def stop(self) -> None:
        self._stopped = True
        self.wake()

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
        self._plans += 1  # whoever waits in wake() need not any more
        self._close_socket()

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
                and (not lane.entries or lane.buffered_bytes < limit and waiting < total)
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
                lane.log_end = place.log_end
                if place.log_start <= offset <= place.log_end:
                    self._point(lane, place)
                else:
                    self._out_of_range(lane, offset, place)
            self.changed.notify_all()

    def _point(self, lane: Lane, place: Place) -> None:
        lane.midway = True
        if place.entry is not None:
            lane.cursor = before(place.entry)
        elif place.log_end == 0:
            lane.cursor = "0-0"
        else:
            lane.cursor = f"{place.last_append_ms}-{place.log_end - 1}"

    def _out_of_range(self, lane: Lane, offset: int, place: Place) -> None:
        if offset > place.log_end:
            log.warning(
                "%s: position %d is beyond the log end %d: the log lost records. Reading goes on at the log end.",
                lane.partition,
                offset,
                place.log_end,
            )
            self._jump(lane, place.log_end)
            return
        lost = place.log_start - offset
        policy = self._config["auto_offset_reset"]
        if policy == "none":
            lane.error = OffsetOutOfRangeError(
                f"{lane.partition}: offset {offset} was removed by retention; the log starts at {place.log_start}. "
                "seek() to a position inside, or set auto_offset_reset.",
                {lane.partition: offset},
            )
            return
        target = place.log_start if policy == "earliest" else place.log_end
        log.warning(
            "%s: retention removed offsets %d to %d before they were read (%d records); going on at %d.",
            lane.partition,
            offset,
            place.log_start - 1,
            lost,
            target,
        )
        lane.lost += lost
        self._jump(lane, target)

    def _jump(self, lane: Lane, offset: int) -> None:
        """Read on at `offset`; records that wait to be polled stay."""
        lane.next_offset, lane.cursor, lane.midway = offset, None, True
        if not lane.entries and lane.taken >= len(lane.records):
            lane.position, lane.entry = offset, None

    def _read(self, lanes: list[Lane]) -> None:
        """One fetch: what is there at once, or what comes within fetch_max_wait_ms; at least fetch_min_bytes if it can."""
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
            self.fetches += 1 if received else 0
            if not received or got >= least or deadline.expired or self._stopped:
                break
            # too little yet: sleep for as long as the rest takes at the rate so far
            elapsed = max(self._clock.monotonic() - started, 0.001)
            with self.changed:
                plans = self._plans
                self.changed.wait(min(max((least - got) * elapsed / got, 0.005), deadline.remaining_s or 0))
                if self._plans != plans:
                    break
        self.fetch_ms += (self._clock.monotonic() - started) * 1000 if got else 0.0

    def _xread(self, asked: list[tuple[Lane, int, str | None]], block_ms: int) -> list:
        """XREAD on a socket of our own, so that nobody waits behind it and it can be unblocked."""
        if not asked:
            return []
        room = min(READ_BYTES, self._config["fetch_max_bytes"]) / len(asked)
        count = max(1, int(min(room, self._config["max_partition_fetch_bytes"]) / self._entry_bytes))
        names = [keys.log(*lane.partition) for lane, _, _ in asked]
        block = ("BLOCK", block_ms) if block_ms > 0 else ()
        socket = self._open_socket()
        socket.send_command("XREAD", "COUNT", count, *block, "STREAMS", *names, *[cursor for _, _, cursor in asked])
        reply = socket.read_response()
        if isinstance(reply, Exception):
            raise reply
        return reply or []

    def _deliver(self, asked: list[tuple[Lane, int, str | None]], reply: list) -> tuple[int, int]:
        """Put entries into their lanes: (batches, bytes)."""
        by_name = {keys.log(*lane.partition).encode(): (lane, version) for lane, version, _ in asked}
        batches = size = records = 0
        with self.changed:
            for name, raw_entries in reply:
                lane, version = by_name[name]
                for raw in raw_entries:
                    if lane.version != version or self.lanes.get(lane.partition) is not lane or lane.error is not None:
                        break
                    entry = self._parse(lane, raw)
                    if entry is None or not self._fits(lane, entry):
                        break
                    lane.entries.append(entry)
                    lane.cursor, lane.next_offset, lane.midway = str(entry.id), entry.id.last_offset + 1, False
                    lane.log_end = max(lane.log_end or 0, lane.next_offset)
                    lane.buffered_bytes += len(entry.batch)
                    batches, size, records = batches + 1, size + len(entry.batch), records + entry.count
            if batches:
                self._entry_bytes += 0.2 * (max(size / batches, 64.0) - self._entry_bytes)
                self.fetched_bytes += size
                self.fetched_records += records
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
        if entry.base_offset == expected or lane.midway and entry.base_offset < expected <= entry.id.last_offset:
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
        self._jump(lane, entry.base_offset)
        return False

    # -- the socket -----------------------------------------------------------------------------------------------

    def _open_socket(self) -> Any:
        if self._socket is None:
            # the client is kept, because it closes its sockets when it goes
            self._client = self._connection.private_client(self._config["fetch_max_wait_ms"] / 1000 + BLOCK_SLACK_S)
            self._socket = self._client.connection_pool.get_connection()
            self._socket.send_command("CLIENT", "ID")
            self._socket_id = self._socket.read_response()
        return self._socket

    def _close_socket(self) -> None:
        socket, self._socket, self._socket_id = self._socket, None, None
        if socket is not None:
            socket.disconnect()

    def _reconnect(self) -> None:
        """After a failure nothing is believed that was not read: every lane looks its place up again."""
        self._close_socket()
        with self.changed:
            for lane in self.lanes.values():
                lane.cursor = None


class Undecodable(RecordError):
    """A deserializer failed on a record; `readable` are the ones before it."""

    def __init__(self, message: str, readable: list[ConsumerRecord]):
        super().__init__(message)
        self.readable = readable


"""The thread that reads for a consumer, from one server: a bounded buffer ahead of poll().

It reads on for lanes whose buffer is below `max_partition_fetch_bytes`. What the log may do meanwhile, and what is done
about it:

    the position was removed           auto_offset_reset decides: earliest, latest, or OffsetOutOfRangeError; counted
    the log lost its end               after each new connection the last entry read is looked for. When it is gone,
                                       go on where the log lost it, with a warning; nothing is skipped. With
                                       auto_offset_reset none: OffsetOutOfRangeError
    a batch is damaged                 CorruptRecordError from poll(), once; the lane halts until seek(), others go on
    the server is away                 repeat with a pause, from where the reading was
    another master has the partition   its reader goes on
    the partition was deleted          UnknownTopicOrPartitionError from poll(), once; the others go on
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from redis.exceptions import RedisError

from . import keys
from .clock import Deadline
from .cluster.topology import Node
from .errors import CorruptRecordError, OffsetOutOfRangeError, StreamlabError, UnknownTopicOrPartitionError
from .fetch_line import FetchLine, Wanted
from .lane import Lane
from .log import Entry, Place, parse_entry

if TYPE_CHECKING:
    from .fetcher import Fetcher

log = logging.getLogger(__name__)

_FIRST_ENTRY_GUESS_BYTES = 16_384
READ_BYTES = 1 << 20
"""One read asks for about this much in all. More would keep poll() waiting for a large answer while this thread and
the application's take turns at the interpreter."""


class Reader(threading.Thread):
    """Reads the lanes whose master it is for."""

    def __init__(self, fetcher: Fetcher, node: Node | None):
        """`node` None: there is one server."""
        where = "" if node is None else f"-{node}"
        super().__init__(name=f"{fetcher.config['client_id']}-fetcher{where}", daemon=True)
        self.node = node
        self.plans = 0  # how often it has looked at the lanes
        self._fetcher = fetcher
        self._config = fetcher.config
        self._clock = fetcher.clock
        self._line: FetchLine | None = None  # of this thread alone: it blocks
        self._outdated = False  # the line has another timeout than it should
        self._entry_bytes = float(_FIRST_ENTRY_GUESS_BYTES)  # running mean

    def wake(self) -> None:
        """Look at the lanes again now, even if it is waiting for the server. From another thread."""
        with self._fetcher.changed:
            seen = self.plans
            self._fetcher.changed.notify_all()
        deadline = Deadline(100, self._clock)
        while self.plans == seen and (line := self._line) is not None and not deadline.expired:
            line.wake()
            with self._fetcher.changed:
                if self.plans == seen:
                    self._fetcher.changed.wait(0.005)

    def reconnect(self) -> None:
        """Take a new line before the next fetch: it may be held for another time."""
        self._outdated = True

    def run(self) -> None:
        pause_s = 0.0
        while not self._fetcher.stopped:
            if pause_s:
                with self._fetcher.changed:
                    self._fetcher.changed.wait(pause_s)
            plan = self._plan()
            if not plan:
                continue
            try:
                self._look_up([lane for lane in plan if lane.cursor is None or lane.doubted])
                self._read([lane for lane in plan if lane.cursor is not None and not lane.doubted])
                pause_s = 0.0
            except (RedisError, OSError, StreamlabError) as error:
                if not pause_s and not self._fetcher.stopped:
                    log.warning("Reading is interrupted, will repeat: %s", error)
                pause_s = min(max(pause_s * 2, 0.05), self._config["retry_backoff_max_ms"] / 1000)
                self._reconnect()
            except Exception:  # a mistake of ours must not end the reading without a word
                log.exception("Reading failed in a way that was not foreseen; it starts over.")
                pause_s = self._config["retry_backoff_max_ms"] / 1000
                self._reconnect()
        self.plans += 1  # whoever waits in wake() need not any more
        self._hang_up()

    def _plan(self) -> list[Lane]:
        """The lanes to read for now; waits while there is none."""
        limit, total = self._config["max_partition_fetch_bytes"], self._config["fetch_max_bytes"]
        with self._fetcher.changed:
            self.plans += 1
            waiting = sum(lane.buffered_bytes for lane in self._fetcher.lanes.values())
            chosen = [
                lane
                for lane in self._fetcher.lanes.values()
                if lane.node == self.node
                and not lane.paused
                and lane.error is None
                and (not lane.entries or (lane.buffered_bytes < limit and waiting < total))
            ]
            if not chosen and not self._fetcher.stopped:
                self._fetcher.changed.wait(0.5)
            return chosen

    def _look_up(self, lanes: list[Lane]) -> None:
        """Find the cursor of lanes that have none; decide what becomes of a position outside the log."""
        if not lanes:
            return
        asked = {lane.partition: (lane, lane.version, lane.next_offset) for lane in lanes}
        places = self._fetcher.log.locate(
            {partition: offset for partition, (_, _, offset) in asked.items()},
            {lane.partition: lane.witness for lane in lanes},
        )
        with self._fetcher.changed:
            for partition, place in places.items():
                lane, version, offset = asked[partition]
                if lane.version != version or self._fetcher.lanes.get(partition) is not lane:
                    continue
                if isinstance(place, UnknownTopicOrPartitionError):
                    lane.error = place
                    continue
                lane.log_end = place.log_end
                if place.cut is not None:
                    self._cut(lane, place)
                elif lane.doubted and lane.cursor is not None:
                    lane.doubted = False
                elif place.log_start <= offset <= place.log_end:
                    lane.point_at(place)
                else:
                    self._out_of_range(lane, offset, place)
            self._fetcher.changed.notify_all()

    def _cut(self, lane: Lane, place: Place) -> None:
        """A server took over, or came back, with less than was read: what was read of that is not in the log."""
        assert place.cut is not None
        gone = max(0, lane.next_offset - place.cut)
        log.warning(
            "%s: the log lost its end behind offset %d, %d records were read that are not in it any more.",
            lane.partition,
            place.cut,
            gone,
        )
        lane.cut_off += gone
        if self._config["auto_offset_reset"] == "none":
            lane.doubted = False
            lane.error = OffsetOutOfRangeError(
                f"{lane.partition}: the log lost its end behind offset {place.cut}, this consumer had read up to "
                f"{lane.next_offset}. seek() to go on.",
                {lane.partition: lane.next_offset},
            )
            return
        lane.cut(place.cut)

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
            why = f"offsets {offset} to {place.log_start - 1} were removed before they were read ({lost} records)"
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
            if not received or got >= least or deadline.expired or self._fetcher.stopped:
                break
            # too little yet: sleep for as long as the rest takes at the rate so far
            elapsed = max(self._clock.monotonic() - started, 0.001)
            with self._fetcher.changed:
                plans = self.plans
                self._fetcher.changed.wait(
                    min(max((least - got) * elapsed / got, 0.005), deadline.remaining_s or 0)
                )
                if self.plans != plans:
                    break
        if got:
            self._fetcher.stats.count_fetch(got, (self._clock.monotonic() - started) * 1000)

    def _xread(self, asked: Sequence[tuple[Lane, int, str]], block_ms: int) -> list[Any]:
        """On a line of our own, so that nobody waits behind it and it can be woken."""
        if not asked:
            return []
        room = min(READ_BYTES, self._config["fetch_max_bytes"]) / len(asked)
        count = max(1, int(min(room, self._config["max_partition_fetch_bytes"]) / self._entry_bytes))
        wanted = [Wanted(keys.log(*lane.partition), cursor, lane.asking) for lane, _, cursor in asked]
        found = self._open_line().read(wanted, count, block_ms)
        if found.elsewhere:
            self._fetcher.moved(self.node, found.elsewhere, [lane for lane, _, _ in asked])
        return found.logs

    def _deliver(self, asked: Sequence[tuple[Lane, int, str]], reply: list[Any]) -> tuple[int, int]:
        """Put entries into their lanes: (batches, bytes)."""
        by_name = {keys.log(*lane.partition).encode(): (lane, version) for lane, version, _ in asked}
        batches = size = records = 0
        with self._fetcher.changed:
            for name, raw_entries in reply:
                lane, version = by_name[name]
                for raw in raw_entries:
                    if (
                        lane.version != version
                        or self._fetcher.lanes.get(lane.partition) is not lane
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
                self._fetcher.stats.bytes += size
                self._fetcher.stats.records += records
            self._fetcher.changed.notify_all()
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
        lane.cut_off += expected - entry.base_offset
        lane.jump(entry.base_offset)
        return False

    # -- the line -------------------------------------------------------------------------------------------------

    def _open_line(self) -> FetchLine:
        if self._outdated:
            self._outdated = False
            self._hang_up()
        if self._line is None:
            self._line = self._fetcher.open_line(self.node)
        return self._line

    def _hang_up(self) -> None:
        line, self._line = self._line, None
        if line is not None:
            line.close()

    def _reconnect(self) -> None:
        """The cursors stay, but it may be another server that answers next, or one that lost the log's end."""
        self._hang_up()
        self._fetcher.doubt(self.node)

"""Plays a file into a topic: each row becomes one record, a CloudEvent in binary mode.

    read → row or reject → wait its turn → sent → acknowledged → settled → position saved

What is promised. Every row ends up acknowledged or rejected, and is counted as that. A play that dies at any
moment can be resumed: it starts at the last saved position, looks into the log which of the rows behind that
position arrived already, and sends the others. A row of a file has the same event id each time, so that
consumers can tell a repeat too.

What is not promised: a server that loses acknowledged records loses rows of the play with them.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from enum import Enum
from typing import Any

import msgspec

from ..cloudevents import Series, rfc3339
from ..errors import MessageSizeTooLargeError, RetriableError, StreamlabError
from .arrivals import arrived_ids, log_ends
from .pace import FlatOut, Pace
from .positions import Counts, Position, Positions
from .rejects import RejectsFile
from .rows import Blank, Fields, Item, Place, Reject, Row, SourceError
from .sources import Source

EVENT_TYPE = "streamlab.file.row"
SAVE_EVERY_S = 0.5
REPORT_EVERY_S = 0.1
_LOOK_EVERY = 256
"""Rows between two looks at the clock when playing flat out."""
_STOP_TIMEOUT_S = 4.0

PRODUCER = {
    "client_id": "streamlab-play",
    "linger_ms": 20,
    "batch_size": 64 * 1024,
    "max_block_ms": 120_000,
    "compression_type": "lz4",
}


class PlayError(StreamlabError):
    """Raised when a play cannot go on. What was settled until then is saved."""


class Fate(Enum):
    """What became of one item."""

    SENT = "sent"  # settled once it is acknowledged
    FOUND = "found"  # was in the log already when the play was resumed
    REJECTED = "rejected"
    BLANK = "blank"


class Progress(msgspec.Struct):
    """A moment of a play, for whoever watches."""

    settled: Counts  # of the whole play, earlier runs included
    place: Place  # everything before is settled
    sent: int = 0  # by this run
    found: int = 0  # by this run: in the log already
    bytes_read: int = 0
    bytes_total: int = 0
    seconds: float = 0.0  # since this run began
    next_in_s: float = 0.0  # until the next row is due
    finished: bool = False
    damage: str = ""  # why the rest of the file could not be read


class Player:
    """One play of one file into one topic. Call `play` once."""

    def __init__(
        self,
        broker: Any,
        source: Source,
        topic: str,
        fields: Fields,
        *,
        pace: Pace | None = None,
        rejects: RejectsFile,
        uri: str | None = None,
        event_type: str = EVENT_TYPE,
        watch: Callable[[Progress], None] = lambda progress: None,
        **producer_config: Any,
    ):
        self.uri = uri or source.uri
        self._broker, self._source, self._topic, self._fields = broker, source, topic, fields
        self._pace = pace or FlatOut()
        self._rejects = rejects
        self._series = Series(self.uri, event_type)
        self._watch = watch
        self._positions = Positions(broker.connection)
        self._producer_config = PRODUCER | producer_config
        self._under_way: deque[tuple[Any, Place, Fate, bool]] = deque()  # future, after, fate, has a key
        self._stop = threading.Event()
        self._progress = Progress(Counts(), source.start)
        self._saved_at = self._reported_at = 0.0

    def stop(self) -> None:
        """End soon, with everything settled and saved. May be called from a signal handler."""
        self._stop.set()

    def previous(self) -> Position | None:
        """Where an earlier play of this file into this topic came to."""
        return self._positions.load(self._topic, self.uri)

    def play(self, previous: Position | None = None) -> Progress:
        """Play from `previous` on, or from the first row. Raises PlayError, StreamlabError."""
        self._begin(previous)
        arrived = arrived_ids(self._broker, self._topic, self._ends, self.uri) if previous else set()
        producer = self._broker.producer(**self._producer_config)
        try:
            try:
                self._take_all(previous.place if previous else None, producer, arrived)
            except SourceError as error:  # what could be read is played
                self._progress.damage = str(error)
            self._settle_all(producer)
        finally:
            self._end(producer)
        return self._progress

    # -- the steps ----------------------------------------------------------------------------------------

    def _begin(self, previous: Position | None) -> None:
        self._started = self._saved_at = time.monotonic()
        self._progress.bytes_total = self._source.size
        if previous:
            self._check_same(previous)
            self._progress.settled, self._progress.place = previous.counts, previous.place
            self._ends, self._fingerprint = previous.ends, previous.fingerprint
        else:
            self._ends, self._fingerprint = log_ends(self._broker, self._topic), self._source.fingerprint()
        self._rejects.start(self._progress.place.line)
        self._save()

    def _take_all(self, start: Place | None, producer: Any, arrived: set[bytes]) -> None:
        for item in self._source.read(self._fields, start):
            self._take(item, producer, arrived)
            if self._stop.is_set():
                return
        self._progress.finished = True

    def _take(self, item: Item, producer: Any, arrived: set[bytes]) -> None:
        if isinstance(item, Row):
            if arrived and item.id in arrived:
                self._progress.found += 1
                self._under_way.append((None, item.after, Fate.FOUND, item.key is not None))
            else:
                self._send(item, producer)
        elif isinstance(item, Reject):
            self._reject(item)
        elif isinstance(item, Blank):
            self._under_way.append((None, item.after, Fate.BLANK, False))
        if len(self._under_way) % _LOOK_EVERY == 0:
            self._look()

    def _send(self, row: Row, producer: Any) -> None:
        self._wait_turn(row)
        if self._stop.is_set():
            return
        headers = self._series.headers(row.id, row.time_text or rfc3339(datetime.now(UTC)).encode())
        try:
            future = producer.send(self._topic, row.value, row.key, headers)
        except MessageSizeTooLargeError as error:
            self._reject(Reject(row.line, row.after, row.raw, len(row.raw), str(error)))
            return
        self._pace.sent(row)
        self._progress.sent += 1
        self._under_way.append((future, row.after, Fate.SENT, row.key is not None))

    def _reject(self, reject: Reject) -> None:
        self._rejects.add(reject)
        self._under_way.append((None, reject.after, Fate.REJECTED, False))

    def _wait_turn(self, row: Row) -> None:
        while not self._stop.is_set():
            delay = self._pace.delay_s(row, time.monotonic())
            if delay <= 0:
                break
            self._progress.next_in_s = delay
            self._look()
            self._stop.wait(min(delay, REPORT_EVERY_S))
        self._progress.next_in_s = 0.0

    def _look(self) -> None:
        """Settle what can be settled; save and report when it is time."""
        self._settle()
        now = time.monotonic()
        if now - self._saved_at >= SAVE_EVERY_S:
            self._save_if_possible()
        if now - self._reported_at >= REPORT_EVERY_S:
            self._report()

    def _settle(self) -> None:
        """Count items in the order of the file, up to the first that is not acknowledged yet."""
        under_way = self._under_way
        while under_way:
            future, after, fate, keyed = under_way[0]
            if future is not None and not future.is_done:
                return
            if future is not None:
                self._note_end(future)
            under_way.popleft()
            self._count(fate, keyed)
            self._progress.place = after

    def _count(self, fate: Fate, keyed: bool) -> None:
        counts = self._progress.settled
        if fate is Fate.SENT or fate is Fate.FOUND:
            counts.acknowledged += 1
            counts.without_key += not keyed
        elif fate is Fate.REJECTED:
            counts.rejected += 1
        else:
            counts.blank += 1

    def _note_end(self, future: Any) -> None:
        """Rows behind this one stand behind it in its partition too: a producer keeps their order."""
        try:
            metadata = future.get(0)
        except StreamlabError as error:
            line = self._progress.place.line
            raise PlayError(
                f"Line {line} was not acknowledged: {error} Resume once the server is well."
            ) from error
        self._ends[metadata.partition] = metadata.offset + 1

    def _settle_all(self, producer: Any) -> None:
        try:
            producer.flush(_STOP_TIMEOUT_S if self._stop.is_set() else None)
        except RetriableError:
            self._progress.finished = False  # what is not acknowledged by now is sent again by the next run
        self._settle()
        if self._stop.is_set():
            self._save_if_possible()
        else:
            self._save()

    def _end(self, producer: Any) -> None:
        self._report()
        self._rejects.close()
        if self._under_way:  # not finished: do not wait for a server that may never answer
            self._save_if_possible()
            producer.close(0)
        else:
            producer.close()

    # -- saving and telling -------------------------------------------------------------------------------

    def _save(self) -> None:
        self._rejects.flush()
        progress = self._progress
        finished = progress.finished and not self._under_way
        position = Position(progress.place, self._fingerprint, self._ends, progress.settled, finished)
        self._positions.save(self._topic, self.uri, position)
        self._saved_at = time.monotonic()

    def _save_if_possible(self) -> None:
        """An old position costs a longer look into the log at the next start, nothing else."""
        try:
            self._save()
        except RetriableError:
            self._saved_at = time.monotonic()

    def _report(self) -> None:
        self._progress.bytes_read = self._source.bytes_read
        self._progress.seconds = time.monotonic() - self._started
        self._reported_at = time.monotonic()
        self._watch(self._progress)

    def _check_same(self, previous: Position) -> None:
        now = self._source.fingerprint(previous.fingerprint.head_bytes)
        if now.size < previous.fingerprint.size or now[:2] != previous.fingerprint[:2]:
            raise PlayError(
                f"{self._source.path} has changed since its play was begun. Play it from the first row."
            )
        ends = log_ends(self._broker, self._topic)
        if any(ends.get(partition, 0) < end for partition, end in previous.ends.items()):
            raise PlayError(
                f"Topic {self._topic!r} has fewer records than this play had written: it was made anew or "
                "has lost some. Play the file from the first row."
            )

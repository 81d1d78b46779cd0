"""One pass over one partition: map, thin, finish. What a pass is stands in the package's docstring."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Iterator
from hashlib import blake2b
from typing import Any, NamedTuple

from .. import codec, keys
from ..connection import Connection
from ..errors import RecordError, StreamlabError
from ..log import Entry, parse_entry
from ..model import EntryId, TopicPartition
from ..topics import TopicSpec
from .edge import Edge

log = logging.getLogger(__name__)

KEYS_A_PASS = 500_000
"""Keys that one pass remembers, about 70 MB. Where there are more, the next pass goes on."""
ENTRIES_A_CALL = 512
BYTES_A_CALL = 1 << 20
"""Bound how long one call keeps the server busy: 1 MiB of batches takes it 1 to 3 ms."""
_READ_ENTRIES = 64
_SHORT_KEY = 20


class Compacted(NamedTuple):
    """What a pass did."""

    partition: TopicPartition
    entries: int  # looked at
    records: int  # looked at
    removed: int  # records
    rewritten: int  # entries that changed, those that went included
    tombstones: int  # kept
    took_s: float
    done: bool  # False: it was given up, because records were removed from the front or another pass began


def compact(
    connection: Connection, partition: TopicPartition, spec: TopicSpec, edge: Edge, now_ms: int
) -> Compacted:
    """Make one pass. Raises StreamlabError; the log is then what it was, and the next pass starts anew."""
    return _Pass(connection, partition, spec, edge, now_ms).run()


class _Thinned(NamedTuple):
    """What is left of one entry."""

    kept: list[int] | None  # indexes of its records; None: it stays as it is
    records: int  # it had
    has_tombstones: bool


class _Pass:
    """One pass over one partition."""

    def __init__(
        self, connection: Connection, partition: TopicPartition, spec: TopicSpec, edge: Edge, now_ms: int
    ):
        assert edge.until is not None
        self._connection = connection
        self._partition = partition
        self._edge = edge
        self._now_ms = now_ms
        self._delete_retention_ms: int = spec.config("delete.retention.ms")
        self._token = secrets.token_hex(8)
        self._begun = False
        self._until = edge.until  # last entry that this pass looks at
        self._until_bytes = max(edge.last_bytes, edge.clean_bytes)
        self._newest: dict[bytes, int] = {}  # short form of a key -> its newest offset up to `_until`
        self._put: list[Any] = []  # arguments for put.lua, not sent yet
        self._put_bytes = 0
        self._copied: EntryId | None = None  # everything up to it is in the cleaned log, or dropped
        self._covered = edge.log_start - 1  # last offset that the cleaned log stands for
        self._looked_at: EntryId | None = None
        self._tombstone_ms: int | None = None
        self._entries = self._records = self._removed = self._rewritten = self._tombstones = 0

    def run(self) -> Compacted:
        started = time.monotonic()
        try:
            self._begin()  # before anything is read: a topic that is deleted and made anew meanwhile ends the pass
            self._map()
            self._thin()
            done = self._finish() if self._rewritten else self._mark()
        except StreamlabError as error:
            self._abandon()
            if not _overtaken(error):
                raise
            log.info("%s: compaction gives way: %s", self._partition, error)
            done = False
        return Compacted(
            self._partition, self._entries, self._records, self._removed, self._rewritten, self._tombstones,
            time.monotonic() - started, done,
        )  # fmt: skip

    # -- map ------------------------------------------------------------------------------------------------------

    def _map(self) -> None:
        """Learn the newest offset of every key in the new part; look no further when it is too much."""
        if self._edge.last is None or (self._edge.clean is not None and self._edge.clean >= self._edge.last):
            return
        before: tuple[EntryId, int] | None = None
        for _, entry, cumulative in self._read(self._edge.clean, self._edge.last):
            decoded = _decoded(self._partition, entry)
            if entry is None or decoded is None:
                continue
            if before is not None and len(self._newest) + len(decoded.keys) > KEYS_A_PASS:
                self._until, self._until_bytes = before
                return
            last = entry.id.last_offset
            for key, distance in zip(decoded.keys, codec.distances(decoded), strict=True):
                if key is not None:
                    self._newest[_short(key)] = last - distance
            before = (entry.id, cumulative)

    # -- thin -----------------------------------------------------------------------------------------------------

    def _thin(self) -> None:
        for entry_id, entry, cumulative in self._read(None, self._until):
            self._entries += 1
            decoded = _decoded(self._partition, entry)
            if entry is not None and decoded is not None:
                thinned = self._thinned(entry, decoded)
                self._records += thinned.records
                if thinned.kept is not None:
                    self._replace(entry, thinned, cumulative)
            self._looked_at = entry_id

    def _thinned(self, entry: _Stored, columns: codec.Columns) -> _Thinned:
        over = (
            entry.tombstone_ms is not None and self._now_ms - entry.tombstone_ms >= self._delete_retention_ms
        )
        newest, last = self._newest, entry.id.last_offset
        kept = []
        tombstones = 0
        rows = zip(columns.keys, columns.values, codec.distances(columns), strict=True)
        for index, (key, value, distance) in enumerate(rows):
            if key is None or newest.get(_short(key), -1) > last - distance:
                continue
            if value is None:
                if over:
                    continue
                tombstones += 1
            kept.append(index)
        records = len(columns.keys)
        self._tombstones += tombstones
        if tombstones:
            self._tombstone_ms = max(self._tombstone_ms or 0, entry.tombstone_ms or self._now_ms)
        as_it_was = len(kept) == records and (not tombstones or entry.tombstone_ms is not None)
        return _Thinned(None if as_it_was else kept, records, tombstones > 0)

    def _replace(self, entry: _Stored, thinned: _Thinned, cumulative: int) -> None:
        """The entry changes: first what lies before it goes into the cleaned log, then what is left of it."""
        assert thinned.kept is not None
        self._copy_until(self._looked_at)
        self._rewritten += 1
        self._removed += thinned.records - len(thinned.kept)
        self._copied = entry.id
        if not thinned.kept:
            return
        whole = len(thinned.kept) == thinned.records
        batch = entry.batch if whole else codec.thinned(entry.batch, thinned.kept)
        since = (entry.tombstone_ms or self._now_ms) if thinned.has_tombstones else ""
        self._put += [str(entry.id), len(thinned.kept), cumulative, since, batch]
        self._put_bytes += len(batch)
        if self._put_bytes >= BYTES_A_CALL or len(self._put) >= 5 * ENTRIES_A_CALL:
            self._flush()

    def _begin(self) -> None:
        names = [keys.meta(*self._partition), keys.cleaned(*self._partition)]
        self._connection.run("compact/begin", names, [self._token, self._edge.log_start])
        self._begun = True

    def _flush(self) -> None:
        if self._put:
            names = [keys.meta(*self._partition), keys.cleaned(*self._partition)]
            self._connection.run("compact/put", names, [self._token, self._covered, *self._put])
            self._covered = EntryId.parse(self._put[-5]).last_offset
            self._put, self._put_bytes = [], 0

    def _copy_until(self, till: EntryId | None) -> None:
        """Entries behind the last one written or dropped, up to `till`, stay as they are."""
        if till is None or (self._copied is not None and self._copied >= till):
            return
        self._flush()
        more = 1
        while more:
            last, more = self._connection.run(
                "compact/copy",
                self._names(),
                [self._token, self._covered, self._place(), str(till), ENTRIES_A_CALL, BYTES_A_CALL],
            )
            self._went_to(last)
        self._copied = till

    # -- finish ---------------------------------------------------------------------------------------------------

    def _finish(self) -> bool:
        self._copy_until(self._looked_at)
        self._flush()
        swapped = 0
        while not swapped:
            last, swapped = self._connection.run(
                "compact/finish",
                self._names(),
                [
                    self._token, self._covered, self._place(), ENTRIES_A_CALL, BYTES_A_CALL,
                    self._edge.log_start, str(self._until), self._until_bytes, self._tombstone_ms or "",
                ],
            )  # fmt: skip
            self._went_to(last)
        return True

    def _mark(self) -> bool:
        arguments = [self._token, str(self._until), self._until_bytes]
        return bool(self._connection.run("compact/mark", [keys.meta(*self._partition)], arguments))

    def _abandon(self) -> None:
        if not self._begun:
            return
        names = [keys.meta(*self._partition), keys.cleaned(*self._partition)]
        try:
            self._connection.run("compact/abandon", names, [self._token])
        except StreamlabError as error:
            log.info("%s: what compaction left behind stays until the next pass: %s", self._partition, error)

    # -- how ------------------------------------------------------------------------------------------------------

    def _names(self) -> list[str]:
        return [keys.meta(*self._partition), keys.cleaned(*self._partition), keys.log(*self._partition)]

    def _went_to(self, last: bytes) -> None:
        """A script copied up to there; b"": it copied nothing."""
        if last:
            self._copied = EntryId.parse(last)
            self._covered = self._copied.last_offset

    def _place(self) -> str:
        return "-" if self._copied is None else f"({self._copied}"

    def _read(self, after: EntryId | None, till: EntryId) -> Iterator[tuple[EntryId, _Stored | None, int]]:
        """Ids in order, with the entry, None for one that is not ours, and the bytes appended up to it."""
        place, count = "-" if after is None else f"({after}", _READ_ENTRIES
        while True:
            [page] = self._connection.execute_many(
                [("XRANGE", keys.log(*self._partition), place, str(till), "COUNT", count)]
            )
            if not page:
                return
            size = 0
            for raw in page:
                size += sum(map(len, _by_name(raw[1]).values()))
                yield _stored(raw)
            place = f"({page[-1][0].decode()}"
            count = max(1, min(ENTRIES_A_CALL, int(BYTES_A_CALL * len(page) / max(1, size))))


class _Stored(NamedTuple):
    """An entry as it stands in the log."""

    id: EntryId
    batch: bytes
    tombstone_ms: int | None  # when a pass first went over its tombstones; None: none did, or it has none


def _stored(raw: Any) -> tuple[EntryId, _Stored | None, int]:
    try:
        entry: Entry = parse_entry(raw)
        fields = _by_name(raw[1])
        since = fields.get(b"t")
        return entry.id, _Stored(entry.id, entry.batch, int(since) if since else None), int(fields[b"c"])
    except (RecordError, ValueError, KeyError):
        return EntryId.parse(raw[0]), None, 0


def _by_name(fields: Any) -> dict[bytes, bytes]:
    """Of an entry, whether the client made a dict of it or not."""
    return fields if isinstance(fields, dict) else dict(zip(fields[::2], fields[1::2], strict=True))


def _decoded(partition: TopicPartition, entry: _Stored | None) -> codec.Columns | None:
    """None for a foreign entry or a damaged batch, which stay as they are: whoever reads them is told."""
    try:
        return codec.decode(entry.batch)[1] if entry is not None else None
    except RecordError as error:
        log.warning("%s: compaction leaves an entry as it is: %s", partition, error)
        return None


def _short(key: bytes) -> bytes:
    return key if len(key) <= _SHORT_KEY else blake2b(key, digest_size=_SHORT_KEY).digest()


def _overtaken(error: StreamlabError) -> bool:
    return any(code in str(error) for code in ("FRONT_MOVED", "CLEANER_FENCED", "UNKNOWN_PARTITION"))

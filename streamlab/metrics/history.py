"""The past, at three resolutions: 15 minutes by the second, 6 hours by ten seconds, a week by the minute.

The three rings of a topic take 300 kB of the server's memory, those of a group 225 kB.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import redis

from .. import keys
from ..connection import Connection
from ..errors import IllegalArgumentError, translated
from ..wire import request, wire
from . import rings
from .rings import COARSER, FIELDS, FINEST, RESOLUTIONS, Aggregate, Resolution
from .snapshot import Snapshot

RENEWALS_A_SPAN = 20
"""A ring's expiry, twice its span, is set again so many times a span."""

Series = dict[str, list[float | None]]
"""`t`: start of each step in ms, rising evenly; each field: one amount a step, None where it is not known."""


class History:
    """Reads. Safe to share between threads."""

    def __init__(self, connection: Connection):
        self._client = connection.client

    def series(
        self, kind: str, name: str, fields: Sequence[str], resolution: str, since_ms: int, until_ms: int
    ) -> Series:
        """Steps that begin after `since_ms` and not after `until_ms`, from the first to the last that was
        kept.

            history.series("group", "analytics", ["lag"], "1s", now_ms - 60_000, now_ms)
            {"t": [1700000000000, 1700000001000, …], "lag": [120.0, None, …]}

        All lists are empty for a thing without history. Kinds and fields are those of `rings.FIELDS`,
        resolutions 1s, 10s, 60s. Raises IllegalArgumentError for others, and StreamlabError.
        """
        return self.many(kind, [name], fields, resolution, since_ms, until_ms)[name]

    def many(
        self,
        kind: str,
        names: Iterable[str],
        fields: Sequence[str],
        resolution: str,
        since_ms: int,
        until_ms: int,
    ) -> dict[str, Series]:
        """The same for several things of one kind in one round trip."""
        columns = _columns(kind, fields)
        ring = _resolution(resolution)
        first_s = ring.start_of(since_ms // 1000) + ring.step_s
        last_s = ring.start_of(until_ms // 1000)
        first_s = max(first_s, last_s - ring.span_s + ring.step_s)
        asked = list(names)
        pieces = _pieces(ring, first_s, last_s, rings.cell_bytes(kind))
        with translated():
            pipe = self._client.pipeline(transaction=False)
            for name in asked:
                for start, end in pieces:
                    pipe.getrange(keys.history(ring.name, kind, name), start, end)
            replies: list[bytes] = pipe.execute() if pieces and asked else [b""] * len(asked)
        n = max(len(pieces), 1)
        found = {}
        for i, name in enumerate(asked):
            found[name] = _series(kind, columns, ring, first_s, last_s, replies[n * i : n * i + n], pieces)
        return found


def _columns(kind: str, fields: Sequence[str]) -> dict[str, int]:
    """Field -> its place in a cell, whose first place is the time."""
    known = FIELDS.get(kind)
    if known is None:
        raise IllegalArgumentError(f"There is no history of a {kind!r}; there is of: {', '.join(FIELDS)}.")
    unknown = [field for field in fields if field not in known]
    if unknown:
        raise IllegalArgumentError(f"A {kind} has no {unknown[0]!r}; it has: {', '.join(known)}.")
    return {field: known.index(field) + 1 for field in fields}


def _resolution(name: str) -> Resolution:
    if name not in RESOLUTIONS:
        raise IllegalArgumentError(f"There is no resolution {name!r}; there are: {', '.join(RESOLUTIONS)}.")
    return RESOLUTIONS[name]


def _pieces(ring: Resolution, first_s: int, last_s: int, size: int) -> list[tuple[int, int]]:
    """Byte ranges, both ends included, that hold these steps in order of time: one, or two around the ring's
    end."""
    if last_s < first_s:
        return []
    first, last = ring.slot(first_s), ring.slot(last_s)
    slots = [(first, last)] if first <= last else [(first, ring.cells - 1), (0, last)]
    return [(a * size, (b + 1) * size - 1) for a, b in slots]


def _series(
    kind: str,
    columns: dict[str, int],
    ring: Resolution,
    first_s: int,
    last_s: int,
    replies: Sequence[bytes],
    pieces: Sequence[tuple[int, int]],
) -> Series:
    data = b"".join(
        reply.ljust(end - start + 1, b"\0") for reply, (start, end) in zip(replies, pieces, strict=False)
    )
    steps = range(first_s, last_s + 1, ring.step_s)
    cells = [
        cell if cell[0] == at_s else None for at_s, cell in zip(steps, rings.unpack(kind, data), strict=False)
    ]
    kept = [i for i, cell in enumerate(cells) if cell is not None]
    if not kept:
        return {"t": [], **{field: [] for field in columns}}
    shown = cells[kept[0] : kept[-1] + 1]
    series: Series = {"t": [(first_s + i * ring.step_s) * 1000 for i in range(kept[0], kept[-1] + 1)]}
    for field, place in columns.items():
        series[field] = [None if cell is None else rings.known(cell[place]) for cell in shown]
    return series


class Recorder:
    """Writes. A tick writes one cell for every thing, and the coarser cells when they are over.

    What a coarser cell has gathered is in memory: a sampler that dies takes at most one cell of each ring
    with it.
    """

    def __init__(self, client: redis.Redis):
        self._client = client
        self._gathering = [_Gathering(resolution) for resolution in COARSER]
        self._renewed: dict[str, int] = {}  # key -> second

    def record(self, snapshot: Snapshot) -> None:
        """Append one tick. Raises redis-py's errors; the tick is then missing."""
        at_s = snapshot.as_of_ms // 1000
        rows = {(kind, name): row for kind, name, row in rings.amounts(snapshot)}
        commands = self._commands(FINEST, at_s, rows)
        for gathering in self._gathering:
            for start_s, over in gathering.add(at_s, rows):
                commands += self._commands(gathering.resolution, start_s, over)
        self._send(commands)
        if len(self._renewed) > 2 * len(RESOLUTIONS) * len(rows):
            self._forget_the_gone(at_s)

    def _forget_the_gone(self, at_s: int) -> None:
        """Drop what is remembered of rings that nobody has written to for their whole span."""
        longest_s = max(ring.span_s for ring in RESOLUTIONS.values())
        self._renewed = {key: then_s for key, then_s in self._renewed.items() if at_s - then_s < longest_s}

    def flush(self) -> None:
        """Write the coarser cells as far as they are. Raises redis-py's errors."""
        commands: list[tuple[str | int | bytes, ...]] = []
        for gathering in self._gathering:
            for start_s, over in gathering.close():
                commands += self._commands(gathering.resolution, start_s, over)
        self._send(commands)

    def renew_expiries(self) -> None:
        """Set every ring's expiry again at its next cell: the server may have lost them."""
        self._renewed.clear()

    def _commands(self, ring: Resolution, at_s: int, rows: rings.Rows) -> list[tuple[str | int | bytes, ...]]:
        commands: list[tuple[str | int | bytes, ...]] = []
        start_s, slot = ring.start_of(at_s), ring.slot(at_s)
        for (kind, name), row in rows.items():
            key = keys.history(ring.name, kind, name)
            if at_s - self._renewed.get(key, 0) >= ring.span_s // RENEWALS_A_SPAN:
                # one byte past the last cell: a new ring gets its whole size at once, and no more than that;
                # grown cell by cell it would take twice as much, for the server doubles a string that grows
                commands.append(("SETRANGE", key, ring.cells * rings.cell_bytes(kind), b"\0"))
                commands.append(("EXPIRE", key, 2 * ring.span_s))
                self._renewed[key] = at_s
            commands.append(("SETRANGE", key, slot * rings.cell_bytes(kind), rings.pack(kind, start_s, row)))
        return commands

    def _send(self, commands: list[tuple[str | int | bytes, ...]]) -> None:
        if commands:
            with wire(self._client) as line:
                line.ask(request(commands))


class _Gathering:
    """The coarser cell that is being filled."""

    def __init__(self, resolution: Resolution):
        self.resolution = resolution
        self._start_s = -1
        self._rows: dict[tuple[str, str], Aggregate] = {}

    def add(self, at_s: int, rows: rings.Rows) -> list[tuple[int, rings.Rows]]:
        """Take a tick in; the cell that is over because of it, if any: its start and rows."""
        start_s = self.resolution.start_of(at_s)
        over = self.close() if start_s != self._start_s else []
        self._start_s = start_s
        for key, row in rows.items():
            aggregate = self._rows.get(key)
            if aggregate is None:
                aggregate = self._rows[key] = Aggregate(key[0])
            aggregate.add(row)
        return over

    def close(self) -> list[tuple[int, rings.Rows]]:
        if not self._rows:
            return []
        over = (self._start_s, {key: aggregate.amounts() for key, aggregate in self._rows.items()})
        self._rows = {}
        return [over]

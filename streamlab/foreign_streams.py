"""Plain Redis Streams that other programs made: found, and described without touching them.

Their consumer groups are Redis's own, so two figures can be unknown that are always known for a topic:

- The lag, where a group stands in the middle: the server counts it, and gives up after XGROUP CREATE or SETID at an id
  in the middle, and after an entry that the group had not read yet was deleted. Where a group stands before the first
  entry or at the end, the lag is all or nothing, whatever the server says: after a trim, some say too much.
  Source: https://redis.io/docs/latest/commands/xinfo-groups/
- The rate, which comes from the ids, when a program chose ids that are no times.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import redis
from redis.exceptions import ResponseError

from .connection import Call, Connection
from .errors import StreamlabError, translated
from .model import EntryId

SCAN_COUNT = 1_000
SCAN_LIMIT_S = 5.0
MOST_STREAMS = 1_000
RECENT_ENTRIES = 100
RATE_WINDOW_MS = 60_000
EARLIEST_MS = 1_262_304_000_000
"""2010: an id below is a number of somebody's own, no time."""

_OURS = re.compile(rb"sl:\{(.+)/\d+\}:log", re.DOTALL)
_OURS_BESIDES = re.compile(rb"sl:\{.+\}:(events|cleaned)|sl:past:\d+s", re.DOTALL)
_ZERO = EntryId(0, 0)


class Figure(NamedTuple):
    """A number, or the reason why it is not known."""

    value: float | None
    unknown_because: str | None = None


class Found(NamedTuple):
    """The keys of streams, and whether those are all."""

    keys: list[bytes]
    complete: bool


@dataclass(frozen=True)
class StreamSummary:
    key: bytes
    length: int  # entries
    first_id: EntryId | None  # None: the stream is empty
    last_id: EntryId | None  # of the newest entry that is there
    last_entry_ms: int | None  # None: empty, or its ids are no times
    rate: Figure  # entries a second
    groups: int


@dataclass(frozen=True)
class NativeConsumer:
    name: bytes
    pending: int  # entries delivered to it and not acknowledged
    idle_ms: int  # since it last asked for something


@dataclass(frozen=True)
class NativeGroup:
    name: bytes
    last_delivered_id: EntryId
    lag: Figure  # entries not delivered yet
    pending: int
    oldest_pending_ms: (
        int | None
    )  # since the oldest pending entry was last delivered; None: nothing is pending
    oldest_deliveries: int | None  # how often it was delivered
    consumers: list[NativeConsumer]


@dataclass(frozen=True)
class StreamDescription:
    summary: StreamSummary
    groups: list[NativeGroup]


def find(
    connection: Connection, pattern: str = "*", most: int = MOST_STREAMS, within_s: float = SCAN_LIMIT_S
) -> Found:
    """The keys of up to `most` streams that are not Streamlab's own, found within about `within_s` seconds.

    SCAN goes through the server in small steps between other commands; KEYS would stop it. On a cluster through
    every master.
    """
    found: dict[bytes, None] = {}
    deadline = time.monotonic() + within_s
    with translated():
        ended = [_scan_one(client, pattern, found, most, deadline) for client in connection.servers()]
    return Found(sorted(found)[:most], all(ended) and len(found) <= most)


def _scan_one(
    client: redis.Redis, pattern: str, found: dict[bytes, None], most: int, deadline: float
) -> bool:
    """Add what one server has. False when it was not gone through to the end."""
    cursor = 0
    while True:
        cursor, keys = _scan(client, cursor, pattern)
        found |= dict.fromkeys(
            key for key in keys if not (_OURS.fullmatch(key) or _OURS_BESIDES.fullmatch(key))
        )
        if not cursor:
            return True
        if len(found) > most or time.monotonic() > deadline:
            return False


def _scan(client: redis.Redis, cursor: int, pattern: str) -> tuple[int, list[bytes]]:
    reply: Any = client.scan(cursor, match=pattern, count=SCAN_COUNT, _type="stream")
    return int(reply[0]), reply[1]


def summaries(connection: Connection, keys: Sequence[bytes]) -> list[StreamSummary]:
    """Those of the keys that still are streams, in their order; a few round trips for all."""
    now_ms = connection.server_time_ms()
    described = []
    with translated():
        pipe = connection.client.pipeline(transaction=False)
        for key in keys:
            pipe.xinfo_stream(key)
        infos = pipe.execute(raise_on_error=False)
        recent = connection.run_many([Call("recent_ids", [key], [RECENT_ENTRIES]) for key in keys])  # type: ignore[list-item]
    for key, info, ids in zip(keys, infos, recent, strict=True):
        if isinstance(info, ResponseError):
            continue  # deleted since, or no stream any more
        if isinstance(info, Exception):
            raise info
        described.append(_summary(key, info, ids, now_ms))
    return described


def describe(connection: Connection, key: bytes) -> StreamDescription:
    """One stream with its groups and their consumers. Raises StreamlabError when the key holds no foreign stream."""
    _check(connection, key)
    found = summaries(connection, [key])
    if not found:
        raise StreamlabError(f"There is no stream {_name(key)} any more.")
    client: Any = connection.client
    with translated():
        stream = client.xinfo_stream(key)
        infos = client.xinfo_groups(key)
        pipe = client.pipeline(transaction=False)
        for info in infos:
            pipe.xinfo_consumers(key, info["name"])
            pipe.xpending_range(key, info["name"], "-", "+", 1)
        replies = pipe.execute()
    groups = [
        _group(info, stream, consumers, oldest)
        for info, consumers, oldest in zip(infos, replies[::2], replies[1::2], strict=True)
    ]
    return StreamDescription(found[0], groups)


def _check(connection: Connection, key: bytes) -> None:
    own = _OURS.fullmatch(key)
    if own:
        topic = own[1].decode("utf-8", "backslashreplace")
        raise StreamlabError(f"{_name(key)} is a partition of a topic: streamlab topics describe {topic}")
    with translated():
        reply: Any = connection.client.type(key)
    kind = reply.decode()
    if kind == "none":
        raise StreamlabError(f"There is no stream {_name(key)}. `streamlab streams` lists what there is.")
    if kind != "stream":
        raise StreamlabError(f"{_name(key)} is no stream but a {kind}.")


def _name(key: bytes) -> str:
    return repr(key.decode("utf-8", "backslashreplace"))


def _summary(key: bytes, info: Mapping[str, Any], ids: Any, now_ms: int) -> StreamSummary:
    first, last = _entry_id(info.get("first-entry")), _entry_id(info.get("last-entry"))
    if isinstance(ids, Exception):
        rate = Figure(None, f"the server refuses it ({ids})")
    else:
        rate = rate_of([EntryId.parse(text).append_ms for text in ids], now_ms)
    last_ms = last.append_ms if last and _is_time(last.append_ms, now_ms) else None
    return StreamSummary(key, info["length"], first, last, last_ms, rate, info["groups"])


def _entry_id(entry: Any) -> EntryId | None:
    return EntryId.parse(entry[0]) if entry else None


def rate_of(newest_first_ms: Sequence[int], now_ms: int) -> Figure:
    """Entries a second over the last minute; over the entries given, when all are younger than that.

    >>> rate_of([1_700_000_059_000, 1_700_000_030_000, 1_600_000_000_000], 1_700_000_060_000).value  # 2 in a minute
    0.03333333333333333
    >>> rate_of([1_700_000_059_000, 1_700_000_058_000], 1_700_000_060_000).value  # 1 more within 2 s
    0.5
    """
    if not newest_first_ms:
        return Figure(0.0)
    newest, oldest = newest_first_ms[0], newest_first_ms[-1]
    if not (_is_time(newest, now_ms) and _is_time(oldest, now_ms)):
        return Figure(None, "its ids are no times")
    if oldest <= now_ms - RATE_WINDOW_MS:
        recent = sum(1 for ms in newest_first_ms if ms > now_ms - RATE_WINDOW_MS)
        return Figure(recent / (RATE_WINDOW_MS / 1000))
    if len(newest_first_ms) == 1:
        return Figure(None, "a single entry makes no rate")
    span_ms = now_ms - oldest
    if span_ms <= 0:
        return Figure(None, "all its entries are of this very millisecond")
    return Figure((len(newest_first_ms) - 1) / (span_ms / 1000))


def _is_time(ms: int, now_ms: int) -> bool:
    """A clock may be a little ahead."""
    return EARLIEST_MS <= ms <= now_ms + RATE_WINDOW_MS


def _group(
    info: Mapping[str, Any],
    stream: Mapping[str, Any],
    consumers: Sequence[Mapping[str, Any]],
    oldest: Sequence[Mapping[str, Any]],
) -> NativeGroup:
    first_pending = oldest[0] if oldest else None
    return NativeGroup(
        info["name"],
        EntryId.parse(info["last-delivered-id"]),
        lag_of(info, stream),
        info["pending"],
        first_pending["time_since_delivered"] if first_pending else None,
        first_pending["times_delivered"] if first_pending else None,
        [NativeConsumer(c["name"], c["pending"], c["idle"]) for c in consumers],
    )


def lag_of(group: Mapping[str, Any], stream: Mapping[str, Any]) -> Figure:
    """Entries that the group has not been given, from `XINFO GROUPS` and `XINFO STREAM`.

    >>> stream = {"length": 10, "first-entry": (b"1000-0", {}), "last-entry": (b"1009-0", {}),
    ...     "last-generated-id": b"1009-0", "recorded-first-entry-id": b"1000-0"}
    >>> lag_of({"last-delivered-id": b"1004-0", "entries-read": None, "lag": None}, stream).unknown_because
    'the group was set to an id in the middle, where the server does not count; it is at 1004-0 now'
    """
    position, end = EntryId.parse(group["last-delivered-id"]), EntryId.parse(stream["last-generated-id"])
    first, last = _entry_id(stream["first-entry"]), _entry_id(stream["last-entry"])
    if first is None or last is None or last <= position <= end:
        return Figure(0)
    if first > position:
        return Figure(stream["length"])
    if "lag" not in group:
        return Figure(None, "servers older than 7.0 do not count it")
    lag = group["lag"]
    if lag is not None and lag >= stream["length"]:  # the first entry has been delivered, so it must be less
        return Figure(
            None, f"the server says {lag}, which is too many for the {stream['length']} entries there are"
        )
    if lag is not None:
        return Figure(lag)
    if position > end:
        return Figure(None, f"the group stands at {position}, beyond the end of the stream at {end}")
    if group.get("entries-read") is None and position not in (
        _ZERO,
        _id_of(stream, "recorded-first-entry-id"),
    ):
        return Figure(
            None,
            f"the group was set to an id in the middle, where the server does not count; it is at {position} now",
        )
    deleted = _id_of(stream, "max-deleted-entry-id")
    if deleted > position:
        return Figure(None, f"entries that the group has not read were deleted, the last of them {deleted}")
    return Figure(None, "the server does not say why")


def _id_of(stream: Mapping[str, Any], name: str) -> EntryId:
    return EntryId.parse(stream.get(name, b"0-0"))

"""What the server says of itself: INFO, the slow log, a setting. One round trip a master."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import redis

from ..connection import Connection
from ..errors import translated
from .world import MOST_SLOW, SLOW_WINDOW_MS, Server, SlowCommand

_OURS = frozenset(["SLOWLOG", "INFO", "CONFIG"])


class Counters(msgspec.Struct, frozen=True):
    """What is counted since a master's start; two of them make a difference."""

    at_ms: int
    run_id: str
    fsyncs_delayed: int
    reads: int  # XREAD


def ask(
    connection: Connection, now_ms: int, before: Mapping[str, Counters]
) -> tuple[Server, dict[str, Counters]]:
    """`before` and what is given back: by run id. Raises StreamlabError; what only is refused is left out."""
    found, counters = [], {}
    with translated():
        servers = connection.servers()
        for client in servers:
            info, slow, limits = _replies(client)
            counted = _counters(info, now_ms)
            counters[counted.run_id] = counted
            found.append(_server(info, slow, limits, counted, before.get(counted.run_id), now_ms))
    return _worst(found), counters


def _replies(client: redis.Redis) -> list[Any]:
    pipe = client.pipeline(transaction=False)
    pipe.execute_command("INFO", "all")
    pipe.execute_command("SLOWLOG", "GET", MOST_SLOW)
    pipe.execute_command("CONFIG", "GET", "slowlog-log-slower-than")
    replies: list[Any] = pipe.execute(raise_on_error=False)
    if isinstance(replies[0], Exception):
        raise replies[0]
    return replies


def _counters(info: Mapping[str, Any], now_ms: int) -> Counters:
    reads: Any = info.get("cmdstat_xread", {})
    return Counters(
        now_ms,
        str(info.get("run_id", "")),
        int(info.get("aof_delayed_fsync", 0) or 0),
        int(reads.get("calls", 0)) if isinstance(reads, Mapping) else 0,
    )


def _server(
    info: Mapping[str, Any], slow: Any, limits: Any, now: Counters, before: Counters | None, now_ms: int
) -> Server:
    over_s = (now.at_ms - before.at_ms) / 1000 if before else 0.0
    return Server(
        slow=[] if isinstance(slow, Exception) else _slow(slow, now_ms),
        slower_than_ms=_slower_than(limits),
        fsyncs_delayed=max(0, now.fsyncs_delayed - before.fsyncs_delayed) if before else None,
        rewriting=any(
            int(info.get(name, 0) or 0) for name in ("aof_rewrite_in_progress", "rdb_bgsave_in_progress")
        ),
        write_error="err" in (info.get("aof_last_write_status"), info.get("rdb_last_bgsave_status")),
        reads_rate=max(0, now.reads - before.reads) / over_s if before and over_s > 0 else None,
    )


def _slower_than(limits: Any) -> float | None:
    """None: it may not be asked, or takes nothing down."""
    if isinstance(limits, Exception):
        return None
    if isinstance(limits, Mapping):
        value = limits.get("slowlog-log-slower-than", limits.get(b"slowlog-log-slower-than"))
    else:
        value = limits[1] if limits else None
    micros = int(value) if value is not None else -1
    return micros / 1000 if micros >= 0 else None


def _slow(entries: Any, now_ms: int) -> list[SlowCommand]:
    found = []
    for entry in entries or ():
        command = entry["command"] if isinstance(entry, Mapping) else entry[3]
        started = entry["start_time"] if isinstance(entry, Mapping) else entry[1]
        took = entry["duration"] if isinstance(entry, Mapping) else entry[2]
        words = command.split() if isinstance(command, bytes) else list(command)
        name = (words[0].decode("utf-8", "replace") if words else "?").upper()
        if now_ms - int(started) * 1000 <= SLOW_WINDOW_MS and name not in _OURS:
            found.append(SlowCommand(int(started) * 1000, int(took) / 1000, name))
    return found


def _worst(found: list[Server]) -> Server:
    if len(found) == 1:
        return found[0]
    delayed = [s.fsyncs_delayed for s in found if s.fsyncs_delayed is not None]
    rates = [s.reads_rate for s in found if s.reads_rate is not None]
    limits = [s.slower_than_ms for s in found if s.slower_than_ms is not None]
    return Server(
        slow=[command for s in found for command in s.slow],
        slower_than_ms=max(limits, default=None),
        fsyncs_delayed=sum(delayed) if delayed else None,
        rewriting=any(s.rewriting for s in found),
        write_error=any(s.write_error for s in found),
        reads_rate=sum(rates) if rates else None,
    )

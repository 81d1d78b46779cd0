"""How a consumer waits for records: what a reader asks a server, and how it is woken.

One server holds a single XREAD over all logs until one of them has something. On a cluster no command may speak of two
slots, so each log is asked for by itself, in one pipeline; and when there is nothing, the server tells which logs have
changed since: it remembers whom it gave what (CLIENT TRACKING), and says so once on a second connection. Neither way
costs anything while nothing happens. docs/adr/0007-cluster.md has the figures.
"""

from __future__ import annotations

import logging
import select
import socket
import time
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from redis.exceptions import AskError, NoPermissionError, RedisError, ResponseError

from .cluster.topology import Node
from .connection import Connection
from .wire import KeptWire, request

log = logging.getLogger(__name__)

POLL_S = 0.02
"""How often logs are asked for that the server does not tell about."""
_CHANGES = "__redis__:invalidate"


class Wanted(NamedTuple):
    """A log to be read on."""

    key: str
    cursor: str  # entries after this id
    asking: bool = False  # it is on its way to this server


class Found(NamedTuple):
    logs: list[Any]  # [key, entries] of those that have something
    elsewhere: dict[str, AskError]  # keys that another master has


class FetchLine(Protocol):
    def read(self, wanted: Sequence[Wanted], count: int, block_ms: int) -> Found:
        """Up to `count` entries of each log; waits for the first ones. Raises redis-py's errors."""

    def wake(self) -> None:
        """From another thread: stop waiting."""

    def close(self) -> None: ...


class ServerLine:
    """To one server."""

    def __init__(self, connection: Connection, timeout_s: float):
        self._connection = connection
        self._line = connection.kept_wire(timeout_s)
        [self._id] = self._line.ask(request([("CLIENT", "ID")]))

    def read(self, wanted: Sequence[Wanted], count: int, block_ms: int) -> Found:
        block = ("BLOCK", block_ms) if block_ms > 0 else ()
        places = [*[log.key for log in wanted], *[log.cursor for log in wanted]]
        [reply] = self._line.ask(request([("XREAD", "COUNT", count, *block, "STREAMS", *places)]))
        return Found(reply or [], {})

    def wake(self) -> None:
        """Without effect when it does not wait yet, so the caller repeats it until it is heard."""
        try:
            self._connection.client.execute_command("CLIENT", "UNBLOCK", self._id)
        except (RedisError, OSError):
            pass  # it notices by itself, at the latest after fetch_max_wait_ms

    def close(self) -> None:
        self._line.close()


class NodeLine:
    """To one master of a cluster."""

    def __init__(self, connection: Connection, node: Node, timeout_s: float):
        self._line = connection.kept_wire(timeout_s, node)
        self._woken, self._wakes = socket.socketpair()
        self._poll = select.poll()
        self._poll.register(self._woken, select.POLLIN)
        self._changes: KeptWire | None = None  # where the server says which logs have changed
        try:
            self._track(connection.kept_wire(timeout_s, node))
        except BaseException:
            self.close()
            raise

    def _track(self, changes: KeptWire) -> None:
        replies = changes.ask_each(request([("CLIENT", "ID"), ("SUBSCRIBE", _CHANGES)]))
        refused = next((reply for reply in replies if isinstance(reply, ResponseError)), None)
        if refused is None:
            [refused] = self._line.ask_each(request([("CLIENT", "TRACKING", "ON", "REDIRECT", replies[0])]))
        if isinstance(refused, NoPermissionError | ResponseError):
            log.warning(
                "The server does not tell about changes (%s); it is asked every %g s.", refused, POLL_S
            )
            changes.close()
            return
        self._changes = changes
        self._poll.register(changes.fileno, select.POLLIN)

    def read(self, wanted: Sequence[Wanted], count: int, block_ms: int) -> Found:
        until = time.monotonic() + block_ms / 1000
        by_key = {log.key.encode(): log for log in wanted}
        asked = list(wanted)
        while True:
            found = self._xread(asked, count)
            left_s = until - time.monotonic()
            if found.logs or found.elsewhere or left_s <= 0:
                return found
            changed, stop = self._wait(left_s, by_key.keys())
            if stop:
                return found
            asked = [by_key[key] for key in changed]

    def wake(self) -> None:
        try:
            self._wakes.send(b"!", socket.MSG_DONTWAIT)
        except OSError:
            pass  # it is full, so it is awake; or closed

    def close(self) -> None:
        for wire in (self._line, self._changes):
            if wire is not None:
                wire.close()
        self._woken.close()
        self._wakes.close()

    def _xread(self, wanted: Sequence[Wanted], count: int) -> Found:
        commands: list[tuple[str | int, ...]] = []
        for log_ in wanted:
            if log_.asking:
                commands.append(("ASKING",))
            commands.append(("XREAD", "COUNT", count, "STREAMS", log_.key, log_.cursor))
        replies = self._line.ask_each(request(commands))
        given = [reply for reply, command in zip(replies, commands, strict=True) if command[0] == "XREAD"]
        found = Found([], {})
        for log_, reply in zip(wanted, given, strict=True):
            if isinstance(reply, AskError):
                found.elsewhere[log_.key] = reply
            elif isinstance(reply, Exception):
                raise reply
            elif reply:
                found.logs.extend(reply)
        return found

    def _wait(self, left_s: float, keys: Any) -> tuple[list[bytes], bool]:
        """Which of these logs have changed, at least one; and whether to stop waiting."""
        until = time.monotonic() + left_s
        while True:
            left_s = until - time.monotonic()
            if self._changes is None:
                left_s = min(left_s, POLL_S)
            ready = {fd for fd, _ in self._poll.poll(max(0.0, left_s) * 1000)}
            if self._woken.fileno() in ready:
                self._woken.recv(4096)
                return [], True
            if self._changes is None:
                return list(keys), until <= time.monotonic()
            if not ready:
                return [], True
            changed = self._told()
            mine = list(keys) if changed is None else [key for key in keys if key in changed]
            if mine:
                return mine, False

    def _told(self) -> set[bytes] | None:
        """The keys that the server has named; None: all of them."""
        assert self._changes is not None
        changed: set[bytes] = set()
        for message in self._changes.read_waiting():
            if message[0] == b"message":
                if message[2] is None:
                    return None
                changed.update(message[2])
        return changed

"""Many commands in one go: commands packed once, replies read without redis-py's bookkeeping for each.

A pipeline of redis-py costs 7 µs a command, this costs 3 µs, most of it the server's. The bytes of a request may be
built once and sent again, and its replies read later than it is sent.
"""

from __future__ import annotations

import socket
import ssl
import struct
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol

import hiredis
import redis
from redis.exceptions import ResponseError

Argument = str | bytes | int


class Request(NamedTuple):
    """Commands ready to be sent, and how many replies they have."""

    data: bytes
    replies: int
    commands: Sequence[Sequence[Argument]]  # what `data` says, for whoever has to send each to its own server


def request(commands: Iterable[Sequence[Argument]]) -> Request:
    """
    >>> request([("GET", "a"), ("TIME",)]).data
    b'*2\\r\\n$3\\r\\nGET\\r\\n$1\\r\\na\\r\\n*1\\r\\n$4\\r\\nTIME\\r\\n'
    """
    asked = list(commands)
    packed = [hiredis.pack_command(tuple(command)) for command in asked]  # type: ignore[arg-type]
    return Request(b"".join(packed), len(packed), asked)


def requests(commands: Sequence[Sequence[Argument]], at_most: int) -> list[Request]:
    """The same in portions, so that neither side has to hold all replies in a buffer at once."""
    return [request(commands[i : i + at_most]) for i in range(0, len(commands), at_most)]


class Wire:
    """One connection, borrowed from a client's pool."""

    one_slot = False

    def __init__(self, connection: Any):
        self._connection = connection

    def ask(self, asked: Request) -> list[Any]:
        """Every reply in order, undecoded. Raises redis-py's errors, the first error reply included; the wire
        is of no more use then."""
        self.send(asked)
        return self._read(asked)

    def ask_all(self, asked: Sequence[Request]) -> Iterator[list[Any]]:
        """The same for each request, sent one ahead: the server works on the next while this one is read."""
        for index, one in enumerate(asked):
            if index == 0:
                self.send(one)
            if index + 1 < len(asked):
                self.send(asked[index + 1])
            yield self._read(one)

    def ask_each(self, asked: Request) -> list[Any]:
        """As `ask`, with error replies in their places as ResponseError."""
        self.send(asked)
        return self.read_each(asked.replies)

    def ask_everywhere(self, asked: Request) -> list[list[Any]]:
        """The answers of each server there is; here of the one."""
        return [self.ask(asked)]

    def send(self, asked: Request) -> None:
        """Only send; the replies are to be read with `read_each`."""
        self._connection.send_packed_command([asked.data])

    def _read(self, asked: Request) -> list[Any]:
        read = self._connection.read_response
        return [read() for _ in range(asked.replies)]

    def read_each(self, count: int) -> list[Any]:
        """The next `count` replies, error replies in their places."""
        replies: list[Any] = []
        for _ in range(count):
            try:
                replies.append(self._connection.read_response())
            except ResponseError as error:
                replies.append(error)
        return replies


class KeptWire(Wire):
    """A connection of one thread's own for as long as it works, whose socket truly blocks.

    A socket with a timeout is polled before each call, and with another thread computing each of those calls may wait
    5 ms for the interpreter. So the kernel keeps the time here; past it, redis-py's ConnectionError is raised.
    """

    def __init__(self, client: redis.Redis, timeout_s: float):
        self._client = client  # kept, because it closes its sockets when it goes
        super().__init__(client.connection_pool.get_connection())
        plain = self._connection._sock
        if isinstance(plain, socket.socket) and not isinstance(plain, ssl.SSLSocket):
            plain.settimeout(None)
            limit = struct.pack("@ll", int(timeout_s), int(timeout_s % 1 * 1_000_000))
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)

    @property
    def fileno(self) -> int:
        """For select."""
        return int(self._connection._sock.fileno())

    def read_waiting(self) -> list[Any]:
        """Every message that is here already. Raises redis-py's ConnectionError when the connection has ended."""
        messages = []
        while self._connection.can_read(0):
            messages.append(self._connection.read_response())
        return messages

    def shut_down(self) -> None:
        """From another thread: whoever waits for a reply stops waiting."""
        try:
            self._connection._sock.shutdown(socket.SHUT_RDWR)
        except (OSError, AttributeError):
            pass  # there is no connection any more

    def close(self) -> None:
        self._connection.disconnect()


class Line(Protocol):
    """What can be asked: a `Wire`, or all masters of a cluster."""

    one_slot: bool  # whether the keys of one command must be in one slot

    def ask(self, asked: Request) -> list[Any]: ...
    def ask_all(self, asked: Sequence[Request]) -> Iterator[list[Any]]: ...
    def ask_each(self, asked: Request) -> list[Any]: ...
    def ask_everywhere(self, asked: Request) -> list[list[Any]]: ...


@contextmanager
def wire(client: redis.Redis) -> Iterator[Line]:
    """A connection for the length of the block; closed after an error, for it may have unread replies.

    For a client of a cluster: whatever brings each command to its master.
    """
    if (line := getattr(client, "line", None)) is not None:
        yield line
        return
    pool = client.connection_pool
    connection: Any = pool.get_connection()
    try:
        yield Wire(connection)
    except BaseException:
        connection.disconnect()
        raise
    finally:
        pool.release(connection)

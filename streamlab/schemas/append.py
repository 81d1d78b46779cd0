"""One batch to the end of the registry's log, if it still ends where we believe, and to its replicas.

An id that was given, used in records on other servers, and then lost in a failover would be given again for another
schema. So a registration is not done before the replicas have it, as with acks=all. The disk is not waited for: on one
server the records that name an id come behind it in the same file.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from redis.exceptions import ResponseError

from ..connection import SOCKET_TIMEOUT_S, Connection, script
from ..copies import Copies
from ..errors import translated
from ..events.base import PREFIX, Event
from ..wire import KeptWire, request

REPLICAS_TIMEOUT_MS = 10_000
EVENTS_KEPT = 1_000


class Conflict(Exception):
    """Raised when the log has grown since."""


class NoPartition(Exception):
    """Raised when the partition does not exist yet."""


def append_at(
    connection: Connection,
    keys: Sequence[str],
    expected: int,
    records: int,
    batch: bytes,
    event: Event | None,
) -> int:
    """The append time in ms. `keys` are the partition's log and meta, and the outbox; `expected` is its log end.
    The event is left in the outbox in the same moment, with that moment in place of its own.

    Raises Conflict, NoPartition, StreamlabError. NotEnoughReplicasError: it is appended, and a failover may lose it.
    """
    type = "" if event is None else event.type.removeprefix(PREFIX)
    arguments = [expected, records, batch, type, _said(event), EVENTS_KEPT]
    with translated():
        node = connection.node_of(keys[0])
        line = connection.kept_wire(SOCKET_TIMEOUT_S, node)
        try:
            reply = _run(line, keys, arguments)
            if not isinstance(reply, ResponseError):
                Copies(connection.topology, node, disk=False).wait(line, REPLICAS_TIMEOUT_MS)
                return int(reply[1])
        finally:
            line.close()
        said = str(reply)
        if said.startswith("CONFLICT"):
            raise Conflict
        if said.startswith("UNKNOWN_PARTITION"):
            raise NoPartition
        if said.startswith(("MOVED", "ASK")):  # it did not run; asking anything else of the key finds the way
            connection.execute_many([("EXISTS", keys[0])])
            raise Conflict
        raise reply


def _said(event: Event | None) -> bytes:
    said = {} if event is None else msgspec.to_builtins(event)
    said.pop("at_ms", None)  # the entry has the server's
    return msgspec.json.encode(said)


def _run(line: KeptWire, keys: Sequence[str], arguments: Sequence[Any]) -> Any:
    source = script("schemas/append_at").source
    [reply] = line.ask_each(request([("EVAL", source, len(keys), *keys, *arguments)]))
    return reply

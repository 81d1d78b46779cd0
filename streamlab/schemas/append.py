"""One batch to the end of the registry's log, if it still ends where we believe, and to its replicas.

An id that was given, used in records on other servers, and then lost in a failover would be given again for another
schema. So a registration is not done before the replicas have it, as with acks=all. The disk is not waited for: on one
server the records that name an id come behind it in the same file.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from redis.exceptions import ResponseError

from ..connection import SOCKET_TIMEOUT_S, Connection, script
from ..copies import Copies
from ..errors import translated
from ..wire import KeptWire, request

REPLICAS_TIMEOUT_MS = 10_000


class Conflict(Exception):
    """Raised when the log has grown since."""


class NoPartition(Exception):
    """Raised when the partition does not exist yet."""


def append_at(connection: Connection, keys: Sequence[str], expected: int, records: int, batch: bytes) -> int:
    """The append time in ms. `keys` are the partition's log and meta, `expected` is its log end.

    Raises Conflict, NoPartition, StreamlabError. NotEnoughReplicasError: it is appended, and a failover may lose it.
    """
    arguments = [expected, records, batch]
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


def _run(line: KeptWire, keys: Sequence[str], arguments: Sequence[Any]) -> Any:
    source = script("schemas/append_at").source
    [reply] = line.ask_each(request([("EVAL", source, len(keys), *keys, *arguments)]))
    return reply

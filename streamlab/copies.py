"""acks=all: wait until what was written is with the replicas and on the disk.

Every replica that follows the log at that moment is waited for. On a cluster at least one, where the map says that
there is one: a master that was cut off, and does not know yet that another has its place, sees no replica any more,
and what it takes then is lost. After a failover the new master goes on alone until the old one is back.
"""

from __future__ import annotations

import logging
import re

from redis.exceptions import ResponseError

from .cluster.topology import Node, Topology
from .errors import NotEnoughReplicasError
from .wire import KeptWire, request

log = logging.getLogger(__name__)

_ABOUT = request([("INFO", "replication")])
_FOLLOWING = re.compile(rb"^slave\d+:.*\bstate=online\b", re.MULTILINE)


class Copies:
    """Of what is written on one server."""

    def __init__(self, topology: Topology | None, node: Node | None, disk: bool = True):
        """`disk` False: only the replicas are waited for."""
        self._topology = topology
        self._node = node
        self._fsyncs = disk  # and the server has WAITAOF, as far as known

    def wait(self, line: KeptWire, timeout_ms: int) -> None:
        """On the connection of the writes, for that is what WAIT looks at.

        Some servers say too early that something is on their disk (docs/guarantees.md). Raises NotEnoughReplicasError;
        then the writes are to be repeated, and the log recognises what it has.
        """
        [about] = line.ask(_ABOUT)
        wanted = max(len(_FOLLOWING.findall(about)), self._least())
        if wanted:
            [reached] = line.ask(request([("WAIT", wanted, timeout_ms)]))
            if reached < wanted:
                raise NotEnoughReplicasError(
                    f"{reached} of {wanted} replicas had the records within {timeout_ms} ms."
                )
        if self._fsyncs:
            self._wait_for_disk(line, timeout_ms)

    def _wait_for_disk(self, line: KeptWire, timeout_ms: int) -> None:
        [reply] = line.ask_each(request([("WAITAOF", 1, 0, timeout_ms)]))
        if isinstance(reply, ResponseError):
            log.info("acks=all cannot wait for the disk: %s", reply)
            self._fsyncs = False
        elif not reply[0]:
            raise NotEnoughReplicasError(f"The records were not on disk within {timeout_ms} ms.")

    def _least(self) -> int:
        if self._topology is None or self._node is None:
            return 0
        shard = self._topology.shard_of(self._node)
        if shard is None:
            raise NotEnoughReplicasError(f"{self._node} is not a master any more.")
        return min(1, len(shard.replicas))

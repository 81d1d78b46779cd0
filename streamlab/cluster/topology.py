"""Which master has which slot: asked of any node that answers, and again when a node says that it has moved.

A map may be old, which does no harm: a node that has not got a slot says MOVED and does not run the command.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import redis
from redis.exceptions import RedisError, ResponseError

from ..errors import IllegalArgumentError
from ..wire import request, wire
from .slots import SLOTS

REFRESH_EVERY_S = 0.05
"""No two questions for the map within this, whoever asks."""


class Node(NamedTuple):
    """A server of the cluster."""

    host: str
    port: int

    def __str__(self) -> str:
        """
        >>> str(Node("::1", 7000)), str(Node("10.0.0.1", 7000))
        ('[::1]:7000', '10.0.0.1:7000')
        """
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Shard(NamedTuple):
    """A master with its slots and replicas."""

    master: Node
    replicas: tuple[Node, ...]
    slots: tuple[tuple[int, int], ...]  # ranges, both ends included


class Topology:
    """The slot map of one cluster. Safe to share between threads."""

    def __init__(self, seeds: Iterable[Node], client_for: Callable[[Node], redis.Redis]):
        """`client_for` makes a client for a question to one node: short timeouts, no retries."""
        self._seeds = list(seeds)
        self._client_for = client_for
        self._lock = threading.Lock()
        self._masters: list[Node | None] = [None] * SLOTS
        self._shards: list[Shard] = []
        self._doubted = True  # the map is to be asked for before it is used again
        self._asked_at = float("-inf")
        self._newest: Node | None = None  # a MOVED named it, so its map is newer than that of others
        self.version = 0  # raised whenever a slot has another master than before

    def master_of(self, slot: int) -> Node:
        """Raises redis-py's ConnectionError when no node answers, ClusterDownError when nobody has the slot."""
        if self._doubted:
            self.refresh()
        node = self._masters[slot]
        if node is None:
            self.doubt()
            raise redis.exceptions.ClusterDownError(f"CLUSTERDOWN Hash slot {slot} is not served")
        return node

    def masters(self) -> list[Node]:
        """Every master that has slots, in the order of their first ones."""
        if self._doubted:
            self.refresh()
        return [shard.master for shard in self._shards]

    def any_node(self) -> Node:
        """One that may answer, for want of a better one."""
        return self._shards[0].master if self._shards else self._seeds[0]

    def shards(self) -> list[Shard]:
        """As any node says it now."""
        self.doubt()
        self.refresh()
        return self._shards

    def shard_of(self, master: Node) -> Shard | None:
        """None when that node is not a master. Raises redis-py's ConnectionError."""
        if self._doubted:
            self.refresh()
        return next((shard for shard in self._shards if shard.master == master), None)

    def doubt(self) -> None:
        """Something did not fit the map: ask for it before its next use."""
        self._doubted = True

    def learn(self, slot: int, node: Node) -> None:
        """A node said MOVED: for this slot it is right, for the others the map is asked for."""
        with self._lock:
            if self._masters[slot] != node:
                self._masters[slot] = node
                self.version += 1
            self._newest = node
        self._doubted = True

    def refresh(self) -> None:
        """Ask any node. Raises redis-py's ConnectionError when none answers; the map stays what it was."""
        with self._lock:
            wait = self._asked_at + REFRESH_EVERY_S - time.monotonic()
            if not self._doubted and wait > 0:
                return
            if wait > 0 and self._shards:
                return  # asked a moment ago: who is sent to a wrong node hears of it
            self._take(self._ask())
            self._asked_at = time.monotonic()
            self._doubted = False

    # -- how ------------------------------------------------------------------------------------------------------

    def _ask(self) -> list[Any]:
        known = [node for shard in self._shards for node in (shard.master, *shard.replicas)]
        random.shuffle(known)
        if self._newest is not None:
            known.insert(0, self._newest)
            self._newest = None
        failed: Exception | None = None
        for node in dict.fromkeys([*known, *self._seeds]):
            try:
                return self._ask_one(node)
            except ResponseError as error:
                if "cluster support disabled" in str(error):
                    raise IllegalArgumentError(
                        f"The server at {node} is not part of a cluster. Write redis:// instead of redis+cluster://."
                    ) from error
                failed = error
            except (RedisError, OSError) as error:
                failed = error
        assert failed is not None
        raise redis.exceptions.ConnectionError(f"No node of the cluster answers ({failed}).") from failed

    def _ask_one(self, node: Node) -> list[Any]:
        client = self._client_for(node)
        try:
            with wire(client) as line:
                [ranges] = line.ask(request([("CLUSTER", "SLOTS")]))
        finally:
            client.close()
        if not ranges:
            raise redis.exceptions.ConnectionError(f"{node} knows of no slots")
        return [(first, last, [_node(said, node) for said in nodes]) for first, last, *nodes in ranges]

    def _take(self, ranges: list[Any]) -> None:
        masters: list[Node | None] = [None] * SLOTS
        shards: dict[Node, Shard] = {}
        for first, last, (master, *replicas) in sorted(ranges, key=lambda found: int(found[0])):
            masters[first : last + 1] = [master] * (last + 1 - first)
            before = shards.get(master, Shard(master, (), ()))
            shards[master] = Shard(master, tuple(replicas), (*before.slots, (first, last)))
        if masters != self._masters:
            self.version += 1
        self._masters, self._shards = masters, list(shards.values())


def _node(said: list[Any], asked: Node) -> Node:
    """A node as CLUSTER SLOTS tells it; without a host it is the one that was asked."""
    host = said[0].decode() if said[0] else ""
    return Node(asked.host if host in ("", "?") else host, int(said[1]))

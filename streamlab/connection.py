"""The one door to Redis: clients that never repeat a write on their own, and the Lua scripts.

redis-py repeats a command whose reply was lost ten times by default, which appends a record eleven times. So every
client made here has `retries=0`; who repeats a write does it knowingly, through an idempotent script.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import redis
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError
from redis.retry import Retry

from .address import no_address, parse
from .cluster.client import ClusterClient
from .cluster.slots import key_slot
from .cluster.topology import Node, Topology
from .errors import IllegalArgumentError, translated
from .wire import KeptWire

SOCKET_TIMEOUT_S = 15.0
CONNECT_TIMEOUT_S = 5.0
MAP_TIMEOUT_S = 1.0
"""For the question who has which slot, which any node answers."""
READ_SIZE_BYTES = 256 * 1024
BLOCK_SLACK_S = 5.0
"""A blocking client waits this much longer for the socket than the server may hold the command."""

_SCRIPTS = Path(__file__).parent / "scripts"


class Script(NamedTuple):
    """A Lua script and the name that the server knows it by."""

    name: str
    source: bytes
    sha: str


@cache
def script(name: str) -> Script:
    """The script `scripts/<name>.lua`, behind the `_common.lua` of its folder where there is one.

    Raises FileNotFoundError when there is no such script.
    """
    path = _SCRIPTS / f"{name}.lua"
    common = path.parent / "_common.lua"
    source = (common.read_bytes() if common.exists() else b"") + path.read_bytes()
    return Script(name, source, hashlib.sha1(source, usedforsecurity=False).hexdigest())


class Call(NamedTuple):
    """One call of a script, to be sent with others in one round trip."""

    script: str
    keys: Sequence[str]
    args: Sequence[Any]


class Connection:
    """Clients and scripts for one server or one cluster. Safe to share between threads.

    On a cluster `client`, its pipelines, `run_many` and `execute_many` bring each command to the master that has its
    key, whatever keys the others speak of. What needs several keys at once needs them in one slot.
    """

    def __init__(self, url: str):
        """Raises IllegalArgumentError when `url` is not an address."""
        self.url = url
        self._address = parse(url)
        self.topology: Topology | None = None  # None: it is one server
        if self._address.is_cluster:
            self.topology = Topology(
                self._address.nodes, lambda node: self._server(node, MAP_TIMEOUT_S, MAP_TIMEOUT_S)
            )
        self.client = self._client(SOCKET_TIMEOUT_S)

    def _client(self, socket_timeout_s: float) -> redis.Redis:
        if self.topology is not None:
            return ClusterClient(self.topology, lambda node: self._server(node, socket_timeout_s))
        return self._server(None, socket_timeout_s)

    def _server(
        self, node: Node | None, socket_timeout_s: float, connect_timeout_s: float = CONNECT_TIMEOUT_S
    ) -> redis.Redis:
        """A client for one server; `node` None: the one that the URL names."""
        try:
            return redis.Redis.from_url(
                self._address.url_of(node),
                protocol=2,
                retry=Retry(NoBackoff(), 0),
                socket_timeout=socket_timeout_s,
                socket_connect_timeout=connect_timeout_s,
                socket_read_size=READ_SIZE_BYTES,
            )
        except ValueError as error:
            raise no_address(self.url, str(error)) from error

    def node_of(self, key: str) -> Node | None:
        """The master that has a key now; None when there is one server. Raises redis-py's errors."""
        return None if self.topology is None else self.topology.master_of(key_slot(key))

    def kept_wire(self, timeout_s: float, node: Node | None = None) -> KeptWire:
        """A connection for one thread's requests, which may each take up to `timeout_s`. Raises redis-py's errors.

        On a cluster to one master: see `node_of`.
        """
        if self.topology is not None and node is None:
            raise IllegalArgumentError("On a cluster a connection goes to one node: say which.")
        return KeptWire(self._server(node, timeout_s), timeout_s)

    def client_of(self, node: Node) -> redis.Redis:
        """A client for one node of a cluster, a replica perhaps, with sockets of its own."""
        return self._server(node, SOCKET_TIMEOUT_S)

    def servers(self) -> list[redis.Redis]:
        """A client for each master that there is now, for what has no key: SCAN, INFO, CONFIG. Raises redis-py's
        errors."""
        if self.topology is None:
            return [self.client]
        assert isinstance(self.client, ClusterClient)
        return [self.client.on(node) for node in self.topology.masters()]

    def private_client(self, timeout_s: float = SOCKET_TIMEOUT_S) -> redis.Redis:
        """A client with sockets of its own, for one thread that must not wait for the others'."""
        return self._client(timeout_s)

    def run(
        self, name: str, keys: Sequence[str], args: Sequence[Any] = (), client: redis.Redis | None = None
    ) -> Any:
        """Run one script. Raises a StreamlabError; what the script did is then unknown unless it says so."""
        with translated():
            reply = self.run_many([Call(name, keys, args)], client)[0]
            if isinstance(reply, Exception):
                raise reply
            return reply

    def run_many(self, calls: Sequence[Call], client: redis.Redis | None = None) -> list[Any]:
        """Run many scripts in one round trip; the i-th answer is the i-th call's reply or its RedisError.

        Raises redis-py's errors when the connection breaks. A call is repeated only when the server said that
        it did not know the script, which means that it did not run; it is told the script along with the repeat.
        """
        client = self.client if client is None else client
        replies = _pipelined(client, calls, by_name=True)
        unknown = [i for i, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
        if unknown:
            repeated = _pipelined(client, [calls[i] for i in unknown], by_name=False)
            for i, reply in zip(unknown, repeated, strict=True):
                replies[i] = reply
        return replies

    def execute_many(self, commands: Sequence[Sequence[Any]], client: redis.Redis | None = None) -> list[Any]:
        """Run plain commands, whatever keys they speak of, in as few round trips as possible; the i-th answer is the
        i-th command's, as the server sent it.

        Raises the first error among the answers as a StreamlabError; the others have run all the same.
        """
        client = self.client if client is None else client
        with translated():
            pipe = client.pipeline(transaction=False)
            for command in commands:
                pipe.execute_command(*command)
            return pipe.execute()

    def server_time_ms(self) -> int:
        with translated():
            seconds, micros = self.client.time()
        return seconds * 1000 + micros // 1000

    def close(self) -> None:
        self.client.close()


def _pipelined(client: redis.Redis, calls: Iterable[Call], by_name: bool) -> list[Any]:
    pipe = client.pipeline(transaction=False)
    for call in calls:
        known = script(call.script)
        how = ("EVALSHA", known.sha) if by_name else ("EVAL", known.source)
        pipe.execute_command(*how, len(call.keys), *call.keys, *call.args)
    return pipe.execute(raise_on_error=False)


__all__ = ["Call", "Connection", "RedisError", "Script", "script"]

"""A client for a whole cluster: each command goes to the master that has its key, many of them at once.

What an answer means:

    MOVED                 the command did not run: learn who has the slot, send it there
    ASK                   it did not run: this once, ask that node
    TRYAGAIN, CLUSTERDOWN it did not run: again after a moment, up to `PATIENCE_S`, then the caller is told
    no connection         nothing was sent: once more if the map names another master by now
    a connection breaks   what was sent may have run or not: the caller is told, nothing is repeated

redis-py has a client for clusters, too. Its pipelines repeat commands whose reply was lost even when it is told to
retry nothing (8.1.0, measured), which appends records twice.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import redis
from redis.client import Pipeline, PubSub
from redis.exceptions import AskError, ClusterDownError, MovedError, RedisError, ResponseError, TryAgainError

from .. import keys
from ..wire import Request, wire
from .slots import key_of, key_slot
from .topology import Node, Topology

REDIRECTIONS = 8
PATIENCE_S = 1.0
_PAUSE_S = 0.02
_HOME = key_slot(keys.TOPICS)
"""Commands without a key go to the master that has the topic registry, so that all clients ask the same clock."""
_EVERYWHERE = {"FLUSHALL", "FLUSHDB", "SCRIPT LOAD", "SCRIPT FLUSH"}
_MAY_WAIT = (TryAgainError, ClusterDownError)

Read = Callable[[redis.Redis, Any, int], Any]
"""(client, connection, index of the command) -> its reply, read from the connection."""


class _Sent(NamedTuple):
    """Commands that one node was sent."""

    node: Node
    client: redis.Redis
    connection: Any
    commands: list[int]  # indexes
    asking: bool  # each was sent behind an ASKING


class ClusterClient(redis.Redis):
    """redis-py's commands for a cluster, as far as one key each. Safe to share between threads."""

    def __init__(self, topology: Topology, client_for: Callable[[Node], redis.Redis]):
        """`client_for` makes a client for one node, with retries=0."""
        self.topology = topology
        self._client_for = client_for
        self._clients: dict[Node, redis.Redis] = {}
        self._lock = threading.Lock()
        self.connection = None
        self.response_callbacks = redis.Redis(protocol=2).response_callbacks

    # -- redis-py's interface -------------------------------------------------------------------------------------

    def execute_command(self, *args: Any, **options: Any) -> Any:
        if args[0] in _EVERYWHERE:
            return [on.execute_command(*args, **options) for on in map(self.on, self.topology.masters())][-1]
        [reply] = self.send([args], lambda client, line, _: client.parse_response(line, args[0], **options))
        if isinstance(reply, Exception):
            raise reply
        return reply

    def pipeline(self, transaction: bool = True, shard_hint: Any = None) -> ClusterPipeline:
        if transaction:
            raise NotImplementedError("A pipeline over a cluster is no transaction; use a script.")
        return ClusterPipeline(self)

    def pubsub(self, **options: Any) -> ClusterPubSub:
        return ClusterPubSub(self, **options)

    def close(self) -> None:
        with self._lock:
            clients, self._clients = list(self._clients.values()), {}
        for client in clients:
            client.close()

    def __del__(self) -> None:
        pass  # each node's client closes itself

    @property
    def line(self) -> ClusterLine:
        """For many commands whose replies are wanted as they come."""
        return ClusterLine(self)

    # -- nodes ----------------------------------------------------------------------------------------------------

    def on(self, node: Node) -> redis.Redis:
        """The client for one node."""
        client = self._clients.get(node)
        if client is None:
            with self._lock:
                client = self._clients.get(node)
                if client is None:
                    client = self._clients[node] = self._client_for(node)
        return client

    def node_of(self, command: Sequence[Any]) -> Node:
        key = key_of(command)
        return self.topology.master_of(_HOME if key is None else key_slot(key))

    # -- sending --------------------------------------------------------------------------------------------------

    def send(self, commands: Sequence[Sequence[Any]], read: Read) -> list[Any]:
        """Each command's reply, or its RedisError. Raises redis-py's errors when a connection breaks."""
        replies: list[Any] = [None] * len(commands)
        left = list(range(len(commands)))
        asked: dict[int, Node] = {}  # by an ASK, for the next turn alone
        until = time.monotonic() + PATIENCE_S
        for turn in range(REDIRECTIONS * 8):
            sent = self._send_each(commands, left, asked)
            self._read_each(sent, read, replies)
            left, asked, waits = self._redirected(left, replies)
            if not left or (waits and time.monotonic() > until) or (not waits and turn >= REDIRECTIONS):
                break
            if waits or turn > 1:
                time.sleep(_PAUSE_S)
        return replies

    def _redirected(self, sent: list[int], replies: list[Any]) -> tuple[list[int], dict[int, Node], bool]:
        """Which commands did not run and are to be sent again; where to, if not by the map; and whether to wait."""
        left, asked, waits = [], {}, False
        for index in sent:
            reply = replies[index]
            if isinstance(reply, MovedError):
                self.topology.learn(reply.slot_id, Node(reply.host, int(reply.port)))
            elif isinstance(reply, AskError):
                asked[index] = Node(reply.host, int(reply.port))
            elif isinstance(reply, _MAY_WAIT):
                self.topology.doubt()
                waits = True
            else:
                continue
            left.append(index)
        return left, asked, waits

    def _send_each(
        self, commands: Sequence[Sequence[Any]], chosen: list[int], asked: dict[int, Node]
    ) -> list[_Sent]:
        """Send the chosen commands, each to its node. Raises redis-py's errors; then nothing awaits a reply."""
        sent = self._connections(commands, chosen, asked)
        try:
            for one in sent:
                before: list[Sequence[Any]] = [("ASKING",)] if one.asking else []
                packed = [part for i in one.commands for part in (*before, commands[i])]
                one.connection.send_packed_command(one.connection.pack_commands(packed))
        except BaseException:
            self._drop(sent)
            raise
        return sent

    def _connections(
        self, commands: Sequence[Sequence[Any]], chosen: list[int], asked: dict[int, Node]
    ) -> list[_Sent]:
        """A connection to each node that is needed, before anything is sent; a dead master may have a successor."""
        try:
            return self._connect(commands, chosen, asked)
        except (redis.ConnectionError, redis.TimeoutError, OSError):
            self.topology.doubt()
            return self._connect(commands, chosen, asked)

    def _connect(
        self, commands: Sequence[Sequence[Any]], chosen: list[int], asked: dict[int, Node]
    ) -> list[_Sent]:
        by_node: dict[tuple[Node, bool], list[int]] = defaultdict(list)
        for index in chosen:
            ask = asked.get(index)
            by_node[(self.node_of(commands[index]), False) if ask is None else (ask, True)].append(index)
        sent: list[_Sent] = []
        try:
            for (node, asking), indexes in by_node.items():
                client = self.on(node)
                sent.append(_Sent(node, client, client.connection_pool.get_connection(), indexes, asking))
        except BaseException:
            for one in sent:
                one.client.connection_pool.release(one.connection)
            self.topology.doubt()
            raise
        return sent

    def _read_each(self, sent: list[_Sent], read: Read, replies: list[Any]) -> None:
        """Every reply to its place; a broken connection is told after all others were read."""
        broken: BaseException | None = None
        for one in sent:
            try:
                for index in one.commands:
                    if one.asking:
                        one.connection.read_response()
                    try:
                        replies[index] = read(one.client, one.connection, index)
                    except ResponseError as error:
                        if isinstance(error, AskError) and not error.host:
                            error.host = one.node.host  # "the same as mine"
                        replies[index] = error
            except BaseException as error:
                one.connection.disconnect()
                broken = broken or error
            finally:
                one.client.connection_pool.release(one.connection)
        if broken is not None:
            self.topology.doubt()
            raise broken

    def _drop(self, sent: list[_Sent]) -> None:
        self.topology.doubt()
        for one in sent:
            one.connection.disconnect()
            one.client.connection_pool.release(one.connection)


class ClusterPipeline(Pipeline):
    """Commands of any keys in as few round trips as possible; each master gets its own at the same time."""

    def __init__(self, client: ClusterClient):
        self._client = client
        self.response_callbacks = client.response_callbacks
        self.command_stack: list[Any] = []
        self.connection = None
        self.watching = self.explicit_transaction = False
        self.scripts: set[Any] = set()

    def execute(self, raise_on_error: bool = True) -> list[Any]:
        stack, self.command_stack = self.command_stack, []
        if not stack:
            return []

        def read(client: redis.Redis, line: Any, index: int) -> Any:
            args, options = stack[index]
            return client.parse_response(line, args[0], **options)

        replies = self._client.send([args for args, _ in stack], read)
        if raise_on_error:
            for reply in replies:
                if isinstance(reply, RedisError):
                    raise reply
        return replies

    def reset(self) -> None:  # type: ignore[override]  # as redis-py's own pipeline does
        self.command_stack = []

    def close(self) -> None:
        self.reset()

    def __del__(self) -> None:
        pass


class ClusterLine:
    """`wire.Wire`'s questions to a whole cluster. Each command goes to its master."""

    one_slot = True

    def __init__(self, client: ClusterClient):
        self._client = client

    def ask(self, asked: Request) -> list[Any]:
        """Every reply in order, undecoded. Raises redis-py's errors, the first error reply included."""
        replies = self.ask_each(asked)
        for reply in replies:
            if isinstance(reply, RedisError):
                raise reply
        return replies

    def ask_all(self, asked: Sequence[Request]) -> Iterator[list[Any]]:
        for one in asked:
            yield self.ask(one)

    def ask_each(self, asked: Request) -> list[Any]:
        return self._client.send(asked.commands, lambda _, line, __: line.read_response())

    def ask_everywhere(self, asked: Request) -> list[list[Any]]:
        """The answers of each master: of the one that keyless commands go to first."""
        home = self._client.topology.master_of(_HOME)
        masters = [home, *(node for node in self._client.topology.masters() if node != home)]
        answers = []
        for node in masters:
            with wire(self._client.on(node)) as line:
                answers.append(line.ask(asked))
        return answers


class ClusterPubSub(PubSub):
    """Listens at the master that has the slot of the first channel: what is published there comes the shortest way."""

    def __init__(self, client: ClusterClient, **options: Any):
        self._client = client
        home = client.on(client.topology.master_of(_HOME))
        super().__init__(home.connection_pool, **options)

    def execute_command(self, *args: Any) -> Any:
        if self.connection is None and len(args) > 1:
            node = self._client.topology.master_of(key_slot(args[1]))
            self.connection_pool = self._client.on(node).connection_pool
        try:
            return super().execute_command(*args)  # type: ignore[no-untyped-call]
        except (redis.ConnectionError, OSError):
            self._client.topology.doubt()
            raise

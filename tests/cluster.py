"""A real cluster for tests: three masters and three replicas from the same program as the server inside."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from streamlab.cluster.slots import SLOTS, key_slot
from streamlab.processes import dies_with_parent
from streamlab.server_binary import find_binary

MASTERS = 3
NODE_TIMEOUT_MS = 1500
_BUS = 10_000  # the bus listens this much above the port, by default
_DEADLINE_S = 60.0


class ClusterNode:
    """One server process on loopback, in a directory of its own. It may be killed and started again."""

    def __init__(self, directory: Path, port: int, settings: Mapping[str, str]):
        self.port = port
        self.directory = directory
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None
        directory.mkdir(parents=True, exist_ok=True)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    def client(self) -> redis.Redis:
        return redis.Redis(
            host="127.0.0.1", port=self.port, protocol=2, retry=Retry(NoBackoff(), 0), socket_timeout=5
        )

    def start(self) -> None:
        lines = {
            "port": str(self.port),
            "bind": "127.0.0.1",
            "dir": str(self.directory),
            "cluster-enabled": "yes",
            "cluster-config-file": "nodes.conf",
            "cluster-node-timeout": str(NODE_TIMEOUT_MS),
            "cluster-require-full-coverage": "no",
            "cluster-replica-validity-factor": "0",
            "repl-diskless-sync-delay": "0",
            "repl-ping-replica-period": "1",
            "save": '""',
            "appendonly": "yes",
            "appendfsync": "everysec",
            **self._settings,
        }
        path = self.directory / "redis.conf"
        path.write_text("".join(f"{name} {value}\n" for name, value in lines.items()))
        with (self.directory / "redis.log").open("ab") as log:
            self._process = subprocess.Popen(
                [find_binary(), path],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.directory,
                start_new_session=True,
                preexec_fn=dies_with_parent(signal.SIGKILL),
            )

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        """As a power cut does to the process: no goodbye."""
        if self._process is not None and self._process.poll() is None:
            os.kill(self._process.pid, signal.SIGCONT)
            self._process.kill()
            self._process.wait()

    def answers(self) -> bool:
        try:
            with self.client() as client:
                return bool(client.ping())
        except redis.RedisError:
            return False


class Cluster:
    """`with Cluster(directory) as cluster: streamlab.connect(cluster.url)`."""

    def __init__(
        self,
        directory: Path,
        replicas: bool = True,
        settings: Mapping[str, str] | None = None,
        masters: int = MASTERS,
    ):
        self._masters = masters
        ports = _free_ports(masters * (2 if replicas else 1))
        self.nodes = [ClusterNode(directory / str(port), port, settings or {}) for port in ports]

    @property
    def url(self) -> str:
        return "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)

    def __enter__(self) -> Cluster:
        with ExitStack() as undo:
            undo.callback(self.stop)
            for node in self.nodes:
                node.start()
            self._await("a node answers", lambda: all(node.answers() for node in self.nodes))
            self._join()
            undo.pop_all()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def stop(self) -> None:
        for node in self.nodes:
            node.kill()

    def flush(self) -> None:
        """Empty every master."""
        for client in self.masters():
            client.flushall()

    # -- who is what ----------------------------------------------------------------------------------------------

    def masters(self) -> list[redis.Redis]:
        return [node.client() for node in self.nodes if self.role(node) == "master"]

    def role(self, node: ClusterNode) -> str | None:
        """master or slave as it says itself; None when it does not answer."""
        try:
            with node.client() as client:
                said: Any = client.execute_command("ROLE")
                return said[0].decode()
        except redis.RedisError:
            return None

    def master_of(self, key: str) -> ClusterNode:
        slot = key_slot(key)
        for node in self.nodes:
            for first, last, (_, port, *_), *_ in self._slots(node):
                if first <= slot <= last:
                    return next(found for found in self.nodes if found.port == port)
        raise LookupError(f"nobody has slot {slot}")

    def replica_of(self, master: ClusterNode) -> ClusterNode:
        for node in self.nodes:
            for _, _, (_, port, *_), *replicas in self._slots(node):
                if port == master.port and replicas:
                    return next(found for found in self.nodes if found.port == replicas[0][1])
        raise LookupError(f"{master.port} has no replica")

    def _slots(self, node: ClusterNode) -> list[Any]:
        try:
            with node.client() as client:
                pipe = client.pipeline(transaction=False)
                pipe.response_callbacks = {}
                return pipe.execute_command("CLUSTER", "SLOTS").execute()[0]
        except redis.RedisError:
            return []

    # -- moving slots ---------------------------------------------------------------------------------------------

    @contextmanager
    def migrating(self, slot: int, source: ClusterNode, target: ClusterNode) -> Iterator[None]:
        """The slot is on its way inside the block; its keys move and it has its new master at the end of it."""
        with source.client() as old, target.client() as new:
            names = {old: _id_of(old), new: _id_of(new)}
            new.execute_command("CLUSTER", "SETSLOT", slot, "IMPORTING", names[old])
            old.execute_command("CLUSTER", "SETSLOT", slot, "MIGRATING", names[new])
            yield
            while found := old.execute_command("CLUSTER", "GETKEYSINSLOT", slot, 100):
                old.execute_command("MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "KEYS", *found)
            for client in (new, old):
                client.execute_command("CLUSTER", "SETSLOT", slot, "NODE", names[new])

    # -- making it ------------------------------------------------------------------------------------------------

    def _join(self) -> None:
        clients = [node.client() for node in self.nodes]
        share = -(-SLOTS // self._masters)
        for number, client in enumerate(clients):
            client.execute_command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            if number < self._masters:
                last = min((number + 1) * share, SLOTS) - 1
                client.execute_command("CLUSTER", "ADDSLOTSRANGE", number * share, last)
            client.execute_command("CLUSTER", "MEET", "127.0.0.1", self.nodes[0].port)
        count = len(clients)
        self._await("all nodes know each other", lambda: all(_known(client) == count for client in clients))
        for number in range(self._masters, count):
            clients[number].execute_command("CLUSTER", "REPLICATE", _id_of(clients[number - self._masters]))
        self._await("the cluster is whole", self.is_whole)
        for client in clients:
            client.close()

    def is_whole(self) -> bool:
        """Every node serves every slot, and every replica has its master's data."""
        for node in self.nodes:
            with node.client() as client:
                if _info(client, "CLUSTER", "INFO").get("cluster_state") != "ok":
                    return False
                replication = _info(client, "INFO", "replication")
                if replication["role"] == "slave" and replication["master_link_status"] != "up":
                    return False
            ranges = self._slots(node)
            if sum(last - first + 1 for first, last, *_ in ranges) != SLOTS:
                return False
            if len(self.nodes) > self._masters and any(len(nodes) < 2 for _, _, *nodes in ranges):
                return False
        return True

    def _await(self, what: str, so: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _DEADLINE_S
        while not _holds(so):
            if time.monotonic() > deadline:
                raise TimeoutError(
                    f"{what}: not so after {_DEADLINE_S} s; see the logs in {self.nodes[0].directory}/.."
                )
            time.sleep(0.02)


def _holds(so: Callable[[], bool]) -> bool:
    try:
        return so()
    except (redis.RedisError, OSError):
        return False


def _id_of(client: redis.Redis) -> str:
    said: Any = client.execute_command("CLUSTER", "MYID")
    return said.decode()


def _known(client: redis.Redis) -> int:
    return int(_info(client, "CLUSTER", "INFO")["cluster_known_nodes"])


def _info(client: redis.Redis, *command: str) -> dict[str, str]:
    pipe = client.pipeline(transaction=False)
    pipe.response_callbacks = {}
    text: bytes = pipe.execute_command(*command).execute()[0]
    return dict(line.split(":", 1) for line in text.decode().splitlines() if ":" in line)


def _free_ports(count: int) -> list[int]:
    """Ports whose bus ports are free, too. Held until all are found, so that none is given twice.

    All below the range from which the system gives ports to outgoing connections: nobody takes one meanwhile.
    """
    with ExitStack() as held:
        ports: list[int] = []
        while len(ports) < count:
            port = random.randrange(12_000, 22_000)
            try:
                for wanted in (port, port + _BUS):
                    held.enter_context(socket.socket()).bind(("127.0.0.1", wanted))
            except OSError:
                continue
            ports.append(port)
    return ports

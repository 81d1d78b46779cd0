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

from .errors import IllegalArgumentError, translated
from .wire import KeptWire

SOCKET_TIMEOUT_S = 15.0
CONNECT_TIMEOUT_S = 5.0
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
    """Clients and scripts for one server URL. Safe to share between threads."""

    def __init__(self, url: str):
        self.url = url
        self.client = self._client(SOCKET_TIMEOUT_S)

    def _client(self, socket_timeout_s: float) -> redis.Redis:
        try:
            return redis.Redis.from_url(
                self.url,
                protocol=2,
                retry=Retry(NoBackoff(), 0),
                socket_timeout=socket_timeout_s,
                socket_connect_timeout=CONNECT_TIMEOUT_S,
                socket_read_size=READ_SIZE_BYTES,
            )
        except ValueError as error:
            raise IllegalArgumentError(
                f"{self.url!r} is not a server address: {error}. Write redis://host:port/0 or unix:///path/to/socket."
            ) from error

    def kept_wire(self, timeout_s: float) -> KeptWire:
        """A connection for one thread's requests, which may each take up to `timeout_s`. Raises redis-py's errors."""
        return KeptWire(self._client(timeout_s), timeout_s)

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
        it did not know the script, which means that it did not run.
        """
        client = self.client if client is None else client
        replies = _pipelined(client, calls)
        unknown = [i for i, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
        if unknown:
            for name in {calls[i].script for i in unknown}:
                client.script_load(script(name).source)
            for i, reply in zip(unknown, _pipelined(client, [calls[i] for i in unknown]), strict=True):
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


def _pipelined(client: redis.Redis, calls: Iterable[Call]) -> list[Any]:
    pipe = client.pipeline(transaction=False)
    for call in calls:
        pipe.execute_command("EVALSHA", script(call.script).sha, len(call.keys), *call.keys, *call.args)
    return pipe.execute(raise_on_error=False)


__all__ = ["Call", "Connection", "RedisError", "Script", "script"]

"""The one Redis that everything is measured on: our own, in a temporary directory, with the settings of `make demo`
but for the moment at which the AOF is rewritten."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import redis

from streamlab.embedded import EmbeddedServer

_REWRITE_TIMEOUT_S = 60.0


class Server:
    """A running server, and the way back to an empty one."""

    def __init__(self, url: str):
        self.url = url
        self.socket = urlsplit(url).path  # of the unix socket
        self.client = redis.Redis.from_url(url, protocol=2, socket_timeout=60)

    @property
    def version(self) -> str:
        about = self.client.info("server")
        return f"{about.get('server_name', 'redis')} {about.get('valkey_version') or about['redis_version']}"

    def empty(self) -> None:
        """No keys, an empty AOF, nothing running in the background: every measurement begins here."""
        self.client.flushall()
        self.client.bgrewriteaof()
        deadline = time.monotonic() + _REWRITE_TIMEOUT_S
        while self._rewriting():
            if time.monotonic() > deadline:
                raise TimeoutError("Redis did not finish rewriting its AOF.")
            time.sleep(0.02)

    def _rewriting(self) -> bool:
        state = self.client.info("persistence")
        return bool(state["aof_rewrite_in_progress"] or state["aof_rewrite_scheduled"])


@contextmanager
def own_server() -> Iterator[Server]:
    with tempfile.TemporaryDirectory(prefix="streamlab-bench-") as folder:
        # the AOF is rewritten between the turns, never in one
        embedded = EmbeddedServer(folder, settings={"auto-aof-rewrite-percentage": "0"})
        server = Server(embedded.start())
        try:
            yield server
        finally:
            server.client.close()
            embedded.stop()

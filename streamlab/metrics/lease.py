"""One of several processes does the work, the others stand by: a key that its holder must renew to keep."""

from __future__ import annotations

import os
import secrets
import socket

from .. import keys
from ..connection import Connection

LEASE_MS = 4_000
"""A holder that dies is replaced after this and one more `STANDBY_S`, so within 5 s."""
STANDBY_S = 0.5
"""How often those who stand by ask."""


class Lease:
    """Renewed by `hold()`, which the holder calls at least once a second."""

    def __init__(self, connection: Connection, key: str = keys.SAMPLER_LEASE, lease_ms: int = LEASE_MS):
        self._connection = connection
        self._client = connection.private_client()
        self._key = key
        self._lease_ms = lease_ms
        self.me = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        self.holder = ""  # as last seen; "" when it is free or was never asked

    @property
    def mine(self) -> bool:
        return self.holder == self.me

    def hold(self) -> bool:
        """Take or renew the lease; False when somebody else has it. Raises StreamlabError."""
        self.holder = self._ask(self._lease_ms)
        return self.mine

    def release(self) -> None:
        """Let the next one begin at once. Raises StreamlabError."""
        self.holder = self._ask(0)

    def close(self) -> None:
        self._client.close()

    def _ask(self, lease_ms: int) -> str:
        reply: bytes = self._connection.run("lease", [self._key], [self.me, lease_ms], self._client)
        return reply.decode()

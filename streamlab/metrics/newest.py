"""The newest snapshot, fetched and unpacked once however often a process asks for it."""

from __future__ import annotations

import threading
from typing import Any

from .. import keys
from ..connection import Connection
from ..errors import translated
from .snapshot import Snapshot, decode

_HEAD_BYTES = 48
"""How a stored snapshot begins: its number and its time, which no other one has."""


class Newest:
    """Safe to share between threads; one of them fetches, the others wait for what it gets."""

    def __init__(self, connection: Connection):
        self._connection = connection
        self._lock = threading.Lock()
        self._head = b""
        self._snapshot: Snapshot | None = None

    def get(self) -> Snapshot | None:
        """None: nobody has measured for a minute. Raises StreamlabError, msgspec.DecodeError."""
        client = self._connection.client
        with translated():  # outside of the lock: when the server hangs, all wait at the same time
            head: Any = client.getrange(keys.SNAPSHOT, 0, _HEAD_BYTES - 1)
        with self._lock:
            if self._snapshot is None or head != self._head:
                with translated():
                    data: Any = client.get(keys.SNAPSHOT)
                self._snapshot = decode(data) if data else None
                self._head = data[:_HEAD_BYTES] if data else b""
            return self._snapshot

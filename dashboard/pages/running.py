"""What running clients say about themselves, read at most once a second for all pages of this process."""

from __future__ import annotations

import threading
import time

from dashboard.broker import broker
from streamlab.connection import Connection
from streamlab.errors import StreamlabError
from streamlab.metrics.telemetry import ClientTelemetry, read_all

FRESH_S = 1.0


class Running:
    """Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._read_at = float("-inf")
        self._of = ""
        self._clients: dict[str, ClientTelemetry] = {}

    def clients(self) -> dict[str, ClientTelemetry]:
        """By instance; {} while the server does not answer."""
        with self._lock:
            try:
                connection = broker().connection
                if connection.url != self._of or time.monotonic() - self._read_at >= FRESH_S:
                    self._read(connection)
            except StreamlabError:
                self._clients = {}
            return self._clients

    def _read(self, connection: Connection) -> None:
        self._of = connection.url
        try:
            self._clients = read_all(connection)
        finally:
            self._read_at = (
                time.monotonic()
            )  # of the answer: those who waited for it do not ask again, one by one


_running = Running()


def clients() -> dict[str, ClientTelemetry]:
    """Every client of the last minute by instance."""
    return _running.clients()


def members_of(group: str) -> dict[str, ClientTelemetry]:
    """The clients of one group by member id."""
    return {c.member_id: c for c in clients().values() if c.group == group and c.member_id}

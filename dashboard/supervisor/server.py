"""The server inside as one of the parts: launched, watched, launched again on the same data, stopped last."""

from __future__ import annotations

import time
from pathlib import Path

from dashboard.supervisor.backoff import Backoff
from dashboard.supervisor.groups import ProcessGroups
from dashboard.supervisor.journal import Journal
from dashboard.supervisor.problem import Problem
from streamlab.embedded import EmbeddedServer, EmbeddedServerError
from streamlab.server_binary import find_binary

_STOP_S = 2.5


class ServerPart:
    """Raises Problem from its first start only; later ones are tried again and again."""

    def __init__(self, directory: Path, journal: Journal, groups: ProcessGroups):
        self._server = EmbeddedServer(directory, log=journal.path)
        self._journal = journal
        self._groups = groups
        self._backoff = Backoff()
        self._group: int | None = None
        self._started_at = 0.0
        self._start_due: float | None = None  # None: it runs
        self.ready = False

    @property
    def url(self) -> str | None:
        return self._server.url

    def launch(self) -> str:
        """Start the server and say its URL; `advance` tells when it answers."""
        try:
            program = find_binary()
            url = self._server.launch()
        except EmbeddedServerError as error:
            raise Problem(str(error)) from error
        self._journal.note(f"{program.name} keeps the events in {self._server.directory}")
        self._launched()
        return url

    def advance(self, now: float) -> None:
        """One look: is it ready, has it ended, is it time to start it again?"""
        try:
            if self._start_due is not None:
                if now >= self._start_due:
                    self._server.launch()
                    self._launched()
            elif not self.ready:
                self.ready = self._server.ready()
            elif self._server.poll() is not None:
                self._ended(now, f"ended with {self._server.poll()}")
        except EmbeddedServerError as error:
            if self._backoff.ends == 0:
                raise Problem(str(error)) from error
            self._ended(now, str(error))

    def stop(self) -> None:
        self._server.stop(_STOP_S)
        self._forget_group()

    def _launched(self) -> None:
        self._start_due = None
        self._started_at = time.monotonic()
        self._group = self._server.pid
        if self._group is not None:
            self._groups.add(self._group)

    def _ended(self, now: float, why: str) -> None:
        self.ready = False
        self._forget_group()
        delay = self._backoff.ended(now - self._started_at)
        self._start_due = now + delay
        self._journal.note(f"{why}; starting it again in {delay:g} s on the same data")

    def _forget_group(self) -> None:
        if self._group is not None:
            self._groups.remove(self._group)
            self._group = None

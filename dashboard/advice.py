"""The advisor's findings for pages and the API: asked at most once a second for all of this process.

As long as anybody asks, a Celery worker looks: a look at very many partitions computes for a second, in which a process
that answers people should answer. Only where no worker does, the asking process looks itself.
"""

from __future__ import annotations

import logging
import threading
import time

from celery import shared_task

from dashboard.broker import broker
from streamlab import advisor
from streamlab.advisor import Advice, NothingMeasured, memory
from streamlab.connection import Connection
from streamlab.errors import StreamlabError

ASK_EVERY_S = 1.0
LATE_MS = 3 * memory.FRESH_MS
"""What was found longer ago than this: no worker looks."""

log = logging.getLogger("streamlab.advice")


class _Asked:
    """Safe to share between threads; one of them asks, the others wait for what it hears."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._at = float("-inf")
        self._of = ""
        self._advice: Advice | None = None
        self._why = ""

    def current(self) -> tuple[Advice | None, str]:
        with self._lock:
            try:
                connection = broker().connection
                if connection.url != self._of or time.monotonic() - self._at >= ASK_EVERY_S:
                    self._ask(connection)
            except (StreamlabError, NothingMeasured) as error:
                self._advice, self._why = None, str(error)
            return self._advice, self._why

    def _ask(self, connection: Connection) -> None:
        self._of = connection.url
        try:
            memory.ask(connection)
            self._advice, self._why = advisor.advise(connection, LATE_MS), ""
        finally:
            self._at = time.monotonic()  # of the answer: those who waited for it do not ask again, one by one


_asked = _Asked()


def current() -> tuple[Advice | None, str]:
    """The advice, or None and why there is none."""
    return _asked.current()


def findings() -> list[advisor.Finding]:
    """What to look at first comes first; [] when nothing can be said."""
    advice, _ = current()
    return advice.findings if advice else []


@shared_task(name="dashboard.advice.keep_fresh")
def keep_fresh() -> None:
    """Look, if anybody has asked lately."""
    try:
        advisor.keep_fresh(broker().connection)
    except NothingMeasured:
        pass  # who asks is told so
    except StreamlabError as error:
        log.warning("Nothing could be looked at for the advisor: %s", error)

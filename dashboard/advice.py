"""The advisor's findings for pages and the API: asked at most once a second for all of this process."""

from __future__ import annotations

import threading
import time

from dashboard.broker import broker
from streamlab import advisor
from streamlab.advisor import Advice, NothingMeasured
from streamlab.errors import StreamlabError

ASK_EVERY_S = 1.0


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
                    self._of, self._at = connection.url, time.monotonic()
                    self._advice, self._why = advisor.advise(connection), ""
            except (StreamlabError, NothingMeasured) as error:
                self._advice, self._why = None, str(error)
            return self._advice, self._why


_asked = _Asked()


def current() -> tuple[Advice | None, str]:
    """The advice, or None and why there is none."""
    return _asked.current()


def findings() -> list[advisor.Finding]:
    """What to look at first comes first; [] when nothing can be said."""
    advice, _ = current()
    return advice.findings if advice else []

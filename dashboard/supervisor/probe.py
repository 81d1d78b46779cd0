"""Asks the web part how everything is, from a thread of its own, so that the supervisor keeps listening."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from typing import Any

_EVERY_S = 0.2
_TIMEOUT_S = 3.0


class HealthProbe:
    """`answer` is the last body of /healthz; None before the first one."""

    def __init__(self, url: str, host_header: str):
        self._request = urllib.request.Request(url, headers={"Host": host_header})  # noqa: S310 - always http
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="health-probe", daemon=True)
        self.answer: dict[str, Any] | None = None

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()

    @property
    def all_up(self) -> bool:
        return self.answer is not None and bool(self.answer["ok"])

    @property
    def down(self) -> list[str]:
        """Parts that are not up yet."""
        return [name for name, part in (self.answer or {"parts": {}})["parts"].items() if not part["ok"]]

    def _run(self) -> None:
        while not self._stop.wait(_EVERY_S):
            body = self._ask()
            if body is not None:
                self.answer = body
                if body["ok"]:
                    return

    def _ask(self) -> dict[str, Any] | None:
        try:
            with urllib.request.urlopen(self._request, timeout=_TIMEOUT_S) as reply:  # noqa: S310 - always http
                return _parsed(reply.read())
        except urllib.error.HTTPError as error:
            return _parsed(error.read()) if error.code == 503 else None
        except OSError:
            return None


def _parsed(body: bytes) -> dict[str, Any] | None:
    try:
        answer = json.loads(body)
    except ValueError:
        return None  # somebody else's page
    return answer if isinstance(answer, dict) and {"ok", "parts"} <= answer.keys() else None

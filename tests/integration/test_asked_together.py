"""Many pages ask at the same time, and the server does not answer: they wait once, not one after the other."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from dashboard import advice
from dashboard.advice import _Asked
from dashboard.pages import running
from dashboard.pages.running import Running
from streamlab.errors import StreamlabError
from tests.waiting import until


@pytest.mark.parametrize(
    ("asked", "module", "name"),
    [
        (lambda: _Asked().current, advice.memory, "ask"),
        (lambda: Running().clients, running, "read_all"),
    ],
    ids=["advice", "clients"],
)
def test_who_waited_for_an_answer_that_never_came_does_not_wait_again(
    broker, redis_url, settings, monkeypatch, asked, module, name
):
    settings.STREAMLAB_URL = redis_url
    everybody, came, asks = threading.Barrier(6), [], []

    def hangs(connection) -> None:
        asks.append(connection)
        until(lambda: len(came) == 6)
        time.sleep(1.2)  # longer than an answer is fresh
        raise StreamlabError("It hangs.")

    monkeypatch.setattr(module, name, hangs)
    ask = asked()

    def come_together() -> None:
        everybody.wait(60)
        came.append("to ask")
        ask()

    with ThreadPoolExecutor(6) as pages:
        for page in [pages.submit(come_together) for _ in range(6)]:
            page.result()
    assert len(asks) == 1

"""How long until somebody sees it, in a real Chromium?

first paint     a page of the fabricated 50 topics × 10 groups by a browser that has nothing stored: from the click to
                the figures on the screen, which are in the first answer
dead letter     from a record's death, as it is written in its letter, to its error on the open page of dead letters

    python -m benchmarks browser
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from playwright.sync_api import Browser, Page

import streamlab
from streamlab import RetryPolicy
from streamlab.broker import Broker
from streamlab.errors import UnknownTopicOrPartitionError
from streamlab.model import ConsumerRecord

from .chromium import chromium
from .findings import Figure, Finding, Outcome
from .pages import fabricated
from .rounds import Spread, spread
from .scale import Scale
from .server import Server
from .web import Dashboard, dashboard

PART = "browser"
TOPICS = 50
PAINTED = {"overview": "/", "topic": "/topics/topic-0000/"}
PAINT_LIMIT_MS = 1_000.0
LETTER_LIMIT_MS = 2_000.0
WORDS = (
    "amber",
    "basil",
    "cedar",
    "dune",
    "ember",
    "fjord",
    "grove",
    "heath",
    "islet",
    "jade",
    "kelp",
    "lark",
)
"""Errors that are told apart: digits would be one and the same kind."""
_TOPIC, _GROUP = "orders", "billing"
_TIMEOUT_S = 60.0


def run(server: Server, scale: Scale) -> Outcome:
    with chromium() as browser:
        if browser is None:
            return Outcome([], [], ["browser: there is no Chromium on this machine."])
        measured = {
            f"first paint, {page}": (times, PAINT_LIMIT_MS)
            for page, times in paint(server, browser, scale.browser_turns).items()
        }
        seen = letters(server, browser, min(scale.browser_turns, len(WORDS)))
        measured["a dead letter, from its death to the page"] = seen, LETTER_LIMIT_MS
    findings = [_at_most(what, spread(times), limit_ms) for what, (times, limit_ms) in measured.items()]
    figures = [Figure(PART, what, spread(times), "ms") for what, (times, _) in measured.items()]
    return Outcome(findings, figures, [])


def _at_most(what: str, times: Spread, limit_ms: float) -> Finding:
    figure = f"{times.high:,.0f} ms at most (median {times.median:,.0f})"
    return Finding(PART, what, figure, f"≤ {limit_ms:,g} ms", times.high <= limit_ms)


def paint(server: Server, browser: Browser, turns: int) -> dict[str, list[float]]:
    """Times in ms by page; every time a browser without cache, which has only the cookie."""
    took: dict[str, list[float]] = {name: [] for name in PAINTED}
    with fabricated(server, TOPICS) as (web, _):
        for _ in range(turns):
            for name, path in PAINTED.items():
                with opened(browser, web, path) as page:
                    page.wait_for_function(_FIRST_PAINT)
                    took[name].append(page.evaluate(_FIRST_PAINT))
    return took


_FIRST_PAINT = "() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime"


def letters(server: Server, browser: Browser, count: int) -> list[float]:
    """Times in ms, of one letter after the other."""
    server.empty()
    with dashboard(server.url) as web, streamlab.connect(server.url) as broker:
        policy = RetryPolicy(max_attempts=1)
        producer = broker.producer(linger_ms=0)
        with broker.worker(_TOPIC, group_id=_GROUP, handler=_refuse, retry=policy):
            producer.send(_TOPIC, b"first").get(timeout=_TIMEOUT_S)  # makes the topic of dead letters
            _died_ms(broker, "first")
            with opened(browser, web, "/dead-letters/") as page:
                page.wait_for_function(_SEES, arg="first", timeout=_TIMEOUT_S * 1000)
                took = []
                for word in WORDS[:count]:
                    producer.send(_TOPIC, word.encode()).get(timeout=_TIMEOUT_S)
                    page.wait_for_function(_SEES, arg=word, polling=20, timeout=_TIMEOUT_S * 1000)
                    took.append(page.evaluate("() => Date.now()") - _died_ms(broker, word))
        producer.close()
    return took


_SEES = "word => document.querySelector('#list')?.textContent.includes(word)"


def _refuse(record: ConsumerRecord) -> None:
    raise ValueError(f"no stock of {record.value.decode()}")


def _died_ms(broker: Broker, word: str) -> int:
    """When the letter with this error says that its record died. Raises TimeoutError."""
    deadline = time.monotonic() + _TIMEOUT_S
    while time.monotonic() < deadline:
        with suppress(UnknownTopicOrPartitionError):  # nothing has died yet
            for found in broker.dead_letters(_TOPIC, _GROUP).all():
                if word in found.letter.error_message:
                    return found.letter.died_ms
        time.sleep(0.05)
    raise TimeoutError(f"No dead letter about {word} within {_TIMEOUT_S:g} s.")


@contextmanager
def opened(browser: Browser, web: Dashboard, path: str) -> Iterator[Page]:
    """A page in a browser that was never here before, and is signed in all the same."""
    context = browser.new_context(base_url=web.address)
    try:
        names_and_values = (pair.partition("=") for pair in web.cookie.split("; "))
        context.add_cookies([{"name": n, "value": v, "url": web.address} for n, _, v in names_and_values])
        page = context.new_page()
        page.goto(path)
        yield page
    finally:
        context.close()

"""Five hundred browsers look at once: does each get each tick soon, and what does it cost the web process?

Real WebSockets over loopback, spread over five pages of the fabricated 50 topics × 10 groups, which move once a second.
One in a hundred subscribes and never reads again.

    python -m benchmarks sockets
"""

from __future__ import annotations

import asyncio
import json
import re
import threading
import time
import zlib
from collections import defaultdict

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from .findings import Figure, Finding, Outcome
from .pages import fabricated
from .rounds import Spread
from .scale import Scale
from .server import Server
from .snapshot import Fabric
from .web import Dashboard

PART = "sockets"
TOPICS = 50
PAGES = ("/", "/topics/", "/topics/topic-0000/", "/groups/", "/groups/group-2/")
DEAF = 100
"""One of so many never reads."""
MAX_DELAY_MS = 500.0
MAX_CPU = 0.5
SETTLING_S = 3.0
GZIP = zlib.MAX_WBITS | 16
HEAD_BYTES = 300
HEAD = re.compile(rb'"seq":(\d+),"as_of":(\d+)')


def run(server: Server, scale: Scale) -> Outcome:
    delays, cpu, missed = measure(server, scale)
    who = f"{scale.sockets} sockets"
    spread = Spread(delays[len(delays) // 2], delays[0], delays[-1])
    p99 = delays[int(len(delays) * 0.99)]
    findings = [
        Finding(
            PART,
            f"{who}: delay of a frame",
            f"{spread.high:,.0f} ms at most (median {spread.median:,.0f}, p99 {p99:,.0f})",
            f"≤ {MAX_DELAY_MS:g} ms",
            spread.high <= MAX_DELAY_MS,
        ),
        Finding(
            PART,
            f"{who}: ticks that a reading browser did not get",
            f"{missed} of {len(delays) + missed}",
            "0",
            missed == 0,
        ),
        Finding(
            PART, f"{who}: web process", f"{cpu:.2f} of a core", f"≤ {MAX_CPU:g} of a core", cpu <= MAX_CPU
        ),
    ]
    return Outcome(findings, [Figure(PART, f"{who}, delay of a frame", spread, "ms")], [])


def measure(server: Server, scale: Scale) -> tuple[list[float], float, int]:
    """Delays in ms in order, CPU seconds of the web process a second, ticks that did not come to who read."""
    with fabricated(server, TOPICS) as (web, fabric):
        over = threading.Event()
        moving = threading.Thread(target=_move, args=(fabric, over), daemon=True)
        moving.start()
        try:
            return asyncio.run(_look(web, scale.sockets, scale.sockets_s))
        finally:
            over.set()
            moving.join()


def _move(fabric: Fabric, over: threading.Event) -> None:
    while not over.wait(1.0):
        fabric.move()


class Browser:
    """One live feed."""

    def __init__(self, page: str, socket: ClientConnection):
        self.page = page
        self.delays_ms: dict[int, float] = {}  # by sequence number of the snapshot
        self._socket = socket

    async def read(self) -> None:
        try:
            async for frame in self._socket:
                assert isinstance(frame, bytes), "frames come packed"
                unpacking = zlib.decompressobj(
                    GZIP
                )  # of the head alone: all of 500 would cost more than sending them
                head = HEAD.search(unpacking.decompress(frame, HEAD_BYTES))
                assert head, "a frame begins with its page, its number and its time"
                self.delays_ms[int(head[1])] = time.time() * 1000 - int(head[2])
        except ConnectionClosed:
            return


async def _look(web: Dashboard, count: int, for_s: float) -> tuple[list[float], float, int]:
    sockets = [await _open(web, PAGES[n % len(PAGES)]) for n in range(count)]
    deaf = {n for n in range(count) if n % DEAF == DEAF - 1}
    browsers = [Browser(PAGES[n % len(PAGES)], sockets[n]) for n in range(count) if n not in deaf]
    reading = [asyncio.create_task(browser.read()) for browser in browsers]
    await asyncio.sleep(SETTLING_S)
    for browser in browsers:
        browser.delays_ms.clear()
    cpu_s, started = web.cpu_s(), time.monotonic()
    await asyncio.sleep(for_s)
    cpu = (web.cpu_s() - cpu_s) / (time.monotonic() - started)
    for task in reading:
        task.cancel()
    answer = sorted(delay for browser in browsers for delay in browser.delays_ms.values())
    missed = _missed(browsers)
    for socket in sockets:
        socket.transport.abort()
    return answer, cpu, missed


async def _open(web: Dashboard, page: str) -> ClientConnection:
    socket = await connect(
        web.address.replace("http", "ws", 1) + "/ws/live/",
        additional_headers={"Cookie": web.cookie},
        origin=web.address,  # type: ignore[arg-type]
        ping_interval=None,
        max_size=None,
        open_timeout=60,
    )
    await socket.send(json.dumps({"subscribe": page}))
    return socket


def _missed(browsers: list[Browser]) -> int:
    """A tick that anybody on a page got, all others there should have; the first and the last may be cut off."""
    by_page: dict[str, set[int]] = defaultdict(set)
    for browser in browsers:
        by_page[browser.page] |= browser.delays_ms.keys()
    missed = 0
    for browser in browsers:
        between = sorted(by_page[browser.page])[1:-1]
        missed += sum(seq not in browser.delays_ms for seq in between)
    return missed

"""The fan-out: one Redis reader a web process, each page drawn once, every browser sent the same bytes.

The reader is supervised: when Redis goes away it tries again, from 0.2 s up to 3 s apart, for as long as
anybody looks. Nobody looking means no reader and no drawing.
"""

from __future__ import annotations

import asyncio
import logging
import random
import weakref

import redis.asyncio
from django.conf import settings
from django.http import Http404
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from dashboard.pages import moments
from dashboard.pages.moments import Moment, NoMeasurements
from dashboard.pages.page import find
from streamlab import keys
from streamlab.address import parse

from .mailbox import Mailbox
from .watch import Watch

log = logging.getLogger(__name__)

TICK_TIMEOUT_S = 2.0
"""Without a tick for so long we look by ourselves: pub/sub promises nothing."""
RETRY_FIRST_S, RETRY_LAST_S = 0.2, 3.0


class Hub:
    """Of one event loop. `hub()` gives it."""

    def __init__(self, url: str):
        self._url = url
        self._watches: dict[str, Watch] = {}
        self._reader: asyncio.Task[None] | None = None
        self._drawer: asyncio.Task[None] | None = None
        self._wanted = asyncio.Event()  # there is something to draw

    @property
    def watched(self) -> list[str]:
        return list(self._watches)

    def subscribe(self, key: str, mailbox: Mailbox) -> None:
        """Send this page to that mailbox, a full frame first. Raises Http404 when the key is no live page."""
        watch = self._watches.get(key)
        if watch is None:
            watch = self._watches[key] = Watch(key, *find(key))
        mailbox.owed = True
        watch.mailboxes.add(mailbox)
        self._start()
        self._wanted.set()

    def unsubscribe(self, key: str, mailbox: Mailbox) -> None:
        watch = self._watches.get(key)
        if watch is None:
            return
        watch.mailboxes.discard(mailbox)
        if not watch.mailboxes:
            del self._watches[key]
        if not self._watches:
            self._stop()

    def resync(self, key: str, mailbox: Mailbox) -> None:
        """The browser missed something: owe it a full frame."""
        if key in self._watches:
            self.subscribe(key, mailbox)

    def _start(self) -> None:
        if self._reader is None or self._reader.done():
            self._reader = asyncio.create_task(self._read_for_ever(), name="live reader")
        if self._drawer is None or self._drawer.done():
            self._drawer = asyncio.create_task(self._draw_for_ever(), name="live drawer")

    def _stop(self) -> None:
        for task in (self._reader, self._drawer):
            if task is not None:
                task.cancel()
        self._reader = self._drawer = None

    async def _read_for_ever(self) -> None:
        pause = RETRY_FIRST_S
        while not _told_to_stop():
            try:
                async with self._client() as client, client.pubsub() as ticks:
                    await ticks.subscribe(keys.SNAPSHOT_TICK)
                    while not _told_to_stop():
                        await ticks.get_message(ignore_subscribe_messages=True, timeout=TICK_TIMEOUT_S)
                        pause = RETRY_FIRST_S
                        self._wanted.set()
            except (RedisError, OSError) as error:
                log.warning("Live feed lost Redis, next try in %.1f s: %s", pause, error)
            except Exception:
                log.exception("Live feed stumbled, next try in %.1f s", pause)
            await asyncio.sleep(pause)
            pause = min(pause * 2, RETRY_LAST_S)

    def _client(self) -> redis.asyncio.Redis:
        """To the server; to any node of a cluster, for what is published on one is heard on all of them."""
        address = parse(self._url)
        return redis.asyncio.Redis.from_url(
            address.url_of(random.choice(address.nodes) if address.is_cluster else None),
            retry=Retry(NoBackoff(), 0),
            socket_timeout=TICK_TIMEOUT_S + 3,
            socket_connect_timeout=3,
        )

    async def _draw_for_ever(self) -> None:
        """Draws the newest snapshot whenever there is one; ticks during a drawing come together as one."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            watches = list(self._watches.values())
            try:
                moment = await asyncio.to_thread(moments.current)
            except NoMeasurements as reason:
                log.debug("Nothing measured: %s", reason)
                moment, watches = moments.bare(), [w for w in watches if not w.measured]
            except Exception:
                log.exception("Reading the snapshot failed")
                continue
            for watch in watches:
                if watch.wants(moment):
                    await self._draw(watch, moment)

    async def _draw(self, watch: Watch, moment: Moment) -> None:
        try:
            deliver = await asyncio.to_thread(watch.draw, moment)
        except Exception:
            log.exception("Drawing %s failed", watch.key)
        else:
            deliver()


def _told_to_stop() -> bool:
    """redis-py's timeouts have been seen to swallow a cancellation that came at the same time, so we ask as well."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


_hubs: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Hub] = weakref.WeakKeyDictionary()


def hub() -> Hub:
    """The hub of the running event loop."""
    loop = asyncio.get_running_loop()
    if loop not in _hubs:
        _hubs[loop] = Hub(settings.STREAMLAB_URL or "")
    return _hubs[loop]


__all__ = ["Http404", "Hub", "hub"]

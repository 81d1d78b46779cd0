"""The browser's end of the live feed.

From the browser, as text: {"subscribe": "/topics/?sort=rate"} and {"resync": true}. To the browser, as bytes:
frames, see `watch`. It is closed with 4401 when the sign-in is gone, 4404 for a page that does not exist, 4408 when the
browser does not read, 4413 and 4429 when it says too much or too often.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import orjson
from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings
from django.contrib.auth import get_user
from django.contrib.auth.models import AnonymousUser
from django.http import Http404

from dashboard.access.models import User
from dashboard.access.roles import role_of
from dashboard.access.sockets import PATIENCE_S, group_of

from .hub import Hub, hub
from .mailbox import Mailbox

MAX_MESSAGE_CHARS = 2048
MAX_MESSAGES, PER_SECONDS = 20, 10.0
RECHECK_S = 30.0
STUCK_S = 15.0

log = logging.getLogger("streamlab.live")

SIGNED_OUT, NO_SUCH_PAGE, TOO_SLOW, TOO_LONG, TOO_OFTEN, NOT_UNDERSTOOD = 4401, 4404, 4408, 4413, 4429, 4400


class LiveSocket(AsyncWebsocketConsumer):
    """One browser tab."""

    async def connect(self) -> None:
        self._hub: Hub = hub()
        self._mailbox = Mailbox()
        self._key: str | None = None
        self._said: deque[float] = deque(maxlen=MAX_MESSAGES)
        self._tasks: list[asyncio.Task[None]] = []
        await self.accept()  # a close code reaches the browser only over an open socket
        user = self.scope.get("user")
        if (
            user is not None and user.pk is not None
        ):  # first, so that no change falls between looking and listening
            await _quietly(self.channel_layer.group_add(group_of(user.pk), self.channel_name))
        if user is None or not await may_look(user):
            await self.close(SIGNED_OUT)
            return
        self._tasks = [asyncio.create_task(self._deliver()), asyncio.create_task(self._guard())]

    async def disconnect(self, code: int) -> None:
        for task in self._tasks:
            task.cancel()
        self._leave()
        user = self.scope.get("user")
        if user is not None and user.pk is not None:
            await _quietly(self.channel_layer.group_discard(group_of(user.pk), self.channel_name))

    async def look_again(self, event: dict[str, Any]) -> None:
        """Something about this person was changed: see `dashboard/access/sockets.py`."""
        if self._tasks and not await may_still_look(self.scope):
            await self._end(SIGNED_OUT)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        if not self._tasks:
            return  # never signed in, and closing
        if text_data is None or len(text_data) > MAX_MESSAGE_CHARS:
            await self.close(TOO_LONG)
        elif self._too_often():
            await self.close(TOO_OFTEN)
        else:
            await self._understand(text_data)

    async def _understand(self, text: str) -> None:
        try:
            message = orjson.loads(text)
        except orjson.JSONDecodeError:
            message = None
        if not isinstance(message, dict):
            await self.close(NOT_UNDERSTOOD)
        elif isinstance(key := message.get("subscribe"), str):
            await self._subscribe(key)
        elif message.get("resync") and self._key is not None:
            self._hub.resync(self._key, self._mailbox)
        else:
            await self.close(NOT_UNDERSTOOD)

    async def _subscribe(self, key: str) -> None:
        self._leave()
        try:
            if "\x00" in key or "%00" in key:  # as in dashboard/config/nul.py
                raise Http404
            self._hub.subscribe(key, self._mailbox)
        except Http404:
            await self.close(NO_SUCH_PAGE)
            return
        self._key = key

    def _leave(self) -> None:
        if self._key is not None:
            self._hub.unsubscribe(self._key, self._mailbox)
            self._key = None

    def _too_often(self) -> bool:
        now = time.monotonic()
        full = len(self._said) == MAX_MESSAGES
        often = full and now - self._said[0] < PER_SECONDS
        self._said.append(now)
        return often

    async def _deliver(self) -> None:
        while True:
            await self.send(bytes_data=await self._mailbox.take())

    async def _guard(self) -> None:
        """Looks every second whether the browser reads, and every RECHECK_S whether it may still look, told or not."""
        checked = time.monotonic()
        while True:
            await asyncio.sleep(1)
            if self._mailbox.stuck_s > STUCK_S:
                return await self._end(TOO_SLOW)
            if time.monotonic() - checked >= RECHECK_S:
                checked = time.monotonic()
                if not await may_still_look(self.scope):
                    return await self._end(SIGNED_OUT)

    async def _end(self, code: int) -> None:
        self._leave()
        await self.close(code)


async def _quietly(done: Awaitable[None]) -> None:
    """Without the channel layer a socket is not told of changes, and looks by itself."""
    try:
        await asyncio.wait_for(done, PATIENCE_S)
    except Exception as error:
        log.warning("A socket cannot be told of changes; it looks every %.0f s: %s", RECHECK_S, error)


@database_sync_to_async
def may_still_look(scope: dict[str, Any]) -> bool:
    """Whether the session that opened the socket still belongs to the same person, who still has a role."""
    store = import_module(settings.SESSION_ENGINE).SessionStore
    user = get_user(SimpleNamespace(session=store(scope["session"].session_key)))  # type: ignore[arg-type]
    return user.pk == scope["user"].pk and role_of(user) is not None


@database_sync_to_async
def may_look(user: User | AnonymousUser) -> bool:
    return role_of(user) is not None

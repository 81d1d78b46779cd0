"""The live feed through the real ASGI door: who may listen, what is sent, and what happens when things break."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module
from typing import Any

import msgspec
import pytest
import redis
from asgiref.sync import sync_to_async
from asgiref.testing import ApplicationCommunicator
from channels.layers import get_channel_layer
from django.conf import settings as django_settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.test import Client

from dashboard.access import people
from dashboard.access.models import User
from dashboard.audit.trail import Actor
from dashboard.config.asgi import application
from dashboard.live import socket as live_socket
from dashboard.live.hub import hub
from dashboard.live.watch import Watch
from dashboard.pages import group
from streamlab import keys
from streamlab.embedded import EmbeddedServer
from streamlab.metrics.snapshot import encode
from tests.integration.broker_pictures import busy_snapshot, now_ms, publish
from tests.people import a_person
from tests.snapshots import a_group, a_snapshot, a_topic

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.asyncio]
OWN_ORIGIN = "http://localhost"


class Browser:
    """One WebSocket, as a browser would hold it."""

    def __init__(self, cookie: str = "", origin: str = OWN_ORIGIN):
        headers = [(b"origin", origin.encode()), (b"host", b"localhost")]
        if cookie:
            headers.append((b"cookie", f"{django_settings.SESSION_COOKIE_NAME}={cookie}".encode()))
        self.scope: dict[str, Any] = {
            "type": "websocket", "path": "/ws/live/", "query_string": b"", "headers": headers, "subprotocols": [],
        }  # fmt: skip
        self._wire = ApplicationCommunicator(application, self.scope)

    async def open(self) -> dict[str, Any]:
        await self._wire.send_input({"type": "websocket.connect"})
        return await self._wire.receive_output(30)

    async def say(self, message: Any) -> None:
        text = message if isinstance(message, str) else json.dumps(message)
        await self._wire.send_input({"type": "websocket.receive", "text": text})

    async def hear(self, timeout_s: float = 30) -> dict[str, Any]:
        """The next event; a frame is decoded."""
        event = await self._wire.receive_output(timeout_s)
        return json.loads(gzip.decompress(event["bytes"])) if event["type"] == "websocket.send" else event

    async def leave(self) -> None:
        await self._wire.send_input({"type": "websocket.disconnect", "code": 1000})
        await self._wire.wait(30)

    async def hears_nothing(self, for_s: float = 0.3) -> bool:
        return await self._wire.receive_nothing(for_s)


@pytest.fixture
def live(redis_url, settings):
    settings.STREAMLAB_URL = redis_url
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
    return redis_url


def _sign_in(name: str = "viewer") -> str:
    user = a_person(name=name)
    session = import_module(django_settings.SESSION_ENGINE).SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.save()
    return session.session_key


@asynccontextmanager
async def a_browser(key: str = "/", cookie: str | None = None) -> AsyncIterator[Browser]:
    """Signed in and subscribed."""
    browser = Browser(cookie or await sync_to_async(_sign_in)())
    assert (await browser.open())["type"] == "websocket.accept"
    await browser.say({"subscribe": key})
    try:
        yield browser
    finally:
        await browser.leave()


async def _publish(url: str, snapshot, **how: Any):
    return await asyncio.to_thread(publish, url, snapshot, **how)


async def test_nobody_listens_without_signing_in(live):
    browser = Browser()
    assert (await browser.open())["type"] == "websocket.accept"
    assert await browser.hear() == {"type": "websocket.close", "code": 4401}
    await browser.say({"subscribe": "/"})
    assert await browser.hears_nothing()


@pytest.mark.parametrize("origin", [
    "http://evil.example", "http://localhost.evil.example", "null", "", "http://localhost:9999", "https://localhost",
    "http://localhost/a", "http://evil.example@localhost", "http://[localhost",
])  # fmt: skip
async def test_a_page_of_somebody_else_cannot_listen(live, origin):
    browser = Browser(await sync_to_async(_sign_in)(), origin)
    assert (await browser.open())["type"] == "websocket.close"


async def test_who_says_nothing_of_its_origin_or_names_another_host_cannot_listen(live):
    cookie = await sync_to_async(_sign_in)()
    ours, evil, name = (
        (b"origin", b"http://localhost"),
        (b"origin", b"http://evil.example"),
        (b"host", b"localhost"),
    )
    for headers in (
        [name],
        [evil, (b"host", b"evil.example")],
        [evil, ours, name],
        [ours, evil, name],
        [ours],
    ):
        browser = Browser(cookie)
        kept = [header for header in browser.scope["headers"] if header[0] == b"cookie"]
        browser.scope["headers"] = [*headers, *kept]
        assert (await browser.open())["type"] == "websocket.close", headers


async def test_pages_of_an_origin_that_is_trusted_can_listen(live, settings):
    settings.CSRF_TRUSTED_ORIGINS = ["https://*.lab.example", "https://one.example:8443"]
    cookie = await sync_to_async(_sign_in)()
    for origin, opened in (("https://a.lab.example", "accept"), ("https://one.example:8443", "accept"),
                           ("https://one.example", "close"), ("https://evil-lab.example", "close")):  # fmt: skip
        browser = Browser(cookie, origin)
        assert (await browser.open())["type"] == f"websocket.{opened}", origin
        await browser.leave()


@pytest.mark.both_engines
async def test_the_first_frame_is_full_and_the_next_brings_what_is_new(live):
    at = now_ms()
    await _publish(live, busy_snapshot(), as_of_ms=at, seconds_of_history=30)
    async with a_browser("/groups/inventory/") as browser:
        first = await browser.hear()
        assert first["full"] is True
        assert first["html"].keys() == set(group.PAGE.parts)
        assert len(first["series"]["lag"]["t"][0]) == 31
        more = a_snapshot(a_topic(), a_group("inventory", lag=450, members=[], state="Empty"))
        await _publish(live, more, as_of_ms=at + 1_000)
        second = await browser.hear()
        assert (second["prev"], second["seq"]) == (first["seq"], first["seq"] + 1)
        assert second["series"]["lag"]["y"] == [[450]]
        assert "450" in second["html"]["figures"]
        assert "members" not in second["html"], "what did not change is not sent again"


async def test_a_hundred_browsers_cost_one_drawing(live, monkeypatch):
    await _publish(live, busy_snapshot())
    drawn = []
    original = Watch.draw

    def counted(self, moment):
        drawn.append(self.key)
        return original(self, moment)

    cookie = await sync_to_async(_sign_in)()
    browsers = [Browser(cookie) for _ in range(100)]
    for browser in browsers:
        await browser.open()
        await browser.say({"subscribe": "/topics/"})
    for browser in browsers:
        assert (await browser.hear())["full"]
    monkeypatch.setattr(Watch, "draw", counted)
    await _publish(live, busy_snapshot(), as_of_ms=now_ms() + 1_000)
    seen = {(await browser.hear())["seq"] for browser in browsers}
    assert len(seen) == 1
    assert drawn == ["/topics/"]
    for browser in browsers:
        await browser.leave()


async def test_nobody_looking_means_nothing_is_drawn_or_read(live):
    await _publish(live, busy_snapshot())
    async with a_browser("/topics/") as browser:
        await browser.hear()
        assert hub().watched == ["/topics/"]
    assert hub().watched == []
    assert hub()._reader is None


async def test_another_view_of_the_page_comes_at_once(live):
    await _publish(live, busy_snapshot())
    async with a_browser("/topics/") as browser:
        await browser.hear()
        await browser.say({"subscribe": "/topics/?q=click"})
        frame = await browser.hear()
        assert (frame["key"], frame["full"]) == ("/topics/?q=click", True)
        assert "orders" not in frame["html"]["list"]


async def test_who_missed_something_is_sent_everything(live):
    await _publish(live, busy_snapshot())
    async with a_browser("/") as browser:
        await browser.hear()
        await browser.say({"resync": True})
        assert (await browser.hear())["full"] is True


async def test_a_group_that_disappears_is_said_to_be_gone(live):
    await _publish(live, busy_snapshot())
    async with a_browser("/groups/inventory/") as browser:
        await browser.hear()
        await _publish(live, a_snapshot(a_topic()), as_of_ms=now_ms() + 1_000)
        assert (await browser.hear())["gone"] == "There is no group “inventory”."


@pytest.mark.parametrize(
    "key", ["/nothing/", "/healthz", "/sign-in/", "//evil.example/", "", "topics/", "/alerts/?q=%00"]
)
async def test_only_pages_can_be_listened_to(live, key):
    async with a_browser(key) as browser:
        assert await browser.hear() == {"type": "websocket.close", "code": 4404}


@pytest.mark.parametrize(
    "message", ["", "{", "[]", "42", '{"subscribe": 1}', '{"resync": true}', '"' + "x" * 100]
)
async def test_what_is_not_understood_ends_the_talk(live, message):
    browser = Browser(await sync_to_async(_sign_in)())
    await browser.open()
    await browser.say(message)
    assert (await browser.hear())["code"] == 4400


async def test_a_long_message_and_a_chatterbox_are_cut_off(live):
    cookie = await sync_to_async(_sign_in)()
    shouter, chatterbox = Browser(cookie), Browser(cookie)
    await shouter.open()
    await shouter.say('{"subscribe": "' + "x" * 5_000 + '"}')
    assert (await shouter.hear())["code"] == 4413
    await _publish(live, busy_snapshot())
    await chatterbox.open()
    for _ in range(live_socket.MAX_MESSAGES + 1):
        await chatterbox.say({"subscribe": "/"})
    heard = await chatterbox.hear()
    while "code" not in heard:
        heard = await chatterbox.hear()
    assert heard["code"] == 4429


@pytest.mark.parametrize("change", ["signed out", "deactivated", "password changed"])
async def test_a_socket_does_not_outlive_the_sign_in(live, monkeypatch, change):
    monkeypatch.setattr(live_socket, "RECHECK_S", 0.0)
    await _publish(live, busy_snapshot())
    cookie = await sync_to_async(_sign_in)()
    async with a_browser("/", cookie) as browser:
        await browser.hear()
        await sync_to_async(_end_sign_in)(change, cookie)
        event = await browser.hear()
        while "code" not in event:
            event = await browser.hear()
        assert event["code"] == 4401


@pytest.mark.parametrize("change", ["deactivated on the page", "no role any more", "signed out on the page"])
async def test_sockets_are_told_at_once_when_their_sign_in_ends(live, settings, monkeypatch, change):
    monkeypatch.setattr(live_socket, "RECHECK_S", 3_600.0)
    settings.CHANNEL_LAYERS = {
        "default": {
            "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
            "CONFIG": {"hosts": [live], "prefix": "test:channels"},
        }
    }
    await _publish(live, busy_snapshot())
    cookie, other = await sync_to_async(_sign_in)(), await sync_to_async(_sign_in)("somebody-else")
    async with a_browser("/", other) as stays, a_browser("/", cookie) as goes:
        await stays.hear()
        await goes.hear()
        await sync_to_async(_end_on_the_page)(change, cookie)
        event = await goes.hear()
        while "code" not in event:
            event = await goes.hear()
        assert event["code"] == 4401
        await _publish(live, busy_snapshot(), as_of_ms=now_ms() + 60_000)
        assert "code" not in await stays.hear()
    await get_channel_layer().flush()


def _end_on_the_page(change: str, cookie: str) -> None:
    user = User.objects.get(username="viewer")
    if change == "deactivated on the page":
        people.set_active(user, False, Actor(None))
    elif change == "no role any more":
        user.groups.clear()
    else:
        browser = Client()
        browser.cookies[django_settings.SESSION_COOKIE_NAME] = cookie
        assert browser.post("/sign-out/").status_code == 302


async def test_a_person_is_deactivated_although_no_socket_can_be_told(live, settings, caplog):
    settings.CHANNEL_LAYERS = {
        "default": {
            "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
            "CONFIG": {"hosts": ["redis://127.0.0.1:1/0"]},
        }
    }
    await sync_to_async(_sign_in)()
    await sync_to_async(_end_on_the_page)("deactivated on the page", "")
    assert not (await User.objects.aget(username="viewer")).is_active
    assert "look within half a minute" in caplog.text


def _end_sign_in(change: str, cookie: str) -> None:
    if change == "signed out":
        import_module(django_settings.SESSION_ENGINE).SessionStore(cookie).delete()
        return
    user = User.objects.get(username="viewer")
    if change == "deactivated":
        user.is_active = False
    else:
        user.set_password("something else entirely")
    user.save()


@pytest.mark.short_times
async def test_a_browser_that_does_not_read_costs_one_frame_and_is_let_go(live, monkeypatch):
    monkeypatch.setattr(live_socket, "STUCK_S", 0.5)
    await _publish(live, busy_snapshot())
    async with a_browser("/topics/") as browser:
        await browser.hear()
        stuck = asyncio.Event()

        async def never(self, *args: Any, **kwargs: Any) -> None:
            await stuck.wait()

        monkeypatch.setattr(live_socket.LiveSocket, "send", never)
        [mailbox] = hub()._watches["/topics/"].mailboxes
        for second in range(1, 6):
            await _publish(live, busy_snapshot(), as_of_ms=now_ms() + second * 1_000)
            await asyncio.sleep(0.1)
        assert mailbox.occupied
        assert mailbox.missed >= 2
        event = await browser.hear()
        while "code" not in event:  # the frame that was on its way
            event = await browser.hear()
        assert event["code"] == 4408


async def test_the_feed_comes_back_by_itself_after_redis_was_away(tmp_path, settings):
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
    server = EmbeddedServer(tmp_path)
    settings.STREAMLAB_URL = await asyncio.to_thread(server.start)
    try:
        await _publish(settings.STREAMLAB_URL, busy_snapshot())
        async with a_browser("/topics/") as browser:
            first = await browser.hear()
            await asyncio.to_thread(server.stop)
            assert await browser.hears_nothing(0.5)
            await asyncio.to_thread(server.start)
            latest = await _publish(settings.STREAMLAB_URL, busy_snapshot(), as_of_ms=now_ms() + 60_000)
            frame = await browser.hear(10)
            assert frame["as_of"] == latest.as_of_ms > first["as_of"]
    finally:
        await asyncio.to_thread(server.stop)


async def test_a_snapshot_without_a_tick_is_found_all_the_same(live):
    latest = await _publish(live, busy_snapshot())
    async with a_browser("/topics/") as browser:
        await browser.hear()
        quiet = msgspec.structs.replace(latest, as_of_ms=latest.as_of_ms + 9_000, seq=latest.seq + 9)
        client = redis.Redis.from_url(live)
        await asyncio.to_thread(client.set, keys.SNAPSHOT, encode(quiet))
        assert (await browser.hear(6))["as_of"] == quiet.as_of_ms

"""`GET /healthz`: is each part there? For load balancers, scripts and the supervisor; needs no sign-in.

Every part is asked at the same time and has 1.5 s to answer, so the whole answers within 2 s even when a
server hangs. The answer names no address and no error text: those are for people who are signed in.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable
from typing import Any

import redis.asyncio
from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.db import connection
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from dashboard import heartbeat
from dashboard.alerts.awake import ASLEEP_MS, looked_ago_ms
from dashboard.projections import GROUP
from streamlab import keys
from streamlab.address import parse
from streamlab.metrics.sampler import SNAPSHOT_TTL_MS

PATIENCE_S = 1.5
SNAPSHOT_STALE_MS = 10_000

Part = dict[str, Any]


@login_not_required
@require_safe
async def healthz(request: HttpRequest) -> JsonResponse:
    """200 when every part is up, else 503; the body says which part is how."""
    parts = await check()
    ok = all(part["ok"] for part in parts.values())
    return JsonResponse({"ok": ok, "parts": parts}, status=200 if ok else 503)


async def check() -> dict[str, Part]:
    """Each part's state: `ok`, and `state` in one word or two."""
    asked: dict[str, Awaitable[Part]] = {
        "database": _database(),
        "data": _answers(settings.STREAMLAB_URL),
        "control": _answers(settings.REDIS_URL),
        "sampler": _sampler(),
        "worker": _worker(),
        "projector": _projector(),
        "alerts": _alerts(),
    }
    states = await asyncio.gather(*(_patiently(part) for part in asked.values()))
    return dict(zip(asked, states, strict=True))


async def _patiently(part: Awaitable[Part]) -> Part:
    try:
        return await asyncio.wait_for(part, PATIENCE_S)
    except TimeoutError:
        return _down("no answer")
    except Exception:  # whatever it is, the part is down; the log of that part says why
        return _down("down")


def _up(state: str = "up", **more: Any) -> Part:
    return {"ok": True, "state": state, **more}


def _down(state: str, **more: Any) -> Part:
    return {"ok": False, "state": state, **more}


async def _database() -> Part:
    def ask() -> Part:
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1 FROM django_migrations LIMIT 1")
                return _up()
        finally:
            connection.close()  # this thread may never see another request

    return await sync_to_async(ask, thread_sensitive=False)()


async def _answers(url: str | None) -> Part:
    if not url:
        return _down("not configured")
    async with _client(url) as client:
        await client.ping()
    return _up()


async def _sampler() -> Part:
    if not settings.STREAMLAB_URL:
        return _down("not configured")
    async with _client(settings.STREAMLAB_URL) as client:
        left_ms = await client.pttl(keys.SNAPSHOT)
    if left_ms < 0:
        return _down("no snapshot")
    age_ms = max(0, SNAPSHOT_TTL_MS - left_ms)  # what is left of its life tells its age
    fresh = age_ms <= SNAPSHOT_STALE_MS
    return _up(age_ms=age_ms) if fresh else _down("stale", age_ms=age_ms)


async def _worker() -> Part:
    if not settings.REDIS_URL:
        return _down("not configured")
    async with _client(settings.REDIS_URL) as client:
        return _up() if await client.exists(heartbeat.KEY) else _down("no heartbeat")


async def _projector() -> Part:
    """It is there while its group has a member whose lease runs."""
    if not settings.STREAMLAB_URL:
        return _down("not configured")
    async with _client(settings.STREAMLAB_URL) as client:
        now_ms = time.time_ns() // 1_000_000
        return (
            _up() if await client.zcount(keys.group_leases(GROUP), now_ms, "+inf") else _down("not running")
        )


async def _alerts() -> Part:
    """It is there while it looks at the rules."""

    def ask() -> Part:
        try:
            age_ms = looked_ago_ms()
        finally:
            connection.close()  # this thread may never see another request
        if age_ms is None:
            return _down("never looked")
        return _up(age_ms=age_ms) if age_ms <= ASLEEP_MS else _down("not looking", age_ms=age_ms)

    return await sync_to_async(ask, thread_sensitive=False)()


def _client(url: str) -> redis.asyncio.Redis:
    """One connection for one question: a pool kept here would outlive its event loop in tests and reloads."""
    kind = redis.asyncio.Redis
    if "cluster" in url.partition("://")[0]:
        kind = redis.asyncio.RedisCluster  # type: ignore[assignment]
        address = parse(url)
        url = address.url_of(random.choice(address.nodes))  # it finds the others
        return kind.from_url(url, socket_timeout=PATIENCE_S, socket_connect_timeout=PATIENCE_S)
    return kind.from_url(
        url, socket_timeout=PATIENCE_S, socket_connect_timeout=PATIENCE_S, retry=Retry(NoBackoff(), 0)
    )

"""Proof that jobs are run: beat asks every few seconds, a worker answers by writing a key that fades away.

So a fresh key says that beat, the control Redis and at least one worker work together.
"""

from __future__ import annotations

import time
from functools import cache

import redis
from celery import shared_task
from django.conf import settings

KEY = "sl:worker:heartbeat"
LIFETIME_S = 30


@cache
def _control() -> redis.Redis:
    return redis.Redis.from_url(settings.REDIS_URL or "", socket_timeout=5)


@shared_task(name="dashboard.heartbeat.beat")
def beat() -> None:
    _control().set(KEY, str(time.time_ns() // 1_000_000), ex=LIFETIME_S)

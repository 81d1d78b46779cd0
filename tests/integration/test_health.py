"""/healthz tells what is up and what is not, without a sign-in and without delay."""

from __future__ import annotations

import socket
import time
from datetime import timedelta

import pytest
import redis
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from dashboard import heartbeat
from dashboard.alerts.models import Watchman
from dashboard.config.redis_urls import control_url
from dashboard.projections import GROUP
from streamlab import keys

pytestmark = pytest.mark.django_db(transaction=True)  # it asks the database from a thread of its own


@pytest.fixture
def all_up(redis_url: str, settings: Settings) -> redis.Redis:
    """A server with a fresh snapshot, a fresh heartbeat, and a projector that lives."""
    settings.STREAMLAB_URL, settings.REDIS_URL = redis_url, control_url(redis_url)
    client = redis.Redis.from_url(redis_url)
    client.set(keys.SNAPSHOT, b"...", px=60_000)
    client.zadd(keys.group_leases(GROUP), {"member": (time.time() + 60) * 1000})
    heartbeat._control.cache_clear()
    heartbeat.beat()
    Watchman.objects.create(looked_at=timezone.now())
    return client


def state_of(client: Client, part: str) -> tuple[int, bool, str]:
    reply = client.get("/healthz")
    found = reply.json()["parts"][part]
    return reply.status_code, found["ok"], found["state"]


def test_all_up_is_200(client: Client, all_up: redis.Redis) -> None:
    reply = client.get("/healthz")
    assert reply.status_code == 200
    assert reply.json()["ok"]
    assert {name: part["state"] for name, part in reply.json()["parts"].items()} == dict.fromkeys(
        ("database", "data", "control", "sampler", "worker", "projector", "alerts"), "up"
    )


def test_a_snapshot_that_is_old_or_missing_is_503(client: Client, all_up: redis.Redis) -> None:
    all_up.pexpire(keys.SNAPSHOT, 60_000 - 11_000)
    assert state_of(client, "sampler") == (503, False, "stale")
    all_up.delete(keys.SNAPSHOT)
    assert state_of(client, "sampler") == (503, False, "no snapshot")


def test_no_heartbeat_is_503(client: Client, all_up: redis.Redis, settings: Settings) -> None:
    redis.Redis.from_url(settings.REDIS_URL).delete(heartbeat.KEY)
    assert state_of(client, "worker") == (503, False, "no heartbeat")


def test_a_projector_whose_lease_is_over_is_503(client: Client, all_up: redis.Redis) -> None:
    all_up.zadd(keys.group_leases(GROUP), {"member": (time.time() - 1) * 1000})
    assert state_of(client, "projector") == (503, False, "not running")


def test_rules_that_nobody_looks_at_are_503(client: Client, all_up: redis.Redis) -> None:
    Watchman.objects.update(looked_at=timezone.now() - timedelta(seconds=16))
    assert state_of(client, "alerts") == (503, False, "not looking")
    Watchman.objects.all().delete()
    assert state_of(client, "alerts") == (503, False, "never looked")


def test_a_server_that_is_down_is_503(client: Client, all_up: redis.Redis, settings: Settings) -> None:
    settings.STREAMLAB_URL = "unix:///nowhere/redis.sock"
    assert state_of(client, "data") == (503, False, "down")
    assert state_of(client, "control") == (503, True, "up")


def test_a_server_that_hangs_is_503_and_not_waited_for(
    client: Client, all_up: redis.Redis, settings: Settings
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts, and never answers
        settings.STREAMLAB_URL = settings.REDIS_URL = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        began = time.monotonic()
        reply = client.get("/healthz")
        took = time.monotonic() - began
    assert reply.status_code == 503
    assert {name for name, part in reply.json()["parts"].items() if part["ok"]} == {"database", "alerts"}
    assert took < 10  # of the 15 s that an answer is waited for elsewhere


def test_it_answers_to_get_and_head_only_and_tells_no_addresses(client: Client, all_up: redis.Redis) -> None:
    assert client.post("/healthz").status_code == 405
    assert client.head("/healthz").status_code == 200
    assert "redis.sock" not in client.get("/healthz").content.decode()

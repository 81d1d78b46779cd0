"""Alerts go on through the death of the process that watches: each opens and clears once, and everybody is told."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from streamlab.metrics.snapshot import GroupSnapshot
from tests.integration.broker_pictures import publish
from tests.receivers import WebhookReceiver
from tests.shell import REPOSITORY
from tests.snapshots import a_group, a_snapshot
from tests.waiting import until

pytestmark = pytest.mark.faults

STOPPED = a_group("inventory", lag=400, members=[], state="Empty")
RUNNING = a_group("inventory")
MAKE_RULE = """
from dashboard.alerts.models import Channel, Rule
rule = Rule.objects.create(name="stopped", condition="group-status", statuses=["stopped"], for_s=0, clear_for_s=0)
for name, url in {channels!r}.items():
    rule.channels.add(Channel.objects.create(name=name, kind="webhook", url=url))
"""


class Installation:
    """A database in a file, a broker that looks as it is told to, and one process that watches."""

    def __init__(self, var: Path, url: str):
        self._var, self._url = var, url
        self._env = {
            **os.environ,
            "STREAMLAB_VAR": str(var),
            "STREAMLAB_URL": url,
            "STREAMLAB_WEBHOOK_PRIVATE": "1",
            "DJANGO_SETTINGS_MODULE": "dashboard.config.settings",
        }
        self.looks: tuple[GroupSnapshot, ...] = ()
        self._ends = threading.Event()
        self._sampler = threading.Thread(target=self._measure)
        self._process: subprocess.Popen[bytes] | None = None
        self._manage("migrate", "-v", "0")
        self._sampler.start()

    def _measure(self) -> None:
        while not self._ends.wait(0.2):
            publish(self._url, a_snapshot(*self.looks))

    def _manage(self, *arguments: str) -> None:
        subprocess.run(
            [sys.executable, "manage.py", *arguments], cwd=REPOSITORY, env=self._env, check=True, timeout=300
        )

    def tells(self, **channels: str) -> None:
        self._manage("shell", "--no-imports", "-c", MAKE_RULE.format(channels=channels))

    def rows(self, sql: str) -> list[Any]:
        with closing(
            sqlite3.connect(f"file:{self._var}/streamlab.sqlite3?mode=ro", uri=True, timeout=20)
        ) as database:
            return database.execute(sql).fetchall()

    def start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.watching"], cwd=REPOSITORY, env=self._env
        )

    def holder(self) -> str:
        return "".join(holder for (holder,) in self.rows("SELECT holder FROM alerts_watchman"))

    def end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(60)
            self._process = None

    def close(self) -> None:
        self.end(signal.SIGKILL)
        self._ends.set()
        self._sampler.join()


@pytest.fixture
def installation(tmp_path: Path, redis_url: str) -> Iterator[Installation]:
    made = Installation(tmp_path, redis_url)
    try:
        yield made
    finally:
        made.close()


class Murderer:
    """Kills the process again and again: some seconds after it began, or just when the receiver heard of something."""

    def __init__(self, victim: Installation, receiver: WebhookReceiver, seed: int):
        self._victim, self._receiver, self._draw = victim, receiver, random.Random(seed)
        self._enough = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.murders = 0
        self._thread.start()

    def _run(self) -> None:
        while not self._enough.is_set():
            before = self._victim.holder()
            self._victim.start()
            until(lambda before=before: self._victim.holder() != before, 60, "it watches")
            heard, at_last = len(self._receiver.received), time.monotonic() + self._draw.uniform(1, 5)
            while len(self._receiver.received) == heard and time.monotonic() < at_last:
                self._enough.wait(0.01)
            self._enough.wait(self._draw.uniform(0, 0.2))
            self._victim.end(signal.SIGKILL)
            self.murders += 1

    def stop(self) -> None:
        self._enough.set()
        self._thread.join()


def count_of(installation: Installation, condition: str) -> int:
    [(count,)] = installation.rows(f"SELECT count(*) FROM alerts_firing WHERE {condition}")
    return int(count)


@pytest.mark.slow
def test_killed_at_any_moment_it_loses_nothing_and_repeats_only_under_the_same_id(installation):
    episodes = 3
    with WebhookReceiver() as receiver:
        installation.tells(hook=receiver.url)
        murderer = Murderer(installation, receiver, seed=7)
        try:
            for n in range(1, episodes + 1):
                installation.looks = (STOPPED,)
                until(lambda n=n: count_of(installation, "1") >= n, 120, "it opens")
                installation.looks = (RUNNING,)
                until(lambda n=n: count_of(installation, "cleared_at IS NOT NULL") >= n, 120, "it clears")
        finally:
            murderer.stop()
        installation.start()
        waiting = "SELECT count(*) FROM alerts_notice WHERE state != 'told'"
        until(lambda: installation.rows(waiting) == [(0,)], 120, "everybody is told everything")
        installation.end(signal.SIGTERM)
    notices = installation.rows("SELECT key, event FROM alerts_notice ORDER BY id")
    assert [event for _, event in notices] == ["opened", "cleared"] * episodes
    assert count_of(installation, "1") == count_of(installation, "cleared_at IS NOT NULL") == episodes
    assert list(dict.fromkeys(receiver.keys)) == [key for key, _ in notices], "each, and in order"
    assert len({received.raw for received in receiver.received}) == len(notices), "a repeat says the same"
    repeats = Counter(receiver.keys)
    print(f"{murderer.murders} murders, {repeats.total() - len(notices)} repeats")
    assert murderer.murders >= episodes
    assert repeats.total() - len(notices) <= murderer.murders


def test_killed_between_telling_and_noting_it_tells_once_more_under_the_same_id(installation):
    with WebhookReceiver() as receiver:
        receiver.holds.set()
        installation.tells(hook=receiver.url)
        installation.looks = (STOPPED,)
        installation.start()
        until(lambda: receiver.received, 60, "it has told, and waits for the answer")
        installation.end(signal.SIGKILL)
        receiver.holds.clear()
        receiver.release.set()
        installation.start()
        until(lambda: len(receiver.received) == 2, 60, "it tells again")
        until(lambda: installation.rows("SELECT state FROM alerts_notice") == [("told",)], 60)
        installation.end(signal.SIGTERM)
    assert len(set(receiver.keys)) == 1 and len(receiver.keys) == 2
    assert receiver.received[0].raw == receiver.received[1].raw


def test_many_that_hang_hold_nobody_else_up(installation):
    groups = [a_group(f"g{n}", lag=9, members=[], state="Empty") for n in range(3)]
    with WebhookReceiver() as hanging, WebhookReceiver() as there:
        hanging.holds.set()
        installation.tells(**{f"hangs {n}": hanging.url for n in range(12)}, there=there.url)
        installation.start()
        for n in range(1, 4):
            installation.looks = tuple(groups[:n])
            until(lambda n=n: len(there.received) == n, 60, "the one that answers is told at once")
        until(lambda: len(hanging.received) >= 12, 60, "each of the others is being told its first")
        told = "SELECT count(*) FROM alerts_notice WHERE state = 'told'"
        until(lambda: installation.rows(told) == [(3,)], 20, "and noted, of nobody else")
        hanging.release.set()
        hanging.holds.clear()
        until(lambda: installation.rows("SELECT DISTINCT state FROM alerts_notice") == [("told",)], 60)
        installation.end(signal.SIGTERM)

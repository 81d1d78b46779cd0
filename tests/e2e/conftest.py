"""Real processes for the browser tests: a Redis, a sampler, a web server, consumers, and a Chromium to look with."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

import streamlab
from benchmarks.chromium import chromium
from streamlab.embedded import EmbeddedServer
from tests.streamlab_up import ROOT, free_port
from tests.waiting import until

STARTS_WITHIN_S = 180.0
expect.set_options(timeout=30_000)  # a page is awaited as long as a machine may need that does much else


class Stack:
    """What a browser needs to see something. Every process is stopped by `stop_all`, whatever the test did."""

    def __init__(self, var: Path, server: EmbeddedServer):
        self.server = server
        self.var = var
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._env = {
            **os.environ,
            "STREAMLAB_URL": str(server.url),
            "REDIS_URL": str(server.url),
            "STREAMLAB_VAR": str(var),
            "DJANGO_SETTINGS_MODULE": "dashboard.config.settings",
        }

    def run(self, name: str, *command: str) -> subprocess.Popen[bytes]:
        """Start `python <command>`; what it says goes to <var>/<name>.txt."""
        said = (self.var / f"{name}.txt").open("ab")
        with said:
            process = subprocess.Popen(
                [sys.executable, *command], cwd=ROOT, env=self._env, stdout=said, stderr=subprocess.STDOUT
            )
        self._running[name] = process
        return process

    def stop(self, name: str) -> None:
        process = self._running.pop(name)
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def stop_all(self) -> None:
        for name in list(self._running):
            self.stop(name)

    def manage(self, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self._env,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start_sampler(self) -> None:
        self.run("sampler", "-m", "streamlab", "sampler")

    def start_web(self) -> None:
        self.run(
            "web", "-m", "uvicorn", "dashboard.config.asgi:application", "--host", "127.0.0.1",
            "--port", str(self.port), "--ws", "websockets-sansio", "--log-level", "warning",
            "--timeout-graceful-shutdown", "3",
        )  # fmt: skip
        until(self._web_answers, STARTS_WITHIN_S, "the web server answers")

    def _web_answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.address}/sign-in/", timeout=5) as reply:
                return reply.status == 200
        except OSError:
            return False

    def start_consumer(self, topic: str, group: str) -> str:
        name = f"consumer-{group}"
        self.run(name, "-m", "streamlab", "consume", topic, "--group", group, "--from-beginning")
        return name

    def signin_path(self) -> str:
        [path] = re.findall(r"/sign-in/\S+", self.manage("signin_link"))
        return path


class Load:
    """Sends some records a second into a topic from a thread, until it is told to stop."""

    def __init__(self, url: str, topic: str, per_s: int = 200, partitions: int = 3):
        self._broker = streamlab.connect(url)
        self._broker.admin().create_topics({topic: {"num_partitions": partitions}})
        self._topic, self._per_s = topic, per_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._send, daemon=True)
        self._thread.start()

    def _send(self) -> None:
        producer = self._broker.producer()
        step_s = 0.05
        n = 0
        while not self._stop.wait(step_s):
            for _ in range(max(1, int(self._per_s * step_s))):
                producer.send(self._topic, b'{"total": 12.5}', key=b"customer-%d" % (n % 97))
                n += 1
        producer.close()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(60)
        self._broker.close()


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Redis, sampler and web, running."""
    var = tmp_path_factory.mktemp("var")
    with EmbeddedServer(tmp_path_factory.mktemp("redis")) as server:
        stack = Stack(var, server)
        try:
            stack.manage("migrate", "--verbosity", "0")
            stack.start_sampler()
            stack.start_web()
            yield stack
        finally:
            stack.stop_all()


@pytest.fixture
def load(stack: Stack) -> Iterator[Callable[..., Load]]:
    """Starts loads; all are stopped at the end."""
    running: list[Load] = []

    def start(topic: str, **how: Any) -> Load:
        running.append(Load(str(stack.server.url), topic, **how))
        return running[-1]

    yield start
    for one in running:
        one.stop()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Not for the whole run: Playwright's event loop would stay open in tests of the database behind these."""
    with chromium() as launched:
        if launched is None:
            pytest.skip("There is no Chromium: install one, or set CHROMIUM to where it is.")
        yield launched


@pytest.fixture(scope="module")
def signed_in(browser: Browser, stack: Stack) -> Any:
    """The storage state of somebody who opened a one-time link."""
    context = browser.new_context(base_url=stack.address)
    page = context.new_page()
    page.goto(stack.signin_path())
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{stack.address}/")
    state = context.storage_state()
    context.close()
    return state


class Complaints(list[str]):
    """Errors of the page's scripts and violations of its security policy."""


@pytest.fixture
def open_page(browser: Browser, stack: Stack, signed_in: Any) -> Iterator[Callable[..., Page]]:
    """Opens a path for somebody who is signed in. A script error or a CSP violation fails the test."""
    contexts: list[BrowserContext] = []
    complaints = Complaints()

    def opened(path: str, **options: Any) -> Page:
        context = browser.new_context(base_url=stack.address, storage_state=signed_in, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda message: message.type == "error" and complaints.append(message.text))
        page.goto(path)
        return page

    yield opened
    for context in contexts:
        context.close()
    expected = ("WebSocket connection to", "ERR_CONNECTION_REFUSED", "503 (Service Unavailable)")
    assert [c for c in complaints if not any(known in c for known in expected)] == []

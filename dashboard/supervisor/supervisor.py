"""Everything up with one command, kept up, and down with one signal.

    lock -> guardian -> server -> database -> static files -> web, worker, beat, sampler (and shop)

One thread starts, listens to and ends all processes; a second one only asks /healthz until all is up. A
part that ends is started again after a growing pause. SIGINT, SIGTERM and SIGHUP end everything within ten
seconds: the parts first, the server last, so that nothing is written into the void. If the supervisor itself
is killed, the guardian ends the parts.
"""

from __future__ import annotations

import os
import selectors
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dashboard.address import note as note_address
from dashboard.config.redis_urls import control_url
from dashboard.supervisor import boot
from dashboard.supervisor.child import Child, wait_until_gone
from dashboard.supervisor.groups import ProcessGroups
from dashboard.supervisor.journal import Journal, Terminal
from dashboard.supervisor.lock import DirectoryLock
from dashboard.supervisor.parts import Plan, environment, parts_of
from dashboard.supervisor.probe import HealthProbe
from dashboard.supervisor.problem import Problem
from dashboard.supervisor.server import ServerPart

_TICK_S = 0.25
_STOP_S = 6.0  # the parts; the server has 2.5 s more
_FALSE_STARTS = 3  # of a vital part before anything answered
_PATIENCE_S = 30.0  # from the first answer until the address is printed although something is down
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Supervisor:
    """`run()` returns when it was told to stop, and raises Problem when it can't start."""

    def __init__(self, plan: Plan, base: Path, static_root: Path, terminal: Terminal):
        self._plan = plan
        self._base = base
        self._static_root = static_root
        self._terminal = terminal
        self._stopping = False
        self._selector = selectors.DefaultSelector()
        self._children: list[Child] = []
        self._server: ServerPart | None = None
        self._journals: list[Journal] = []
        self._announced = False

    def run(self) -> None:
        boot.make_directories(self._plan.directory)
        lock = DirectoryLock(self._plan.directory)
        lock.take()
        try:
            boot.check_port(self._plan.host, self._plan.port)
            with self._signals():
                self._run_guarded(ProcessGroups(lock.fd))
        finally:
            lock.release()

    def _run_guarded(self, groups: ProcessGroups) -> None:
        try:
            data_url = self._start_server(groups)
            boot.migrate()
            env = environment(self._plan, data_url, self._control_url(data_url), os.environ)
            if not self._stopping:
                boot.collect_static(self._static_root, self._base, env, stopping=lambda: self._stopping)
            self._make_children(groups, env)
            self._watch(groups)
        finally:
            self._stop_everything()
            groups.close()

    # Going up

    def _start_server(self, groups: ProcessGroups) -> str:
        if self._plan.control_url:
            boot.check_server("REDIS_URL", self._plan.control_url)
        if self._plan.data_url:
            boot.check_server("STREAMLAB_URL", self._plan.data_url)
            return self._plan.data_url
        self._server = ServerPart(self._plan.directory / "redis", self._journal("server"), groups)
        url = self._server.launch()
        while not self._server.ready and not self._stopping:
            self._server.advance(time.monotonic())
            self._wait(0.02)
        return url

    def _control_url(self, data_url: str) -> str:
        url = self._plan.control_url or control_url(data_url)
        if url is None:
            raise Problem("REDIS_URL is unset; Celery and Channels need a plain Redis beside the cluster.")
        return url

    def _make_children(self, groups: ProcessGroups, env: dict[str, str]) -> None:
        for part in parts_of(self._plan):
            self._children.append(Child(part, self._journal(part.name), groups, env, self._base))

    def _journal(self, name: str) -> Journal:
        journal = Journal(name, self._plan.directory / "log", self._terminal)
        self._journals.append(journal)
        return journal

    # Staying up

    def _watch(self, groups: ProcessGroups) -> None:
        probe = HealthProbe(f"{self._plan.address}/healthz", host_header=self._plan.host_header)
        probe.start()
        answered_at: float | None = None
        while not self._stopping:
            now = time.monotonic()
            groups.watch()
            if self._server:
                self._server.advance(now)
            for child in self._children:
                self._advance(child, now)
            if probe.answer is not None and answered_at is None:
                answered_at = now
            patient = answered_at is None or now - answered_at < _PATIENCE_S
            if not self._announced and (probe.all_up or not patient):
                self._announce(probe)
            self._wait(_TICK_S)
        probe.stop()

    def _advance(self, child: Child, now: float) -> None:
        heard = child.output
        delay = child.reap(now)
        if delay is not None:
            if heard is not None:
                self._selector.unregister(heard)
            self._false_start(child)
            loop = " (it keeps ending)" if child.backoff.capped else ""
            child.journal.note(f"{child.describe_end()}; starting it again in {delay:g} s{loop}")
        if child.start_if_due(now):
            fd = child.output
            assert fd is not None
            self._selector.register(fd, selectors.EVENT_READ, child)
            if child.starts == 1:
                child.journal.note(child.part.about)

    def _false_start(self, child: Child) -> None:
        if child.part.vital and not self._announced and child.starts >= _FALSE_STARTS:
            raise Problem(
                f"The {child.part.name} part {child.describe_end()} {child.starts} times at its start; "
                f"see {child.journal.path}."
            )

    def _announce(self, probe: HealthProbe) -> None:
        self._announced = True
        address, say = self._plan.address, self._terminal.say
        note_address(address)
        say()
        say(f"Streamlab is up: {address}/")
        if probe.down:
            say(f"Not up yet: {', '.join(probe.down)}; {address}/healthz says more.")
        say(f"Sign in, once, within 15 minutes: {address}{boot.fresh_signin_path()}")
        if self._server:  # one that is given may have a password in its URL, and is known anyway
            say(f"For programs in other directories: STREAMLAB_URL={self._server.url}")
        say(f"Ctrl-C stops everything. Logs are in {self._plan.directory / 'log'}.")
        say()

    # Going down

    def _stop_everything(self) -> None:
        if self._stopping:
            self._terminal.say("Stopping.")
        for child in self._children:
            child.terminate()
        wait_until_gone(self._children, _STOP_S)
        if self._server:
            self._server.stop()
        for journal in self._journals:
            journal.close()
        self._selector.close()

    # Waiting

    def _wait(self, timeout_s: float) -> None:
        """Listen to the parts for up to `timeout_s`; a signal ends the wait."""
        for key, _ in self._selector.select(timeout_s):
            if isinstance(key.data, Child):
                key.data.listen()
            else:
                os.read(key.fd, 4096)

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """A signal wakes the selector through a pipe, and the end of a child does too."""
        wake, waker = os.pipe()
        for fd in (wake, waker):
            os.set_blocking(fd, False)
        old_waker = signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
        old = {signum: signal.signal(signum, self._on_signal) for signum in (*_SIGNALS, signal.SIGCHLD)}
        self._selector.register(wake, selectors.EVENT_READ, None)
        try:
            yield
        finally:
            signal.set_wakeup_fd(old_waker)
            for signum, handler in old.items():
                signal.signal(signum, handler)
            os.close(wake)
            os.close(waker)

    def _on_signal(self, signum: int, frame: object) -> None:
        if signum in _SIGNALS:
            self._stopping = True

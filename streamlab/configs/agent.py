"""One thread a process and server that brings stored settings to all of its clients, and says that they took them.

It looks at the version of the configuration twice a second, and at once when pub/sub says that there is news: a message
that is lost costs half a second. What is new is applied and acknowledged in the same turn. Once a second it
pushes what each client says about itself. Nothing of it happens in send() or poll().

The connection is the agent's own, so that a program may close its broker in any order; it ends with the last client.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from typing import Any

from redis.exceptions import RedisError

from .. import keys
from ..connection import Connection
from ..errors import StreamlabError
from ..metrics import telemetry
from .entity import Entity
from .running import RunningClient
from .store import Configs, Settings

log = logging.getLogger(__name__)

LOOK_EVERY_S = 0.5
_RETRY_S = 0.1  # doubled with each failure, up to LOOK_EVERY_S
_CLOCK_EVERY_S = 30.0
_FAREWELL_S = 1.0

_agents: dict[str, Agent] = {}
_lock = threading.Lock()


class Watch:
    """Somebody who wants to know an entity's settings. `told` is called in the agent's thread: at once, and whenever
    they have changed."""

    def __init__(self, agent: Agent, entity: Entity, told: Callable[[dict[str, Any]], None]):
        self._agent = agent
        self.entity = entity
        self._told = told
        self._last: dict[str, Any] | None = None

    def apply(self, settings: Settings) -> None:
        if settings.values != self._last:
            self._last = dict(settings.values)
            try:
                self._told(dict(settings.values))
            except Exception:  # a mistake of the watcher must not end the agent without a word
                log.exception("Settings of %s could not be taken", self.entity)

    def close(self) -> None:
        self._agent.unwatch(self)


def enter(connection: Connection, client: RunningClient) -> Callable[[], None]:
    """Let the client be followed. Returns what takes it out again, which raises nothing and waits a second at most."""
    with _lock:
        agent = _agent(connection.url)
        agent.enter(client)
    return lambda: agent.leave(client)


def watch(connection: Connection, entity: Entity, told: Callable[[dict[str, Any]], None]) -> Watch:
    """Call `told` with the settings of a broker, group or client, soon and whenever they have changed."""
    with _lock:
        agent = _agent(connection.url)
        return agent.watch(entity, told)


def _agent(url: str) -> Agent:
    agent = _agents.get(url)
    if agent is None:
        agent = _agents[url] = Agent(url)
        agent.start()
    return agent


def _after_fork() -> None:
    """Threads do not come along: the child makes its own."""
    global _lock
    _lock = threading.Lock()
    _agents.clear()


os.register_at_fork(after_in_child=_after_fork)


class Agent(threading.Thread):
    """See the module. Everything that is shared is guarded by `_changed`."""

    def __init__(self, url: str):
        super().__init__(name="streamlab-agent", daemon=True)
        self._url = url
        self._connection = Connection(url)
        self._configs = Configs(self._connection)
        self._changed = threading.Condition()
        self._clients: dict[str, RunningClient] = {}
        self._watches: list[Watch] = []
        self._gone: list[tuple[str, threading.Event]] = []  # instances to be taken back
        self._nudged = False
        self._fresh = False  # somebody is new
        self._stopped = False
        self._version: int | None = None  # of what was applied last; None: read everything
        self._next_push = 0.0
        self._server_ahead_ms = 0.0  # server time less monotonic time
        self._next_clock = 0.0
        self._pause_s = 0.0  # after a failure

    # -- called by others -----------------------------------------------------------------------------------------

    def enter(self, client: RunningClient) -> None:
        with self._changed:
            self._clients[client.instance] = client
            self._fresh = self._nudged = True
            self._changed.notify()

    def leave(self, client: RunningClient) -> None:
        done = threading.Event()
        with _lock, self._changed:
            if self._clients.pop(client.instance, None) is None:
                return
            self._gone.append((client.instance, done))
            self._end_if_idle()
        if threading.current_thread() is not self:
            done.wait(_FAREWELL_S)

    def watch(self, entity: Entity, told: Callable[[dict[str, Any]], None]) -> Watch:
        watch = Watch(self, entity, told)
        with self._changed:
            self._watches.append(watch)
            self._fresh = self._nudged = True
            self._changed.notify()
        return watch

    def unwatch(self, watch: Watch) -> None:
        with _lock, self._changed:
            if watch in self._watches:
                self._watches.remove(watch)
                self._end_if_idle()

    def _end_if_idle(self) -> None:
        if not self._clients and not self._watches:
            self._stopped = True
            if _agents.get(self._url) is self:
                del _agents[self._url]
        self._nudged = True
        self._changed.notify()

    def nudge(self) -> None:
        """There may be news."""
        with self._changed:
            self._nudged = True
            self._changed.notify()

    # -- the thread -----------------------------------------------------------------------------------------------

    def run(self) -> None:
        threading.Thread(target=self._listen, name="streamlab-agent-ear", daemon=True).start()
        while True:
            with self._changed:
                if not self._nudged:
                    self._changed.wait(LOOK_EVERY_S)
                self._nudged = False
                stopped = self._stopped
            try:
                self._turn()
                self._pause_s = 0.0
            except (StreamlabError, RedisError, OSError) as error:
                self._in_trouble(error)
            except Exception as error:  # a mistake of ours must not end the agent without a word
                log.exception("Following the configuration failed in a way that was not foreseen.")
                self._in_trouble(error)
            if stopped:
                break
        for _, done in self._gone:
            done.set()
        self._connection.close()

    def _in_trouble(self, error: Exception) -> None:
        if not self._pause_s:
            log.info("The configuration cannot be followed now, will repeat: %s", error)
        self._pause_s = min(max(self._pause_s * 2, _RETRY_S), LOOK_EVERY_S)
        self._version = None  # the server may come back with other data
        for client in self._everybody():
            client.looked()
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or self._gone, self._pause_s)

    def _everybody(self) -> list[RunningClient]:
        with self._changed:
            return list(self._clients.values())

    def _turn(self) -> None:
        for client in self._everybody():
            if client.forgotten:
                self.leave(client)
        self._say_farewells()
        applied = self._look()
        if applied or time.monotonic() >= self._next_push:
            self._push()

    def _say_farewells(self) -> None:
        with self._changed:
            gone, self._gone = self._gone, []
        try:
            commands = [command for instance, _ in gone for command in telemetry.forget(instance)]
            if commands:
                self._connection.execute_many(commands)
        except StreamlabError as error:
            log.debug("What was pushed stays until it expires: %s", error)
        for _, done in gone:
            done.set()

    def _look(self) -> bool:
        """Apply what is new. Whether anything was."""
        with self._changed:
            fresh, self._fresh = self._fresh, False
            clients, watches = list(self._clients.values()), list(self._watches)
        if not clients and not watches:
            return False
        try:
            if not fresh and self._configs.version() == self._version:
                return False
            wanted = {entity for client in clients for entity in client.layers}
            version, stored = self._configs.read({*wanted, *(watch.entity for watch in watches)})
        except BaseException:
            self._fresh = True
            raise
        for client in clients:
            client.apply(version, stored)
            client.looked()
        for watch in watches:
            watch.apply(stored[watch.entity])
        self._version = version
        return True

    def _push(self) -> None:
        now_ms = self._server_ms()
        commands = []
        for client in self._everybody():
            client.started_ms = client.started_ms or now_ms
            client.server_ahead_ms = self._server_ahead_ms
            commands += telemetry.push(client.state(now_ms), *client.figures())
        if commands:
            self._connection.execute_many(commands)
        self._next_push = time.monotonic() + telemetry.PUSH_EVERY_S

    def _server_ms(self) -> int:
        """The server's time, asked for now and then."""
        now = time.monotonic()
        if now >= self._next_clock or self._version is None:
            server_ms = self._connection.server_time_ms()
            between = (now + time.monotonic()) / 2  # it was read on the way there or back
            self._server_ahead_ms = server_ms - between * 1000
            self._next_clock = now + _CLOCK_EVERY_S
        return int(self._server_ahead_ms + time.monotonic() * 1000)

    # -- the ear --------------------------------------------------------------------------------------------------

    def _listen(self) -> None:
        while not self._stopped:
            try:
                self._hear()
            except (RedisError, OSError, StreamlabError) as error:
                log.debug("The configuration is looked at without being woken: %s", error)
                time.sleep(_RETRY_S)
            except Exception:
                if not self._stopped:  # the connection is closed under it at the end
                    log.exception("Listening failed in a way that was not foreseen.")
                time.sleep(LOOK_EVERY_S)

    def _hear(self) -> None:
        pubsub = self._connection.client.pubsub(ignore_subscribe_messages=True)
        try:
            pubsub.subscribe(keys.CONFIG_WAKE)
            while not self._stopped:
                if pubsub.get_message(timeout=LOOK_EVERY_S) is not None:
                    self.nudge()
        finally:
            pubsub.close()

"""The lab's supervisor: makes what runs be what is wanted, and says what runs.

    a load is wanted     its topic is made, its processes are started within half a second
    it is changed        the processes take it over by themselves; their number follows here
    a process ends       it is started again, after 0.5 s, then 1, 2, 4 ... 15 s
    its minutes are over it is wanted no more
    it is wanted no more its producers end, then its readers, once they have read what is left: after 5 s at most
    this process ends    so do all of its children, also when it is killed

One supervisor a server works, by a lease; others stand by. With nothing wanted it asks one question a second.
"""

from __future__ import annotations

import logging
import os
import socket
import sys
import threading
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from ... import keys
from ...errors import StreamlabError, translated
from ...metrics.lease import Lease
from ...metrics.newest import Newest
from ...metrics.snapshot import Snapshot
from ..experiments.notes import put_back_orphan
from ..supervisor import ChildState, Supervisor
from .desired import STATUS_LIFETIME_S, Desired, LabStatus, Loads, LoadStatus, ProcessStatus
from .folder import path_of
from .load import Load
from .topic import prepare

log = logging.getLogger(__name__)

TICK_S = 0.1
LOOK_EVERY_S = 0.4
IDLE_LOOK_EVERY_S = 1.0
STOP_TIMEOUT_S = 4.0
PUT_BACK_EVERY_S = 5.0
"""How often it looks for an experiment that was killed, and puts back what that had changed."""
DRAIN_S = 5.0
"""So long readers of a load that was stopped have for what is left."""
SETTLED_MS = 2_000
"""What was measured so long after a load was stopped knows what its producers sent last."""
AGAIN_AFTER_S = 5.0
"""When a topic could not be made, or a file is not there, it is tried again after this."""


def run(broker: Any, stop: threading.Event) -> None:
    """Until `stop`; then everything is ended within 5 s. Raises StreamlabError when it cannot begin."""
    manager = Manager(broker)
    try:
        while not stop.is_set():
            manager.tick()
            stop.wait(TICK_S if manager.busy else IDLE_LOOK_EVERY_S / 4)
    finally:
        manager.close()


def _needs(load: Load | None) -> tuple[Any, ...]:
    """What it is prepared for."""
    return () if load is None else (load.partitions, load.topic, load.group, load.producers.file)


class _Followed:
    """One load as the supervisor follows it."""

    def __init__(self) -> None:
        self.prepared: Load | None = None  # what its topic and group were prepared for
        self.problem = ""
        self.again_at = 0.0  # monotonic; what could not be prepared is tried again then


class _Draining(NamedTuple):
    """A load that is wanted no more, while its readers read what is left."""

    load: Load
    stopped_ms: int  # server time
    end_at: float  # monotonic
    readers: dict[str, list[str]]  # commands


class Manager:
    """Call `tick` from the main thread: the children end with it."""

    def __init__(self, broker: Any):
        self._connection = broker.connection
        self._loads = Loads(broker.connection)
        self._lease = Lease(broker.connection, keys.LAB_LEASE)
        self._supervisor = Supervisor(os.environ | {"STREAMLAB_URL": broker.url})
        self._wanted: dict[str, Desired] = {}
        self._followed: dict[str, _Followed] = {}  # by name and run
        self._draining: dict[str, _Draining] = {}  # by name
        self._newest = Newest(broker.connection)
        self._looked_at = self._put_back_at = float("-inf")

    @property
    def busy(self) -> bool:
        return bool(self._wanted) or bool(self._supervisor.states())

    def tick(self) -> None:
        every_s = LOOK_EVERY_S if self.busy else IDLE_LOOK_EVERY_S
        if time.monotonic() - self._looked_at >= every_s:
            self._looked_at = time.monotonic()
            try:
                self._look()
            except StreamlabError as error:
                log.debug("The server does not answer: %s", error)  # everything stays as it was
        self._supervisor.tick()

    def close(self) -> None:
        self._supervisor.stop(STOP_TIMEOUT_S)
        try:
            if self._lease.mine:
                self._connection.execute_many([("DEL", keys.LAB_STATUS)])
                self._lease.release()
        except StreamlabError:
            pass  # both run out by themselves
        self._lease.close()

    def _look(self) -> None:
        if not self._lease.hold():
            self._wanted, self._followed, self._draining = {}, {}, {}
            self._supervisor.want({})
            return
        if time.monotonic() - self._put_back_at >= PUT_BACK_EVERY_S:
            self._put_back_at = time.monotonic()
            put_back_orphan(self._connection)
        now_ms = self._connection.server_time_ms()
        before, self._wanted = self._wanted, self._still_wanted(now_ms)
        self._drain(before, now_ms)
        keyed = {f"{name}@{desired.run}": desired for name, desired in self._wanted.items()}
        self._followed = {key: self._followed.get(key) or _Followed() for key in keyed}
        for key, desired in keyed.items():
            self._prepare(self._followed[key], desired)
        commands = self._commands()
        for draining in self._draining.values():
            commands |= draining.readers
        self._supervisor.want(commands)
        self._tell(now_ms)

    def _still_wanted(self, now_ms: int) -> dict[str, Desired]:
        wanted = self._loads.all()
        for name, desired in list(wanted.items()):
            if now_ms >= desired.until_ms:
                self._loads.stop(name, desired.run)
                del wanted[name]
        return wanted

    def _drain(self, before: Mapping[str, Desired], now_ms: int) -> None:
        """Keep the readers of loads that are gone since the look before, until they have nothing left to read.

        A load that is started again under the name of one of them begins at once.
        """
        running = {state.name for state in self._supervisor.states() if state.pid is not None}
        for name in before.keys() - self._wanted.keys():
            prefix = f"{name}@{before[name].run}/reader-"
            readers = {
                n: c for n, c in self._supervisor.commands.items() if n.startswith(prefix) and n in running
            }
            end_at = time.monotonic() + DRAIN_S
            self._draining[name] = _Draining(before[name].load, now_ms, end_at, readers)
        snapshot = self._snapshot() if self._draining else None
        for name, draining in list(self._draining.items()):
            done = name in self._wanted or time.monotonic() >= draining.end_at
            if done or (snapshot and _has_read_all(draining, snapshot)):
                del self._draining[name]

    def _snapshot(self) -> Snapshot | None:
        """None: nobody measures here. Raises StreamlabError."""
        try:
            return self._newest.get()
        except msgspec.DecodeError:
            return None

    def _prepare(self, followed: _Followed, desired: Desired) -> None:
        """The load's file, topic and group, when that was not done yet for these partitions and settings."""
        load = desired.load
        if _needs(followed.prepared) == _needs(load) or time.monotonic() < followed.again_at:
            return
        try:
            if load.producers.file is not None:
                path_of(load.producers.file)  # raises when it is not there
            prepare(self._connection, load, followed.prepared or self._loads.prepared(load.name, desired.run))
            self._loads.note_prepared(load, desired.run)
            followed.prepared, followed.problem = load, ""
        except StreamlabError as error:
            followed.problem, followed.again_at = str(error), time.monotonic() + AGAIN_AFTER_S
            log.warning("The load %s cannot run: %s", load.name, error)

    def _commands(self) -> dict[str, list[str]]:
        commands = {}
        for name, desired in self._wanted.items():
            if self._followed[f"{name}@{desired.run}"].prepared is None:
                continue
            base = [sys.executable, "-m", "streamlab.lab.loads", name, desired.run]
            for role, count in desired.load.roles.items():
                for number in range(1, count + 1):
                    commands[f"{name}@{desired.run}/{role}-{number}"] = [*base, role, str(number)]
        return commands

    def _tell(self, now_ms: int) -> None:
        states = self._supervisor.states()
        status = LabStatus(
            pid=os.getpid(),
            host=socket.gethostname(),
            as_of_ms=now_ms,
            loads={name: self._status(name, desired, states) for name, desired in self._wanted.items()},
        )
        with translated():
            self._connection.client.set(keys.LAB_STATUS, msgspec.json.encode(status), ex=STATUS_LIFETIME_S)

    def _status(self, name: str, desired: Desired, states: list[ChildState]) -> LoadStatus:
        key = f"{name}@{desired.run}"
        processes = [
            ProcessStatus(name=state.name.partition("/")[2], pid=state.pid, restarts=state.restarts)
            for state in states
            if state.name.startswith(f"{key}/")
        ]
        return LoadStatus(version=desired.version, problem=self._followed[key].problem, processes=processes)


def _has_read_all(draining: _Draining, snapshot: Snapshot) -> bool:
    group = snapshot.groups.get(draining.load.group_id)
    measured_since = snapshot.as_of_ms - draining.stopped_ms >= SETTLED_MS
    return measured_since and (group is None or not group.lag)

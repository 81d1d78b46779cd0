"""Which loads are wanted, and what the lab says that it runs. The supervisor follows within half a second.

    start  →  wanted (version 1)  →  change: version 2, 3, ...  →  stop, or its minutes are over

A load that is wanted stays wanted while no lab runs, and goes on when one is started; until its minutes are over.
"""

from __future__ import annotations

import logging
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from ... import keys
from ...connection import Connection
from ...errors import IllegalStateError, StaleConfigError, StreamlabError, translated
from .load import Load

log = logging.getLogger(__name__)

MOST_LOADS = 3
MOST_PROCESSES = 24
"""Of all loads together."""
STATUS_LIFETIME_S = 5


class Desired(msgspec.Struct, frozen=True, kw_only=True):
    """One load that is wanted."""

    load: Load
    version: int = 1  # rises with every change
    run: str  # of this start; another start has another one
    started_ms: int  # server time
    until_ms: int  # server time; then it ends by itself
    by: str = ""


class Prepared(msgspec.Struct, frozen=True, kw_only=True):
    """What the topic and the group of a load were last prepared for, so that the next supervisor knows it."""

    run: str  # of the start that it was done for
    load: Load


class ProcessStatus(msgspec.Struct, frozen=True, kw_only=True):
    name: str  # producer-1, reader-2
    pid: int | None  # None: it does not run now
    restarts: int  # since it was started first


class LoadStatus(msgspec.Struct, frozen=True, kw_only=True):
    version: int  # of the load that the supervisor follows
    problem: str = ""  # why it does not run; "" when it does
    processes: list[ProcessStatus] = []


class LabStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What the lab's supervisor last said, at most a few seconds ago."""

    pid: int
    host: str
    as_of_ms: int  # server time
    loads: dict[str, LoadStatus] = {}


class Stored(NamedTuple):
    desired: Desired
    raw: bytes  # as it stands in Redis


class Loads:
    """The loads of one server. Safe to share between threads."""

    def __init__(self, connection: Connection):
        self._connection = connection

    def all(self) -> dict[str, Desired]:
        """By name. What another version of Streamlab has written is passed over."""
        with translated():
            stored: Any = self._connection.client.hgetall(keys.LAB_LOADS)
        found = {name.decode(): decoded(raw) for name, raw in stored.items()}
        return {name: desired for name, desired in sorted(found.items()) if desired is not None}

    def names(self) -> list[str]:
        """Of everything that takes a place, what another version of Streamlab has written as well."""
        with translated():
            stored: Any = self._connection.client.hkeys(keys.LAB_LOADS)
        return sorted(name.decode() for name in stored)

    def get(self, name: str) -> Desired | None:
        stored = self._stored(name)
        return stored.desired if stored else None

    def require(self, name: str) -> Desired:
        """Raises IllegalStateError when no such load runs."""
        found = self.get(name)
        if found is None:
            raise IllegalStateError(f"No load {name!r} runs. {self._running()}")
        return found

    def start(self, load: Load, by: str = "") -> Desired:
        """Raises IllegalStateError when it runs already, or too much would run.

        What another version of Streamlab has written under its name, which nobody can run, makes room for it.
        """
        before = self._raw(load.name)
        if before and decoded(before):
            raise IllegalStateError(
                f"The load {load.name} runs already: change it, or stop it and start it again."
            )
        _check_processes(self.all(), load)
        now_ms = self._connection.server_time_ms()
        desired = Desired(
            load=load,
            run=f"{now_ms:x}",
            started_ms=now_ms,
            until_ms=now_ms + round(load.minutes * 60_000),
            by=by,
        )
        answer = self._replace(load.name, before, msgspec.json.encode(desired))
        if answer == "MOVED":
            raise IllegalStateError(f"The load {load.name} was started by somebody else at this moment.")
        if answer == "FULL":
            raise IllegalStateError(f"{MOST_LOADS} loads run, and no more can. Stop one. {self._running()}")
        return desired

    def change(self, load: Load, expected: int | None = None) -> Desired:
        """Let the load of this name be this one from now on. `expected` is the version that the caller looked at.

        Raises StaleConfigError when it was changed since, IllegalStateError when it does not run.
        """
        stored = self._stored(load.name)
        if stored is None:
            raise IllegalStateError(f"No load {load.name!r} runs. {self._running()}")
        now = stored.desired
        if expected is not None and expected != now.version:
            raise _stale(load.name)
        if load.partitions < now.load.partitions:
            raise IllegalStateError(
                f"A topic cannot lose partitions; {load.topic_name} has {now.load.partitions}. "
                f"Stop the load and start it with {load.partitions}."
            )
        _check_processes({name: other for name, other in self.all().items() if name != load.name}, load)
        after = msgspec.structs.replace(now, load=load, version=now.version + 1)
        if load.minutes != now.load.minutes:
            until_ms = self._connection.server_time_ms() + round(load.minutes * 60_000)
            after = msgspec.structs.replace(after, until_ms=until_ms)
        if self._replace(load.name, stored.raw, msgspec.json.encode(after)) != "OK":
            raise _stale(load.name)
        return after

    def stop(self, name: str, run: str | None = None) -> bool:
        """Whether it was wanted until now. `run`: only if it is still this one.

        Without `run` what another version of Streamlab has written goes, too.
        """
        while raw := self._raw(name):
            if run is not None and ((desired := decoded(raw)) is None or desired.run != run):
                return False
            if self._replace(name, raw, b"") == "OK":
                with translated():
                    self._connection.client.hdel(keys.LAB_PREPARED, name)
                return True
        return False

    def prepared(self, name: str, run: str) -> Load | None:
        """What the topic and the group of this start were last prepared for. None: not at all."""
        with translated():
            stored: Any = self._connection.client.hget(keys.LAB_PREPARED, name)
        try:
            found = msgspec.json.decode(stored, type=Prepared) if stored else None
        except (msgspec.DecodeError, StreamlabError):
            return None
        return found.load if found and found.run == run else None

    def note_prepared(self, load: Load, run: str) -> None:
        with translated():
            self._connection.client.hset(
                keys.LAB_PREPARED, load.name, msgspec.json.encode(Prepared(run=run, load=load))
            )

    def status(self) -> LabStatus | None:
        """None: no lab runs."""
        with translated():
            stored: Any = self._connection.client.get(keys.LAB_STATUS)
        try:
            return msgspec.json.decode(stored, type=LabStatus) if stored else None
        except msgspec.DecodeError:
            return None

    def _stored(self, name: str) -> Stored | None:
        raw = self._raw(name)
        desired = decoded(raw) if raw else None
        return Stored(desired, raw) if desired else None

    def _raw(self, name: str) -> bytes:
        """As it stands in Redis; b"": nothing does."""
        with translated():
            stored: Any = self._connection.client.hget(keys.LAB_LOADS, name)
        return stored or b""

    def _replace(self, name: str, before: bytes, after: bytes) -> str:
        reply: bytes = self._connection.run("lab/desire", [keys.LAB_LOADS], [name, before, after, MOST_LOADS])
        return reply.decode()

    def _running(self) -> str:
        names = ", ".join(self.names())
        return f"Running: {names}." if names else "None runs."


def decoded(raw: bytes) -> Desired | None:
    """None when it is not one of this version's."""
    try:
        return msgspec.json.decode(raw, type=Desired)
    except (msgspec.DecodeError, StreamlabError) as error:
        _warn_once(f"A wanted load cannot be read and is passed over: {error}")
        return None


@lru_cache(maxsize=16)
def _warn_once(says: str) -> None:
    """It is looked at several times a second."""
    log.warning(says)


def _check_processes(others: dict[str, Desired], load: Load) -> None:
    total = load.processes + sum(other.load.processes for other in others.values())
    if total > MOST_PROCESSES:
        raise IllegalStateError(
            f"That would be {total} processes; {MOST_PROCESSES} may run at once. Ask for fewer, or stop a load."
        )


def _stale(name: str) -> StaleConfigError:
    return StaleConfigError(f"The load {name} was changed since you looked. Nothing was changed; look again.")

"""Runs one experiment from its note to its verdict, and puts back what it changed, whatever happens on the way."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import suppress

import msgspec

from ... import keys
from ...configs.store import Configs
from ...connection import Connection
from ...errors import IllegalStateError, StaleConfigError, StreamlabError
from ...metrics.lease import Lease
from . import notes, stopping
from .judging import judge, words
from .measuring import Window
from .notes import Note, Outcome, Run
from .plan import Plan
from .stopping import Wish
from .today import in_force

log = logging.getLogger(__name__)

RENEW_EVERY_S = 1.0
PUT_BACK_TRIES = 30

Watch = Callable[[int, int, str], None]
"""(windows that are done, windows in all, what goes on now)"""


class _Lost(StreamlabError):
    """Raised when the lease went to somebody else meanwhile, who put back what this process had changed."""


def run(
    connection: Connection,
    plan: Plan,
    stop: threading.Event,
    by: str = "",
    watch: Watch = lambda done, total, note: None,
) -> Outcome:
    """Takes `plan.seconds`. When `stop` is set, or somebody asks for it (stopping.py), it ends within a second or two,
    and what was measured is kept.

    Raises IllegalStateError when another one runs, and StreamlabErrors; the setting is put back before.
    """
    notes.put_back_orphan(connection)
    window = Window(connection, plan)  # raises when the topic does not exist, before anything is changed
    now_ms = connection.server_time_ms()
    id = notes.new_id(now_ms)
    with _Renewed(connection, stop, id) as lease:
        before = Configs(connection).get(
            plan.entity
        )  # not sooner: what another experiment had set is no one's wish
        note = Note(
            id=id,
            plan=plan,
            had=plan.setting_name in before.values,
            before=before.values.get(plan.setting_name),
            today=in_force(connection, plan, before.values),
            by=by,
            started_ms=now_ms,
        )
        notes.open_note(connection, note)
        left = ""  # why the setting is not what it was
        try:
            try:
                outcome = _measured(connection, note, window, stop, lease, watch, before.version)
            finally:
                if not lease.lost:
                    left = _put_back(connection, note)
        except StreamlabError as error:
            with suppress(StreamlabError):
                notes.incomplete(connection, note, f"{error} {left}".strip(), left)
            raise
        outcome = _concluded(msgspec.structs.replace(outcome, why=f"{outcome.why} {left}".strip(), left=left))
        notes.keep(connection, outcome)
        return outcome


def _measured(
    connection: Connection,
    note: Note,
    window: Window,
    stop: threading.Event,
    lease: _Renewed,
    watch: Watch,
    version: int,
) -> Outcome:
    plan, order = note.plan, note.plan.order()
    outcome = notes.begun(note)
    runs: list[Run] = []
    for done, index in enumerate(order):
        value = plan.values[index]
        now = f"{plan.setting_name} = {'unset' if value is None else value}"
        watch(done, len(order), now)
        _require_ours(connection, note, lease)
        version = _set(connection, note, index, version)
        if window.warm_up(stop):
            watch(done, len(order), f"{now}, after the backlog of the value before")
        began_ms = connection.server_time_ms()
        figures = window.measure(stop)
        if stop.is_set():
            break
        runs.append(
            Run(value=index, figures=figures, started_ms=began_ms, ended_ms=connection.server_time_ms())
        )
        outcome = _with(outcome, connection, runs)
        notes.keep(connection, outcome)  # what a killed process has measured is not lost
    _require_ours(connection, note, lease)
    watch(len(runs), len(order), "done")
    if len(runs) == len(order):
        return _with(outcome, connection, runs, "done")
    by = f" by {lease.wish.by}" if lease.wish is not None and lease.wish.by else ""
    return _with(outcome, connection, runs, "stopped", f"It was stopped{by}.")


def _require_ours(connection: Connection, note: Note, lease: _Renewed) -> None:
    """Without its note nobody puts back what we change: who slept may hold the lease again, and not know.

    Raises _Lost.
    """
    stands = notes.current(connection)
    if lease.lost or stands is None or stands.id != note.id:
        raise _Lost("Another process has ended this experiment and put the setting back.")


def _with(
    outcome: Outcome, connection: Connection, runs: list[Run], state: str = "incomplete", why: str = ""
) -> Outcome:
    return msgspec.structs.replace(
        outcome, runs=list(runs), state=state, why=why, ended_ms=connection.server_time_ms()
    )


def _set(connection: Connection, note: Note, index: int, expected: int) -> int:
    """Raises IllegalStateError when somebody else has changed settings of the entity meanwhile."""
    configs, name, value = Configs(connection), note.plan.setting_name, note.plan.values[index]
    reason = f"experiment {note.id}"
    try:
        configs.change(
            note.plan.entity,
            {} if value is None else {name: value},
            [name] if value is None else [],
            by="lab",
            reason=reason,
            expected=expected,
        )
    except StaleConfigError:
        raise IllegalStateError(
            f"Somebody else changed settings of {note.plan.entity}; what was measured since means nothing."
        ) from None
    return configs.get(note.plan.entity).version


def _concluded(outcome: Outcome) -> Outcome:
    rounds: list[list[dict[str, float | None]]] = [[] for _ in outcome.plan.values]
    for run_ in outcome.runs:
        rounds[run_.value].append(run_.figures)
    effects = judge(*rounds)
    return msgspec.structs.replace(outcome, effects=effects, verdicts=[words(found) for found in effects])


def _put_back(connection: Connection, note: Note) -> str:
    """Tried for half a minute; after that the note stays, and the lab does it when the server is back.

    Returns why the setting is not what it was, in a sentence; "" when it is.
    """
    pause = threading.Event()
    for left in range(PUT_BACK_TRIES, 0, -1):
        try:
            return notes.put_back(connection, note)
        except StreamlabError as error:
            if left == 1:
                log.warning("The setting could not be put back yet; the lab does it later: %s", error)
            pause.wait(1.0)
    return "At its end the setting could not be put back; the lab does that as soon as it can."


class _Renewed:
    """Holds the lease in a thread of its own; sets `stop` when it is lost, or somebody wants the experiment to stop."""

    def __init__(self, connection: Connection, stop: threading.Event, id: str):
        self.lost = False
        self.wish: Wish | None = None
        self._connection, self._id = connection, id
        self._lease = Lease(connection, keys.EXPERIMENT_LEASE)
        self._stop, self._over = stop, threading.Event()
        self._thread = threading.Thread(target=self._renew, name="experiment-lease", daemon=True)

    def __enter__(self) -> _Renewed:
        if not self._lease.hold():
            self._lease.close()
            raise IllegalStateError("An experiment runs already. Wait for it, or stop it.")
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._over.set()
        self._thread.join()
        try:
            if self.wish is not None:
                stopping.forget(self._connection)
            if not self.lost:
                self._lease.release()
        except StreamlabError:
            pass  # both run out by themselves
        self._lease.close()

    def _renew(self) -> None:
        while not self._over.wait(RENEW_EVERY_S):
            try:
                if not self._lease.hold():
                    self.lost = True
                    self._stop.set()
                    return
                if self.wish is None and (wish := stopping.asked(self._connection, self._id)) is not None:
                    self.wish = wish
                    self._stop.set()
            except StreamlabError as error:
                log.warning("The lease could not be renewed: %s", error)

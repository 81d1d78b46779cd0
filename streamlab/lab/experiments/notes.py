"""What must be put back: a note in Redis, written before anything is changed and deleted when all is as it was.

    sl:lab:experiment         the note: whose setting, what it had before, which experiment, how far it is
    sl:lab:experiment-lease   renewed by the process that runs it; without it the note is an orphan
    sl:lab:experiments        what came of the last experiments

So one runs at a time, and a process that is killed leaves a note that the lab, or the next experiment, puts back.
"""

from __future__ import annotations

import logging
import secrets
from contextlib import suppress
from typing import Any

import msgspec

from ... import keys
from ...configs.settings import as_text
from ...configs.store import Configs
from ...connection import Connection
from ...errors import (
    IllegalStateError,
    StaleConfigError,
    StreamlabError,
    UnknownTopicOrPartitionError,
    translated,
)
from ...metrics.lease import Lease
from .judging import Effect, words
from .measuring import MEASURES, Figures
from .plan import MOST_MINUTES, Plan

log = logging.getLogger(__name__)

MOST_KEPT = 100


class Note(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    plan: Plan
    had: bool  # whether the setting had a stored value of the entity's own before
    before: Any = None  # that value
    today: Any = None  # in force when it began, wherever it came from; None: not known
    by: str = ""
    started_ms: int  # server time


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One window that was measured."""

    value: int  # number in the plan's values
    figures: Figures
    started_ms: int  # server time
    ended_ms: int


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came of an experiment."""

    id: str
    plan: Plan
    state: str  # done, stopped, incomplete
    why: str = ""  # when it is not done, or not all is as it was
    left: str = ""  # part of that: why the setting is not what it was; "" when it is
    by: str = ""
    today: Any = None  # value in force when it began; None: not known
    had: bool = False  # whether that was stored as the entity's own
    started_ms: int
    ended_ms: int  # of the newest window while it runs
    runs: list[Run] = []
    effects: list[list[Effect]] = []  # of each value but the first
    verdicts: list[str] = []  # in words, of each value but the first

    def is_todays(self, value: Any) -> bool:
        """Whether this value held when it began."""
        return is_todays(value, self.today, self.had)


def is_todays(value: Any, today: Any, had: bool) -> bool:
    """`value` is one of a plan, `today` what is in force, `had` whether that is stored as the entity's own.

    >>> is_todays(None, 5, had=False), is_todays(None, 20, had=True), is_todays(20, 20, had=True)
    (True, False, True)
    """
    return not had if value is None else today is not None and str(value) == str(today)


def open_note(connection: Connection, note: Note) -> None:
    """Raises IllegalStateError when an experiment runs."""
    with translated():
        if not connection.client.set(keys.EXPERIMENT, msgspec.json.encode(note), nx=True):
            raise IllegalStateError("An experiment runs already. Wait for it, or stop it.")


def current(connection: Connection) -> Note | None:
    """Of the experiment that runs, or was killed. None: there is none, or another version of Streamlab wrote it.

    Raises StreamlabError.
    """
    stored = _stored(connection)
    return _note(stored) if stored else None


def _stored(connection: Connection) -> bytes | None:
    with translated():
        stored: Any = connection.client.get(keys.EXPERIMENT)
    return stored or None


def _note(stored: bytes) -> Note | None:
    try:
        return msgspec.json.decode(stored, type=Note)
    except (msgspec.DecodeError, StreamlabError):
        return None


def put_back(connection: Connection, note: Note) -> str:
    """Let the setting be what it was, unless somebody else has set it to what is no value of ours meanwhile.

    May be repeated; nothing once it is done, or another one runs. Returns what was left as somebody set it, in a
    sentence; "" when all is as it was. Raises StreamlabError.
    """
    running = current(connection)
    if running is None or running.id != note.id:
        return ""  # this process was held up for long: somebody has put it back, and may turn it again
    left = _set_back(Configs(connection), note)
    connection.run("lab/close_note", [keys.EXPERIMENT], [note.id])
    return left


def _set_back(configs: Configs, note: Note) -> str:
    try:
        return _set_what_is_there_back(configs, note)
    except UnknownTopicOrPartitionError:
        return f"{note.plan.entity} was deleted meanwhile, and its settings with it."


def _set_what_is_there_back(configs: Configs, note: Note) -> str:
    who, name = note.plan.entity, note.plan.setting_name
    while True:
        stored = configs.get(who)
        has, value = name in stored.values, stored.values.get(name)
        if (has, value) == (note.had, note.before):
            return ""
        if value not in note.plan.values:  # None is one of them where it was tried without a stored value
            as_it_is = f"at {as_text(value)}" if has else "unset"
            return f"{name} of {who} was left {as_it_is}, as somebody set it meanwhile."
        values, unset = ({name: note.before}, []) if note.had else ({}, [name])
        with suppress(StaleConfigError):  # somebody changes it just now: look again
            configs.change(who, values, unset, "lab", f"end of experiment {note.id}", expected=stored.version)
            return ""


def put_back_orphan(connection: Connection) -> Outcome | None:
    """Put back what a killed experiment left changed, and mark it incomplete. None: there is nothing to do.

    One that had come to its end, but not to putting back, stays as it was concluded. Raises StreamlabError.
    """
    stored = _stored(connection)
    if stored is None:
        return None
    lease = Lease(connection, keys.EXPERIMENT_LEASE)
    try:
        if not lease.hold():
            return None  # it runs
        if _stored(connection) != stored:
            return None
        note = _note(stored)
        if note is None:
            _give_up(connection, stored)
            return None
        left = put_back(connection, note)
        kept = result(connection, note.id)
        if kept is not None and kept.effects:
            return kept
        why = f"Its process ended before its time. {left or 'The setting was put back.'}"
        return incomplete(connection, note, why, left)
    finally:
        lease.release()
        lease.close()


def _give_up(connection: Connection, stored: bytes) -> None:
    """Of a note that cannot be read nothing can be put back; left there it would let no experiment begin any more."""
    log.warning(
        "Another version of Streamlab began an experiment that was killed. What it turned is not put back, as its note "
        "cannot be read: %s",
        stored.decode("utf-8", "replace"),
    )
    with translated():
        connection.client.delete(keys.EXPERIMENT)


def incomplete(connection: Connection, note: Note, why: str, left: str = "") -> Outcome:
    """Keep what was measured until then, without a verdict."""
    kept = result(connection, note.id)
    outcome = Outcome(
        id=note.id,
        plan=note.plan,
        state="incomplete",
        why=why,
        left=left,
        by=note.by,
        today=note.today,
        had=note.had,
        started_ms=note.started_ms,
        ended_ms=connection.server_time_ms(),
        runs=kept.runs if kept else [],
    )
    keep(connection, outcome)
    return outcome


def keep(connection: Connection, outcome: Outcome) -> None:
    """The oldest beyond `MOST_KEPT` go."""
    with translated():
        connection.client.hset(keys.EXPERIMENTS, outcome.id, msgspec.json.encode(outcome).decode())
        ids: Any = connection.client.hkeys(keys.EXPERIMENTS)
        old = sorted(ids, key=lambda id: begun_ms(id) or 0)[:-MOST_KEPT]
        if old:
            connection.client.hdel(keys.EXPERIMENTS, *old)


def begun(note: Note) -> Outcome:
    """Of one of which nothing was measured yet."""
    return Outcome(
        id=note.id,
        plan=note.plan,
        state="incomplete",
        by=note.by,
        today=note.today,
        had=note.had,
        started_ms=note.started_ms,
        ended_ms=note.started_ms,
    )


def result(connection: Connection, id: str) -> Outcome | None:
    """One that is kept. Raises StreamlabError."""
    with translated():
        stored: Any = connection.client.hget(keys.EXPERIMENTS, id)
    return _read(stored) if stored else None


def results(connection: Connection, since_ms: int | None = None) -> dict[str, Outcome]:
    """By id, the newest first; with `since_ms` (server time) only those that may have run after that."""
    with translated():
        if since_ms is None:
            stored: Any = connection.client.hgetall(keys.EXPERIMENTS)
        else:
            ids: Any = connection.client.hkeys(keys.EXPERIMENTS)
            late = [id for id in ids if (begun_ms(id) or 0) > since_ms - MOST_MINUTES * 60_000]
            values: Any = connection.client.hmget(keys.EXPERIMENTS, late) if late else []
            stored = {id: raw for id, raw in zip(late, values, strict=True) if raw}
    found = {id.decode(): outcome for id, raw in stored.items() if (outcome := _read(raw)) is not None}
    return dict(sorted(found.items(), key=lambda item: -item[1].started_ms))


def _read(raw: bytes) -> Outcome | None:
    """With the words of today, whichever version kept it; None: that version cannot be read.

    What was measured and how sure it is stays what it was; measures that are no more go.
    """
    try:
        kept = msgspec.json.decode(raw, type=Outcome)
    except (msgspec.DecodeError, StreamlabError):
        return None
    effects = [[effect for effect in found if effect.measure in MEASURES] for found in kept.effects]
    return msgspec.structs.replace(kept, effects=effects, verdicts=[words(found) for found in effects])


def new_id(now_ms: int) -> str:
    """One that says when it began."""
    return f"{now_ms:x}-{secrets.token_hex(2)}"


def begun_ms(id: bytes | str) -> int | None:
    """When the experiment of this id began: server time.

    >>> begun_ms(new_id(1_700_000_000_000)), begun_ms("")
    (1700000000000, None)
    """
    text = id.decode() if isinstance(id, bytes) else id
    try:
        return int(text.partition("-")[0], 16)
    except ValueError:
        return None

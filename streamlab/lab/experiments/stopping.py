"""The wish that a running experiment stop: whoever looks at it may have it, and the process that runs it obeys.

somebody asks  →  the wish stands in Redis  →  its process sees it within a second, puts the setting back, forgets it
"""

from __future__ import annotations

from typing import Any

import msgspec

from ... import keys
from ...connection import Connection
from ...errors import IllegalStateError, translated
from . import notes
from .notes import Note

LIFETIME_S = 3_600
"""Of a wish that nobody forgets: its experiment was killed."""


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    id: str  # of the experiment
    by: str


def ask(connection: Connection, by: str, id: str | None = None) -> Note:
    """Let the experiment that runs stop; `id`: only if it is this one. Returns what it turns.

    Raises IllegalStateError when it does not run.
    """
    note = notes.current(connection)
    if note is None or id not in (None, note.id):
        raise IllegalStateError("No experiment runs." if id is None else f"The experiment {id} does not run.")
    wish = msgspec.json.encode(Wish(id=note.id, by=by)).decode()
    with translated():
        connection.client.set(keys.EXPERIMENT_STOP, wish, ex=LIFETIME_S)
    return note


def asked(connection: Connection, id: str) -> Wish | None:
    """None: nobody wants this one to stop."""
    with translated():
        stored: Any = connection.client.get(keys.EXPERIMENT_STOP)
    try:
        wish = msgspec.json.decode(stored, type=Wish) if stored else None
    except msgspec.DecodeError:
        return None
    return wish if wish is not None and wish.id == id else None


def forget(connection: Connection) -> None:
    with translated():
        connection.client.delete(keys.EXPERIMENT_STOP)

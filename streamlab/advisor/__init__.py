"""The advisor: symptom → evidence → likely cause → lever → expected effect.

    advise(connection).findings      # what to look at first comes first; docs/advisor.md says what there can be

Rules (`rules/`) are pure functions of a `World` of evidence; `look.py` reads it, `judge.py` asks all rules, `memory.py`
keeps what was found, so that everybody who asks within five seconds gets the same answer.
"""

from __future__ import annotations

import threading
from weakref import WeakKeyDictionary

from ..connection import Connection
from . import memory
from .finding import Advice, Experiment, Finding, Lever, Number, Urgency
from .judge import judge
from .look import Looker
from .parsing import NothingMeasured

_lookers: WeakKeyDictionary[Connection, Looker] = WeakKeyDictionary()
_lock = threading.Lock()


def advise(connection: Connection, fresh_ms: int = memory.FRESH_MS) -> Advice:
    """What to look at, at most `fresh_ms` old: looks anew when nobody has since, and nobody is just looking.

    Raises NothingMeasured without a running sampler, StreamlabError.
    """
    before = memory.read(connection)
    if before is not None:
        age_ms = connection.server_time_ms() - before.advice.as_of_ms
        if age_ms < fresh_ms or not memory.may_look(connection):
            return before.advice
    return look(connection, before)


def keep_fresh(connection: Connection) -> bool:
    """Look anew if somebody has asked for advice lately (`memory.ask`); whether it did. To be called every FRESH_MS.

    A look at very many partitions takes a second of computing: a process that answers people leaves it to another.
    Raises NothingMeasured, StreamlabError.
    """
    if not memory.asked(connection) or not memory.may_look(connection):
        return False
    look(connection, memory.read(connection))
    return True


def look(connection: Connection, before: memory.Memory | None = None) -> Advice:
    """Look now, whatever was found before, and let the others know."""
    looked = _looker(connection).look(before)
    advice = judge(looked.world, before.advice.findings if before else (), looked.missing)
    memory.write(connection, memory.Memory(advice, looked.totals, looked.counters, looked.failures))
    return advice


def _looker(connection: Connection) -> Looker:
    with _lock:
        if connection not in _lookers:
            _lookers[connection] = Looker(connection)
        return _lookers[connection]


__all__ = [
    "Advice",
    "Experiment",
    "Finding",
    "Lever",
    "NothingMeasured",
    "Number",
    "Urgency",
    "advise",
    "keep_fresh",
    "look",
]

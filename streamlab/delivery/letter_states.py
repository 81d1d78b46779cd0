"""What became of dead letters: a state for each, kept in the slot of its partition of the dead-letter topic.

                  replay                       handled
        dead ───────────────▶ replaying ───────────────────▶ recovered
         ▲ │                      │
         │ └─ discard ▶ discarded │ died again
         │                  │     └──────────▶ failed again   (a new letter, which is dead, names this one)
         └───── restore ────┘

A letter that nobody touched is dead and costs nothing here. Scripts are the only writers, and every change is a
compare-and-set: of two who want one letter, one gets it.

Whoever handles a replayed record settles its letter, after it has put away what it did with the record:

    states.settle(origin.letter, origin.replays, LetterState.RECOVERED)
    states.settle(origin.letter, origin.replays, LetterState.FAILED_AGAIN, successor=LetterAddress(dlq, 3, 57))
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Any, NamedTuple

import msgspec

from .. import keys
from ..connection import Call, Connection
from ..errors import translate, translated
from ..model import TopicPartition
from ..replies import pairs
from .dead_letter import LetterAddress


class LetterState(StrEnum):
    DEAD = "dead"
    REPLAYING = "replaying"  # sent on its way; nobody has said yet what came of it
    RECOVERED = "recovered"  # the replayed record was handled
    FAILED_AGAIN = "failed-again"  # it died again; that is a letter of its own
    DISCARDED = "discarded"  # an operator gave it up for good


class LetterStatus(msgspec.Struct, frozen=True, kw_only=True):
    """Where one letter stands."""

    state: LetterState = LetterState.DEAD
    replays: int = 0  # number of the last replay of this letter; 0: it was never replayed
    replay_id: str | None = None  # the job of that replay
    at_ms: int | None = None  # server time of the last change; None: there was none
    by: str | None = None  # who replayed, discarded or restored it
    reason: str | None = None  # why it was discarded
    to: str | None = None  # where it was replayed: group, or the name of a topic
    successor: LetterAddress | None = None  # failed again: the new letter
    decision: str | None = (
        None  # name of the decision by which it was discarded or restored, where it had one
    )


UNTOUCHED = LetterStatus()

_SWEPT = "#swept"
"""Field that holds the log start up to which the states of removed letters were dropped."""
_A_CALL = 500
"""Letters that one call of a script changes at most, so that nobody waits long behind it."""


class _Details(msgspec.Struct, omit_defaults=True):
    """What a status holds besides what scripts look at."""

    by: str | None = None
    reason: str | None = None
    to: str | None = None
    successor: str | None = None
    decision: str | None = None


def details(
    by: str | None = None,
    reason: str | None = None,
    to: str | None = None,
    successor: LetterAddress | None = None,
    decision: str | None = None,
) -> bytes:
    """The JSON that scripts store with a state."""
    return msgspec.json.encode(_Details(by, reason, to, str(successor) if successor else None, decision))


def parse_status(stored: bytes | None) -> LetterStatus:
    """What the scripts store; None is a letter that nobody touched.

    >>> status = parse_status(b'replaying 2 20261123-5f3a 1700000000000 {"by":"ann","to":"group"}')
    >>> status.state, status.replays, status.by, parse_status(None).state
    (<LetterState.REPLAYING: 'replaying'>, 2, 'ann', <LetterState.DEAD: 'dead'>)
    """
    if stored is None:
        return UNTOUCHED
    state, number, replay, ms, json = stored.split(b" ", 4)
    more = msgspec.json.decode(json, type=_Details)
    return LetterStatus(
        state=LetterState(state.decode()),
        replays=int(number),
        replay_id=None if replay == b"-" else replay.decode(),
        at_ms=int(ms),
        by=more.by,
        reason=more.reason,
        to=more.to,
        successor=LetterAddress.parse(more.successor) if more.successor else None,
        decision=more.decision,
    )


def state_keys(partition: TopicPartition) -> list[str]:
    """KEYS of every letters script."""
    return [keys.letters(*partition), keys.replay_progress(*partition), keys.untold_changes(*partition)]


def settle_call(
    letter: LetterAddress, replays: int, outcome: LetterState, successor: LetterAddress | None = None
) -> Call:
    """To be sent with others: answers 1, or 0 when that was known or that was not its last replay."""
    args = [letter.offset, replays, str(outcome), details(successor=successor)]
    return Call("letters/settle", state_keys(letter.topic_partition), args)


class LetterChange(NamedTuple):
    """What an operator did with a letter."""

    address: LetterAddress
    state: LetterState  # discarded, or dead again
    at_ms: int  # server time
    by: str
    reason: str  # "" where none is asked for

    @property
    def field(self) -> str:
        """What it is called among those that the broker's history has not heard of."""
        return f"{self.at_ms} {self.address.offset} {self.state}"


def parse_change(partition: TopicPartition, field: bytes, why: bytes) -> LetterChange:
    """What change.lua leaves.

    >>> parse_change(TopicPartition("orders.revenue.dlq", 3), b"1700000000000 41 dead", b'{"by":"ann"}').by
    'ann'
    """
    ms, offset, state = field.split(b" ")
    more = msgspec.json.decode(why, type=_Details)
    address = LetterAddress(*partition, int(offset))
    return LetterChange(address, LetterState(state.decode()), int(ms), more.by or "", more.reason or "")


class LetterStates:
    """The states of all dead letters of one server. Safe to share between threads."""

    def __init__(self, connection: Connection):
        self._connection = connection

    def of(self, partition: TopicPartition, offsets: Sequence[int]) -> list[LetterStatus]:
        """One status an offset, in one round trip."""
        if not offsets:
            return []
        [stored] = self._connection.execute_many([("HMGET", keys.letters(*partition), *offsets)])
        return [parse_status(text) for text in stored]

    def tallies(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, dict[LetterState, int]]:
        """How many letters of each partition are in which state other than dead; one round trip."""
        touched = [state for state in LetterState if state is not LetterState.DEAD]
        fields = [f"#{state}" for state in touched]
        replies = self._connection.execute_many(
            [("HMGET", keys.letters(*partition), *fields) for partition in partitions]
        )
        return {
            partition: {state: int(figure or 0) for state, figure in zip(touched, reply, strict=True)}
            for partition, reply in zip(partitions, replies, strict=True)
        }

    def settle(
        self,
        letter: LetterAddress,
        replays: int,
        outcome: LetterState,
        successor: LetterAddress | None = None,
    ) -> bool:
        """Say what came of replay number `replays` of a letter: RECOVERED, or FAILED_AGAIN with the new letter.

        It counts although the replay was taken for lost and the letter is called dead again, or was discarded since.
        Idempotent: False when that was known, or that was not the letter's last replay. Raises StreamlabError.
        """
        return self.settle_many([(letter, replays, outcome, successor)])[0]

    def settle_many(
        self, outcomes: Iterable[tuple[LetterAddress, int, LetterState, LetterAddress | None]]
    ) -> list[bool]:
        """Likewise for many, in one round trip. Raises StreamlabError, when some may have been settled."""
        return [bool(reply) for reply in self._run([settle_call(*outcome) for outcome in outcomes])]

    def discard(
        self, letters: Iterable[LetterAddress], reason: str, by: str, decision: str | None = None
    ) -> list[LetterChange]:
        """Give dead letters up for good: those that are dead; the others are left as they are.

        The changes are untold until `letter_changes.tell()`.
        """
        why = details(by, reason, decision=decision)
        return self._change(letters, LetterState.DISCARDED, [LetterState.DEAD], why)

    def restore(
        self,
        letters: Iterable[LetterAddress],
        by: str,
        also_replaying: bool = False,
        decision: str | None = None,
        decided: Sequence[str] = (),
    ) -> list[LetterChange]:
        """Call discarded letters dead again; with `also_replaying` those too whose replay is known to be lost; with
        `decided` only those whose last decision has one of these names.

        The changes are untold until `letter_changes.tell()`.
        """
        states = [LetterState.DISCARDED] + [LetterState.REPLAYING] * also_replaying
        return self._change(letters, LetterState.DEAD, states, details(by, decision=decision), decided)

    def _change(
        self,
        letters: Iterable[LetterAddress],
        to: LetterState,
        allowed: Sequence[LetterState],
        why: bytes,
        decided: Sequence[str] = (),
    ) -> list[LetterChange]:
        wanted: dict[TopicPartition, list[int]] = {}
        for letter in letters:
            wanted.setdefault(letter.topic_partition, []).append(letter.offset)
        parts = [(p, part) for p, offsets in wanted.items() for part in _parts(offsets)]
        calls = [
            Call("letters/change", state_keys(p), [str(to), ",".join(allowed), ",".join(decided), why, *part])
            for p, part in parts
        ]
        return [
            parse_change(p, field, why)
            for (p, _), reply in zip(parts, self._run(calls), strict=True)
            for field in reply
        ]

    def _run(self, calls: Sequence[Call]) -> list[Any]:
        with translated():
            replies = self._connection.run_many(calls)
        for reply in replies:
            if isinstance(reply, Exception):
                raise translate(reply) from reply
        return replies


def _parts(offsets: Sequence[int]) -> list[Sequence[int]]:
    return [offsets[i : i + _A_CALL] for i in range(0, len(offsets), _A_CALL)]


def forget_removed_letters(connection: Connection, partitions: Sequence[TopicPartition]) -> int:
    """Drop the states of letters that retention has removed from these partitions. Returns how many.

    Two commands where nothing was removed since the last time.
    """
    asked = [("HGET", keys.meta(*p), "start") for p in partitions]
    swept = [("HGET", keys.letters(*p), _SWEPT) for p in partitions]
    replies = connection.execute_many([*asked, *swept])
    forgotten = 0
    for place, start, before in zip(
        partitions, replies[: len(partitions)], replies[len(partitions) :], strict=True
    ):
        if int(start or 0) > int(before or 0):
            forgotten += _forget(connection, place, int(start))
    return forgotten


def _forget(connection: Connection, place: TopicPartition, log_start: int) -> int:
    forgotten, cursor = 0, 0
    while True:
        [(cursor, flat)] = connection.execute_many(
            [("HSCAN", keys.letters(*place), cursor, "COUNT", _A_CALL)]
        )
        gone = [field for field, _ in pairs(flat) if field.isdigit() and int(field) < log_start]
        if gone:
            forgotten += int(connection.run("letters/forget", state_keys(place), [log_start, *gone]))
        if int(cursor) == 0:
            break
    connection.execute_many([("HSET", keys.letters(*place), _SWEPT, log_start)])
    return forgotten

"""Events about dead letters → what becomes of each letter. Pure.

A letter is one death of one record in one group, named by place, replays before that death, and group. An event speaks
of up to two letters: the death after replay 2 is a letter of its own, and the news that the letter that was replayed
has failed again. Which one that was the event says in `letter`: another group may have handled the record, and a number
is left out when a replay was lost. Where it says nothing it is r - 1 of the same group.

    event                       speaks of letter    sets
    record.dead_lettered   r    r                   died_ms and all about the death
                                `letter`            failed_again_ms
    record.recovered       r    `letter`            recovered_ms
    dead_letter.replayed   r    `letter`            replayed_ms and all about the replay
    dead_letter.discarded  r    r                   discarded_ms and all about the discard
    dead_letter.restored   r    r                   restored_ms

Each of those times only grows, and the newest event of a kind says what stands beside it. The state is that of the
latest time. So the order in which events come does not matter, nor how often they come.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from streamlab.events import (
    DeadLetterDiscarded,
    DeadLetterReplayed,
    DeadLetterRestored,
    Event,
    RecordDeadLettered,
    RecordRecovered,
)
from streamlab.events.of_records import DeadLetterEvent, RecordEvent

from .models import DeadLetter, LetterState
from .rows import clean, fingerprint_of

_LIFE = (
    ("died_ms", LetterState.DEAD),
    ("replayed_ms", LetterState.REPLAYING),
    ("discarded_ms", LetterState.DISCARDED),
    ("restored_ms", LetterState.DEAD),
    ("failed_again_ms", LetterState.FAILED_AGAIN),
    ("recovered_ms", LetterState.RECOVERED),
)
"""In the order of a life: of two things in the same millisecond the one further down came later."""


class Death(NamedTuple):
    """What tells a letter from all others of its record."""

    replays: int  # before it
    group: str

    def key(self, event: RecordEvent) -> str:
        return clean(f"{event.place}:{self.replays}:{self.group}")


def letters_of(event: Event) -> Iterator[Death]:
    """Each letter that an event speaks of.

    >>> from streamlab.events import RecordRecovered
    >>> recovered = RecordRecovered(
    ...     at_ms=1, group="revenue", topic="orders", partition=3, offset=41, record_id="x", attempt=5, replays=1
    ... )
    >>> [death.key(recovered) for death in letters_of(recovered)]
    ['orders/3@41:0:revenue']
    """
    if isinstance(event, (RecordDeadLettered, DeadLetterDiscarded, DeadLetterRestored)):
        yield Death(event.replays, event.group)
    if isinstance(event, (RecordDeadLettered, RecordRecovered, DeadLetterReplayed)) and event.replays > 0:
        yield from _replayed(event)


def _replayed(event: RecordDeadLettered | RecordRecovered | DeadLetterReplayed) -> Iterator[Death]:
    """The letter whose replay it is about."""
    if event.letter is None:
        yield Death(event.replays - 1, event.group)
        return
    replays, _, group = event.letter.partition(":")
    if replays.isdecimal() and len(replays) < 9 and int(replays) < event.replays:
        yield Death(int(replays), group)


def tell(letter: DeadLetter, event: RecordEvent) -> None:
    """Let a letter know of an event that speaks of it."""
    died_here = isinstance(event, RecordDeadLettered) and event.replays == letter.replays
    if isinstance(event, DeadLetterEvent) or (isinstance(event, RecordDeadLettered) and died_here):
        _address(letter, event)
    match event:
        case RecordDeadLettered() if died_here:
            if _later(letter, "died_ms", event.at_ms):
                _die(letter, event)
        case RecordDeadLettered():
            _later(letter, "failed_again_ms", event.at_ms)
        case RecordRecovered():
            _later(letter, "recovered_ms", event.at_ms)
        case DeadLetterReplayed():
            if _later(letter, "replayed_ms", event.at_ms):
                _replay(letter, event)
        case DeadLetterDiscarded():
            if _later(letter, "discarded_ms", event.at_ms):
                letter.discarded_by, letter.discard_reason = clean(event.by), clean(event.reason)
        case DeadLetterRestored():
            _later(letter, "restored_ms", event.at_ms)
    if letter.record_key is None:
        letter.record_key = event.key
    _find_state(letter)


def a_letter(key: str, event: RecordEvent, death: Death) -> DeadLetter:
    """A letter of which nothing is known yet but whose record it is."""
    return DeadLetter(
        key=key,
        group=clean(death.group),
        topic=event.topic,
        partition=event.partition,
        offset=event.offset,
        replays=death.replays,
        record_id=clean(event.record_id),
        record_key=event.key,
        state=LetterState.DEAD,
        state_ms=event.at_ms,
    )


def _later(letter: DeadLetter, field: str, at_ms: int) -> bool:
    known = getattr(letter, field)
    if known is not None and known >= at_ms:
        return False
    setattr(letter, field, at_ms)
    return True


def _die(letter: DeadLetter, event: RecordDeadLettered) -> None:
    letter.cause = clean(event.cause)
    letter.exception, letter.message = clean(event.exception), clean(event.message)
    letter.call_site, letter.fingerprint = clean(event.call_site), fingerprint_of(event)
    letter.schema_subject, letter.schema_version = clean(event.schema_subject), event.schema_version
    letter.attempts, letter.member = event.attempt, clean(event.member)


def _replay(letter: DeadLetter, event: DeadLetterReplayed) -> None:
    letter.replayed_by, letter.replay_id = clean(event.by), clean(event.replay_id)
    letter.replay_target, letter.edited = clean(event.target), event.edited


def _address(letter: DeadLetter, event: RecordDeadLettered | DeadLetterEvent) -> None:
    """Where it lies. A death that was written twice, over a crash, lies in two places: the first one counts."""
    letter.dlq_topic, letter.dlq_partition = clean(event.dlq_topic), event.dlq_partition
    if event.dlq_offset is not None:
        known = letter.dlq_offset
        letter.dlq_offset = event.dlq_offset if known is None else min(known, event.dlq_offset)


def _find_state(letter: DeadLetter) -> None:
    known = [
        (at_ms, rank, state)
        for rank, (field, state) in enumerate(_LIFE)
        if (at_ms := getattr(letter, field)) is not None
    ]
    letter.state_ms, _, state = max(known)
    letter.state = state.value


def touched(events: Iterable[Event]) -> dict[str, list[tuple[RecordEvent, Death]]]:
    """Letters that the events speak of: key → events with what the letter is, in their order."""
    found: dict[str, list[tuple[RecordEvent, Death]]] = {}
    for event in events:
        if isinstance(event, RecordEvent):
            for death in letters_of(event):
                found.setdefault(death.key(event), []).append((event, death))
    return found

"""When an alert fires and when it clears: a pure function of what was seen before, what is seen and the time.

    (nothing) ──beyond──▶ pending ──beyond for so long──▶ FIRING ──calm──▶ clearing ──calm for so long──▶ (nothing)
                             │ not beyond                    ▲                │ not calm
                             └──▶ (nothing)                  └────────────────┘

A value is *beyond* on the bad side of the threshold, and *calm* on the good side of the limit to clear. Between the
two it is neither: that does not fire, and what fires goes on firing.

1. beyond                                  begins to wait
2. beyond for as long as the rule says     fires, and that is told once
3. waiting, and not beyond any more        forgotten; nobody heard of it
4. firing, and calm                        begins to clear
5. calm for as long as the rule says       clears, and that is told once
6. clearing, and not calm any more         fires on, without a word
7. not known                               what waits is forgotten, what clears fires on
8. not looked at for long                  the same: what nobody saw did not hold
9. gone                                    is calm
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum


class Phase(StrEnum):
    PENDING = "pending"
    FIRING = "firing"
    CLEARING = "clearing"


class Seen(StrEnum):
    """One subject under one rule, at one look."""

    BEYOND = "beyond"
    BETWEEN = "between"
    CALM = "calm"
    UNKNOWN = "unknown"


class Event(StrEnum):
    OPENED = "opened"
    CLEARED = "cleared"


@dataclass(frozen=True)
class State:
    """What is remembered of a subject between two looks. None stands for: nothing."""

    phase: Phase
    since_ms: int  # pending: beyond since; firing: fired at; clearing: calm since


@dataclass(frozen=True)
class Hold:
    """How long something must hold before it counts."""

    fire_ms: int
    clear_ms: int


@dataclass(frozen=True)
class Change:
    """What becomes of one subject at this look."""

    subject: str
    before: State | None
    after: State | None
    event: Event | None


def step(state: State | None, seen: Seen, hold: Hold, now_ms: int) -> tuple[State | None, Event | None]:
    """What is remembered from now on, and what is to be told.

    >>> hold = Hold(fire_ms=10_000, clear_ms=0)
    >>> waiting, event = step(None, Seen.BEYOND, hold, 1_000)
    >>> waiting.phase.value, event
    ('pending', None)
    >>> firing, event = step(waiting, Seen.BEYOND, hold, 11_000)
    >>> firing.phase.value, event.value
    ('firing', 'opened')
    >>> step(firing, Seen.CALM, hold, 12_000)
    (None, <Event.CLEARED: 'cleared'>)
    """
    if seen is Seen.UNKNOWN:
        return unseen(state, now_ms), None
    if state is None or state.phase is Phase.PENDING:
        return _toward_firing(state, seen, hold, now_ms)
    return _toward_clear(state, seen, hold, now_ms)


def _toward_firing(
    state: State | None, seen: Seen, hold: Hold, now_ms: int
) -> tuple[State | None, Event | None]:
    if seen is not Seen.BEYOND:
        return None, None
    since_ms = state.since_ms if state else now_ms
    if now_ms - since_ms >= hold.fire_ms:
        return State(Phase.FIRING, now_ms), Event.OPENED
    return State(Phase.PENDING, since_ms), None


def _toward_clear(state: State, seen: Seen, hold: Hold, now_ms: int) -> tuple[State | None, Event | None]:
    if seen is not Seen.CALM:
        return (state if state.phase is Phase.FIRING else State(Phase.FIRING, now_ms)), None
    since_ms = state.since_ms if state.phase is Phase.CLEARING else now_ms
    if now_ms - since_ms >= hold.clear_ms:
        return None, Event.CLEARED
    return State(Phase.CLEARING, since_ms), None


def unseen(state: State | None, now_ms: int) -> State | None:
    """What is left when nobody could look: nothing has held."""
    if state is None or state.phase is Phase.PENDING:
        return None
    return state if state.phase is Phase.FIRING else State(Phase.FIRING, now_ms)


def judge(
    states: Mapping[str, State],
    seen: Mapping[str, Seen] | None,
    hold: Hold,
    now_ms: int,
    *,
    unbroken: bool = True,
) -> list[Change]:
    """Every subject of a rule that changes at this look.

    `seen` None: nothing could be seen of any. `unbroken` False: the look before is long ago.
    """
    changes = []
    for subject in _subjects(states, seen):
        before = states.get(subject)
        start = before if unbroken else unseen(before, now_ms)
        after, event = step(start, _of(subject, seen), hold, now_ms)
        if after != before or event:
            changes.append(Change(subject, before, after, event))
    return changes


def _subjects(states: Mapping[str, State], seen: Mapping[str, Seen] | None) -> Iterable[str]:
    """Only those that can change: what is remembered, and what is beyond."""
    beyond = [subject for subject, what in (seen or {}).items() if what is Seen.BEYOND]
    return dict.fromkeys([*states, *beyond])


def _of(subject: str, seen: Mapping[str, Seen] | None) -> Seen:
    return Seen.UNKNOWN if seen is None else seen.get(subject, Seen.CALM)

"""Dead letters in words and figures."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from dashboard.projections.models import DeadLetter, FailureGroup, LetterState, RecordEvent

from .figures import Figure, count, duration, moment
from .payload import visible
from .sparkline import Sparkline, sparkline
from .words import Status, Tone

Said = Callable[[str], str]
"""Makes of what an exception said what may be shown of it."""

STATUS = {
    LetterState.DEAD: Status("dead", Tone.BAD, "Nothing handles it any more"),
    LetterState.REPLAYING: Status("replaying", Tone.NOTE, "Sent on its way once more"),
    LetterState.RECOVERED: Status("recovered", Tone.OK, "A replay was handled"),
    LetterState.FAILED_AGAIN: Status(
        "failed again", Tone.WARN, "Its replay died; a newer letter lies behind it"
    ),
    LetterState.DISCARDED: Status("discarded", Tone.IDLE, "Somebody gave it up for good"),
}


@dataclass(frozen=True)
class FailureRow:
    """Letters that died of the same failure."""

    fingerprint: str
    group: str
    topic: str
    error: str  # class of the exception, without its module
    error_title: str  # with it, and where it was raised
    message: str  # with its variables taken out
    dead: Figure
    replaying: Figure
    recovered: Figure
    failed_again: Figure
    discarded: Figure
    first: Figure
    last: Figure
    fresh: int | None  # died since the newest replay of such letters; None: none was ever replayed
    line: Sparkline  # deaths over time


def failure_row(
    failure: FailureGroup, fresh: int | None, line: Sparkline, now_ms: int, said: Said = str
) -> FailureRow:
    error = failure.exception.rpartition(".")[2] or "no exception"
    return FailureRow(
        fingerprint=failure.fingerprint,
        group=failure.group,
        topic=failure.topic,
        error=visible(error),
        error_title=visible(" in ".join(filter(None, (failure.exception, failure.call_site)))),
        message=visible(said(_said(failure)))[:300],
        dead=count(failure.dead, "dead letters"),
        replaying=count(failure.replaying, "on their way"),
        recovered=count(failure.recovered, "recovered"),
        failed_again=count(failure.failed_again, "failed again"),
        discarded=count(failure.discarded, "discarded"),
        first=moment(failure.first_ms, now_ms),
        last=moment(failure.last_ms, now_ms),
        fresh=fresh,
        line=line,
    )


def _said(failure: FailureGroup) -> str:
    """The message without its variables; where nothing is left of it, the newest as it was."""
    bare = re.sub(r"<[a-z]+>", "", failure.message)
    return failure.message if any(character.isalnum() for character in bare) else failure.example


def deaths_line(deaths: Mapping[int, int], from_ms: int, to_ms: int, step_ms: int) -> Sparkline:
    """Deaths a step as a small line; `deaths` is counts by the number of the step since 1970.

    >>> deaths_line({0: 2, 3: 1}, 0, 4_000, 1_000).words
    'from 2 to 0, at most 2'
    """
    first, last = from_ms // step_ms, to_ms // step_ms
    steps = range(first, last + 1)
    return sparkline(
        [s * step_ms for s in steps], [deaths.get(s, 0) for s in steps], first * step_ms, last * step_ms
    )


@dataclass(frozen=True)
class LetterRow:
    """One dead letter in a list."""

    place: str  # where the record was first produced
    dlq: str
    dlq_partition: int | None
    dlq_offset: int | None
    record_id: str
    group: str
    topic: str
    status: Status
    error: str
    message: str
    died: Figure
    attempts: int
    replays: int

    @property
    def linked(self) -> bool:
        """Whether it is known where the letter itself stands."""
        return self.dlq_offset is not None


def letter_row(letter: DeadLetter, now_ms: int, said: Said = str) -> LetterRow:
    return LetterRow(
        place=f"{letter.topic}/{letter.partition}@{letter.offset}",
        dlq=letter.dlq_topic,
        dlq_partition=letter.dlq_partition,
        dlq_offset=letter.dlq_offset,
        record_id=visible(letter.record_id),
        group=letter.group,
        topic=letter.topic,
        status=STATUS[LetterState(letter.state)],
        error=visible(letter.exception.rpartition(".")[2]),
        message=visible(said(letter.message))[:300],
        died=moment(letter.died_ms, now_ms),
        attempts=letter.attempts,
        replays=letter.replays,
    )


_SAYS = {
    "record.retried": ("tried and failed", Tone.WARN),
    "record.dead_lettered": ("died", Tone.BAD),
    "record.recovered": ("handled", Tone.OK),
    "record.released": ("released", Tone.NOTE),
    "dead_letter.replayed": ("replayed", Tone.NOTE),
    "dead_letter.discarded": ("discarded", Tone.IDLE),
}


@dataclass(frozen=True)
class StepRow:
    """One step of a record's way."""

    at: Figure
    status: Status
    group: str
    attempt: int
    planned: Figure  # when this attempt was due
    late: Figure  # how much later than planned it began
    took: Figure
    next_due: Figure
    error: str
    message: str
    note: str
    by: str
    gap: Figure  # since the step before; unknown of the first


def step_rows(steps: Iterable[RecordEvent], said: Said = str) -> list[StepRow]:
    found = list(steps)
    before = [None, *(step.at_ms for step in found)]
    return [_step_row(step, then_ms, said) for step, then_ms in zip(found, before, strict=False)]


def _step_row(step: RecordEvent, then_ms: int | None, said: Said) -> StepRow:
    word, tone = _SAYS.get(step.kind, (step.kind, Tone.NOTE))
    return StepRow(
        at=moment(step.at_ms),
        status=Status(word, tone),
        group=step.group,
        attempt=step.attempt,
        planned=moment(step.planned_ms, reason="Nobody planned it"),
        late=duration(step.late_ms, "Nobody planned it"),
        took=duration(step.took_ms, "Not an attempt"),
        next_due=moment(step.due_ms, reason="No further attempt"),
        error=visible(step.exception.rpartition(".")[2]),
        message=visible(said(step.message))[:300],
        note=visible(step.note),
        by=visible(step.by or step.member),
        gap=duration(None if then_ms is None else max(0, step.at_ms - then_ms), "The first step"),
    )

"""An operation in words and figures."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings

from dashboard.operations.life import LOST_AFTER, SILENT_AFTER
from dashboard.operations.models import Operation, State
from dashboard.operations.registry import KINDS

from .figures import Figure, count, moment, spell_duration
from .payload import visible
from .words import Status, Tone, plural

_TONES = {
    State.DRAFT: Tone.IDLE,
    State.QUEUED: Tone.NOTE,
    State.RUNNING: Tone.NOTE,
    State.DONE: Tone.OK,
    State.CANCELLED: Tone.IDLE,
    State.FAILED: Tone.BAD,
    State.UNDONE: Tone.IDLE,
}
_SILENT_AFTER_MS = int(SILENT_AFTER.total_seconds() * 1000)
_GONE_AFTER_MS = int(
    (LOST_AFTER.total_seconds() + settings.CELERY_BEAT_SCHEDULE["operations"]["schedule"]) * 1000
)
"""After its last sign of life: by then whoever looks after it has seen that its worker is dead."""


@dataclass(frozen=True)
class OperationRow:
    """One operation in a list."""

    number: int
    title: str
    subject: str
    status: Status
    who: str  # who confirmed it, else who drafted it
    created: Figure
    took: str  # from start to end; "" before that
    effect: str  # one sentence: what it did, or would do


def row(operation: Operation, now_ms: int) -> OperationRow:
    kind = KINDS.get(operation.kind)
    who = operation.confirmed_by or operation.created_by
    return OperationRow(
        number=operation.pk,
        title=kind.title if kind else operation.kind,
        subject=visible(operation.subject),
        status=status(operation, now_ms),
        who=who.get_username() if who else "—",
        created=moment(_ms(operation.created_at), now_ms),
        took=_took(operation),
        effect=visible(
            operation.error or operation.result.get("effect") or operation.preview.get("effect", "")
        ),
    )


def status(operation: Operation, now_ms: int) -> Status:
    """One word for its state. It is "running" only while its worker is heard: without that nobody knows."""
    state = State(operation.state)
    if silent := silence(operation, now_ms):
        return Status("worker silent", Tone.WARN, silent)
    if operation.cancel_wanted and state is State.RUNNING:
        return Status("stopping", Tone.WARN, "It stops at its next step")
    if state is State.DRAFT and operation.preview.get("blocked"):
        return Status("cannot be done now", Tone.WARN, visible(operation.preview["blocked"]))
    word = "waits for confirmation" if state is State.DRAFT else state.value
    return Status(word, _TONES[state], visible(operation.error or operation.note))


def share_done(operation: Operation) -> float | None:
    """0..1; None when it is not known."""
    if operation.state == State.DONE:
        return 1.0
    return min(1.0, operation.done / operation.total) if operation.total else None


def steps(operation: Operation) -> str:
    """
    >>> steps(Operation(done=1200, total=5000))
    '1,200 of 5,000'
    """
    return f"{operation.done:,}" + (f" of {operation.total:,}" if operation.total is not None else "")


def time_left(operation: Operation, now_ms: int) -> str:
    """In words, from the pace so far; "" when it cannot be told, as after a worker's death, which is no pace."""
    if (
        operation.state != State.RUNNING
        or operation.runs > 1
        or not operation.total
        or not operation.done
        or not operation.started_at
    ):
        return ""
    so_far_ms = now_ms - (_ms(operation.started_at) or now_ms)
    left_ms = so_far_ms * (operation.total - operation.done) / operation.done
    return f"about {spell_duration(left_ms)} left" if so_far_ms > 2_000 else ""


def silence(operation: Operation, now_ms: int) -> str:
    """Says that nobody works on a running operation, and what comes of that; "" while its worker is heard."""
    heard_ms = _ms(operation.beat_at)
    if operation.state != State.RUNNING or heard_ms is None or now_ms - heard_ms < _SILENT_AFTER_MS:
        return ""
    silent_ms = now_ms - heard_ms
    said = f"Its worker has gone silent: it was last heard {spell_duration(silent_ms)} ago."
    if silent_ms >= _GONE_AFTER_MS:
        return f"{said} Nobody has taken it over yet: see whether the dashboard's jobs run."
    kind = KINDS.get(operation.kind)
    if operation.cancel_wanted:
        then = "it ends as cancelled"
    elif kind is not None and kind.resumable:
        then = "another one takes it over"
    else:
        then = "it ends as failed"
    return f"{said} If it stays so, {then} within {spell_duration(_GONE_AFTER_MS - silent_ms)}."


def left_over(operation: Operation) -> str:
    """What a replay that was cancelled, or gave up, did not come to, and what its next button does about it; "" else.

    >>> left_over(Operation(kind="replay", state="cancelled", result={"data": {"left": 25}}))
    'It left 25 letters dead. “The same again” replays these, and what it finds dead beside them by then.'
    """
    left = operation.result.get("data", {}).get("left")
    if operation.kind != "replay" or operation.state not in (State.CANCELLED, State.FAILED) or not left:
        return ""
    button = "Preview it again" if operation.state == State.FAILED else "The same again"
    which = (
        "this one, and what it finds dead beside it"
        if left == 1
        else "these, and what it finds dead beside them"
    )
    return f"It left {plural(left, 'letter')} dead. “{button}” replays {which} by then."


def done_count(operation: Operation) -> Figure:
    return count(operation.done, "steps")


def _took(operation: Operation) -> str:
    if operation.started_at is None or operation.finished_at is None:
        return ""
    return spell_duration((operation.finished_at - operation.started_at).total_seconds() * 1000)


def _ms(at: datetime | None) -> int | None:
    return None if at is None else int(at.timestamp() * 1000)


def cells(table: dict[str, Any] | None) -> list[list[Any]]:
    """The rows of a preview's table, for a template."""
    return table["rows"] if table else []

"""The life of an operation: each step is one compare-and-set on its row, so it happens once."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from django.db import transaction
from django.db.models import F, Q, Value
from django.db.models.functions import Coalesce
from django.utils import timezone

from dashboard.audit import trail
from dashboard.audit.trail import Actor
from dashboard.broker import broker

from .guard import guarded, look
from .kind import Kind, Preview, Result
from .models import ACTIVE, Operation, State
from .registry import KINDS
from .unmasking import judged, may_reveal, would_reveal

LOST_AFTER = timedelta(seconds=30)
"""A worker beats every 5 s; one that was not heard for this long is dead."""
SILENT_AFTER = timedelta(seconds=12)
"""Two beats are missing: people are told, before it counts as dead."""
FORGOTTEN_AFTER = timedelta(seconds=20)
"""A confirmed operation that no worker took is handed to Celery again: the message may be lost."""
DRAFTS_KEPT = timedelta(days=1)


class NotNow(Exception):
    """Raised when an operation is not in a state for this step. Its text says why."""


class ConfirmedAlready(NotNow):
    """Raised when the same person has confirmed it before: a second click, which asks for nothing new."""


How = ParamSpec("How")
Done = TypeVar("Done")


def _refusal_leaves_a_trail(
    step: Callable[Concatenate[Operation, Actor, How], Done],
) -> Callable[Concatenate[Operation, Actor, How], Done]:
    @wraps(step)
    def tried(operation: Operation, actor: Actor, *args: How.args, **named: How.kwargs) -> Done:
        try:
            return step(operation, actor, *args, **named)
        except ConfirmedAlready:
            raise
        except NotNow as why:
            _audit(operation, actor, "operation.refused", step=step.__name__, error=str(why))
            raise

    return tried  # type: ignore[return-value]  # what is wrapped is called by place, never by name


def kind_of(operation: Operation) -> Kind:
    return KINDS[operation.kind]


def draft(kind: Kind, spec: dict[str, Any], actor: Actor, undoes: Operation | None = None) -> Operation:
    """Preview it and keep it, for somebody to confirm. Raises StreamlabErrors of the preview."""
    seen = _looked_at(kind, spec, actor)
    operation = Operation.objects.create(
        kind=kind.name,
        subject=kind.subject(spec),
        spec=spec,
        preview=seen.as_json(),
        world=dict(seen.world),
        previewed_at=_to_the_ms(timezone.now()),
        created_by=actor.user,
        undoes=undoes,
    )
    _audit(operation, actor, "operation.drafted", effect=seen.effect)
    return operation


def _looked_at(kind: Kind, spec: dict[str, Any], actor: Actor) -> Preview:
    """Raises StreamlabErrors."""
    seen = guarded(broker(), kind, spec, kind.preview(broker(), spec))
    return judged(broker(), kind, spec, seen, actor)


def preview_again(operation: Operation, actor: Actor) -> None:
    """Look at the broker as it is now. Raises NotNow unless it is a draft."""
    kind = kind_of(operation)
    seen = _looked_at(kind, operation.spec, actor)
    changed = _move(
        operation,
        (State.DRAFT,),
        preview=seen.as_json(),
        world=dict(seen.world),
        previewed_at=_to_the_ms(timezone.now()),
    )
    if not changed:
        raise NotNow("It is not a draft any more.")
    _audit(operation, actor, "operation.previewed", effect=seen.effect)


def typed_name(operation: Operation) -> str:
    """What must be typed to confirm it: the name of what is destroyed; "" when nothing is."""
    return operation.subject.partition(" ")[2] if kind_of(operation).dangerous else ""


@_refusal_leaves_a_trail
def confirm(operation: Operation, actor: Actor, typed: str = "", seen: datetime | None = None) -> None:
    """Queue it. Raises NotNow when it was confirmed already, is blocked, or another name was typed.

    `seen` is when the preview was made that this person looked at: with a newer one it is refused. None: any will do.
    """
    from .tasks import send

    _not_twice(operation, actor)
    if typed.strip() != (name := typed_name(operation)) and name:
        raise NotNow(f"Type {name} to confirm: what goes cannot be brought back.")
    if operation.preview.get("blocked"):
        raise NotNow(operation.preview["blocked"])
    refused, _ = look(broker(), kind_of(operation), operation.spec)
    if refused:  # an experiment has begun since the preview
        raise NotNow(refused)
    revealed = would_reveal(broker(), kind_of(operation), operation.spec)
    if revealed and not may_reveal(actor):  # another may have previewed it, or a rule is new
        raise NotNow(revealed.refusal)
    with transaction.atomic():
        now = timezone.now()
        if not _move(
            operation,
            (State.DRAFT,),
            seen,
            state=State.QUEUED,
            confirmed_at=now,
            confirmed_by=actor.user,
            sent_at=now,
        ):
            _not_twice(operation, actor)
            if operation.state == State.DRAFT:
                raise NotNow(
                    "Somebody previewed it again since you looked: see what it would do now, then confirm."
                )
            raise NotNow("It was confirmed or discarded already.")
        _audit(
            operation, actor, "operation.confirmed", effect=operation.preview["effect"], spec=operation.spec
        )
        if revealed:
            _audit(operation, actor, "operation.revealed", effect=revealed.says)
    send(operation.pk)


def _not_twice(operation: Operation, actor: Actor) -> None:
    if actor.user is not None and operation.confirmed_by_id == actor.user.pk:
        raise ConfirmedAlready("You have confirmed it already.")


@_refusal_leaves_a_trail
def cancel(operation: Operation, actor: Actor) -> None:
    """Stop it at its next step, or at once when no worker has it. Raises NotNow when it is over."""
    now = timezone.now()
    before_it_began = _move(
        operation, (State.DRAFT, State.QUEUED), state=State.CANCELLED, cancel_wanted=True, finished_at=now
    )
    if not before_it_began and not _move(operation, (State.RUNNING,), cancel_wanted=True):
        raise NotNow("It is over already.")
    _audit(operation, actor, "operation.cancelled", began=not before_it_began)


def claim(number: int) -> Operation | None:
    """Have it for this worker; None when another has it or it was cancelled."""
    now, token = timezone.now(), uuid.uuid4().hex
    taken = Operation.objects.filter(pk=number, state=State.QUEUED).update(
        state=State.RUNNING,
        claim=token,
        beat_at=now,
        started_at=Coalesce("started_at", Value(now)),  # of its first run, where a worker died
        runs=F("runs") + 1,
    )
    return Operation.objects.get(pk=number, claim=token) if taken else None


def finish(operation: Operation, state: State, result: Result | None = None, error: str = "") -> bool:
    """End it; False when this run no longer has it, because it was given up for dead."""
    changes: dict[str, Any] = {"state": state, "finished_at": timezone.now(), "error": error, "note": ""}
    if result is not None:
        changes["result"] = result.as_json()
    with transaction.atomic():
        ended = Operation.objects.filter(pk=operation.pk, state=State.RUNNING, claim=operation.claim).update(
            **changes
        )
        if ended and state == State.DONE and operation.undoes_id:
            Operation.objects.filter(pk=operation.undoes_id, state=State.DONE).update(state=State.UNDONE)
        if ended:
            effect = result.effect if result else ""
            actor = Actor(operation.confirmed_by)
            _audit(operation, actor, f"operation.{state}", effect=effect, error=error)
    return bool(ended)


@_refusal_leaves_a_trail
def undo(operation: Operation, actor: Actor) -> Operation:
    """A draft that takes it back. Raises NotNow when nothing can."""
    kind = kind_of(operation)
    wanted = (
        kind.undo(operation.spec, operation.result.get("data", {})) if operation.state == State.DONE else None
    )
    if wanted is None:
        raise NotNow("It cannot be taken back.")
    name, spec = wanted
    return draft(KINDS[name], spec, actor, undoes=operation)


def lost(now: datetime) -> list[Operation]:
    """Running ones whose worker has not been heard from."""
    return list(Operation.objects.filter(state=State.RUNNING, beat_at__lt=now - LOST_AFTER))


def revive(operation: Operation) -> bool:
    """Queue a lost one again where its kind can go on, else end it. Returns whether it was queued."""
    kind = kind_of(operation)
    still_its = Operation.objects.filter(pk=operation.pk, state=State.RUNNING, claim=operation.claim)
    if kind.resumable and not operation.cancel_wanted:
        return bool(
            still_its.update(state=State.QUEUED, claim="", sent_at=timezone.now(), note="Its worker died")
        )
    if operation.cancel_wanted:
        finish(operation, State.CANCELLED)
    else:
        of = f" of {operation.total:,}" if operation.total is not None else ""
        finish(
            operation,
            State.FAILED,
            error=f"Its worker died after {operation.done:,}{of} steps. Preview it again to see what is left to do.",
        )
    return False


def forgotten(now: datetime) -> list[int]:
    """Numbers of queued ones that no worker took for long; each is returned to one caller only."""
    late = Operation.objects.filter(state=State.QUEUED, sent_at__lt=now - FORGOTTEN_AFTER)
    return [
        number
        for number, sent_at in late.values_list("pk", "sent_at")
        if Operation.objects.filter(pk=number, state=State.QUEUED, sent_at=sent_at).update(sent_at=now)
    ]


def forget_old_drafts(now: datetime) -> None:
    Operation.objects.filter(state=State.DRAFT, created_at__lt=now - DRAFTS_KEPT).delete()


def search(text: str) -> Q:
    """Operations whose kind, subject or number match."""
    found = Q(kind__icontains=text) | Q(subject__icontains=text) | Q(created_by__username__icontains=text)
    return found | Q(pk=int(text)) if text.isdecimal() and len(text) < 18 else found


def _to_the_ms(moment: datetime) -> datetime:
    """As the API writes it, so that what it gives out compares as equal."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def _move(
    operation: Operation, expected: tuple[State, ...], seen: datetime | None = None, **changes: Any
) -> bool:
    """Change the row if it is in one of the expected states with the preview that was seen, and the object with it."""
    row = Operation.objects.filter(pk=operation.pk, state__in=expected)
    if seen is not None:
        row = row.filter(previewed_at=seen)
    moved = row.update(**changes)
    operation.refresh_from_db()
    return bool(moved)


def _audit(operation: Operation, actor: Actor, action: str, **detail: Any) -> None:
    trail.record(actor, action, f"{operation.kind}: {operation.subject}", operation.pk, **detail)


__all__ = [
    "ACTIVE",
    "ConfirmedAlready",
    "NotNow",
    "cancel",
    "claim",
    "confirm",
    "draft",
    "finish",
    "preview_again",
    "undo",
]

"""What is told about a record's attempts: the event of each, and the dead letter at the end."""

from __future__ import annotations

from typing import Any

import msgspec

from .. import codec
from ..events import RecordDeadLettered, RecordRecovered, RecordReleased, RecordRetried, key_text
from ..events.base import Event
from .dead_letter import Attempt, Cause, LetterAddress, headers_of, letter_for
from .fingerprint import call_site_of, class_name, fingerprint, message_of
from .job import Job

NO_EVENT = ("", b"")
TOLD_MESSAGE_CHARACTERS = 500
"""Of an exception's message in an attempt and an event; the dead letter has more of the last one."""


class Parcel(msgspec.Struct, frozen=True, array_like=True):
    """What lies in the outbox. An event alone has no batch."""

    type: str  # of the event
    event: bytes  # JSON
    batch: bytes | None = None  # a dead letter as a record batch of one
    settles: str | None = None  # the dead letter whose replay this is the end of


_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(Parcel).decode
_json = msgspec.json.Encoder().encode


def unpack(data: bytes) -> Parcel:
    return _unpack(data)


def attempt_of(job: Job, started_ms: int) -> Attempt:
    """The attempt that has just failed, as the record's history keeps it."""
    assert job.failure is not None
    error = job.failure.error
    return Attempt(
        attempt=job.attempt,
        planned_ms=started_ms if job.lease is None else job.lease.planned_ms,
        actual_ms=started_ms,
        duration_ms=took_ms(job),
        error_class=class_name(error),
        error_message=message_of(error)[:TOLD_MESSAGE_CHARACTERS],
        member=job.stint.owner,
    )


def took_ms(job: Job) -> int:
    return round((job.ended - job.started) * 1000)


def retried(job: Job, started_ms: int, due_ms: int) -> RecordRetried:
    return RecordRetried(**_about(job, started_ms), **_failure(job), due_ms=due_ms)


def released(job: Job, started_ms: int, due_ms: int) -> RecordReleased:
    assert job.failure is not None
    reason = message_of(job.failure.error)[:TOLD_MESSAGE_CHARACTERS] or None
    return RecordReleased(**_about(job, started_ms), due_ms=due_ms, reason=reason)


def recovered(job: Job, started_ms: int) -> RecordRecovered:
    return RecordRecovered(**_about(job, started_ms), letter=_letter_key(job))


def posted(event: Event, settles: LetterAddress | None = None) -> tuple[str, bytes]:
    """An event as field and content of the outbox."""
    letter = None if settles is None else str(settles)
    return f"E{event.id}", _pack(Parcel(event.type, _json(event), None, letter))


def letter(job: Job, started_ms: int, cause: Cause, attempts: list[Attempt], died_ms: int) -> bytes:
    """The dead letter, and the event that goes with it, as the outbox keeps them."""
    assert job.failure is not None
    error = job.failure.error
    dead = letter_for(
        job.record,
        group=job.stint.group_id,
        cause=cause,
        died_ms=died_ms,
        member=job.stint.owner,
        error=error,
        attempts=attempts,
        origin=job.origin,
        schema=getattr(error, "schema_subject", None) or "",
        schema_version=getattr(error, "schema_version", None),
    )
    event = RecordDeadLettered(
        **_about(job, started_ms) | {"at_ms": died_ms},
        exception=dead.error_class,
        message=dead.error_message[:TOLD_MESSAGE_CHARACTERS],
        call_site=dead.call_site or None,
        fingerprint=dead.fingerprint,
        schema_subject=dead.schema or None,
        schema_version=dead.schema_version,
        cause=str(cause),
        dlq_topic="",
        dlq_partition=job.record.partition,
        letter=_letter_key(job),
    )
    batch = codec.encode([died_ms], [dead.key], [dead.value], [headers_of(dead)], codec="zstd")
    previous = None if dead.previous is None else str(dead.previous)
    return _pack(Parcel(event.type, _json(event), batch, previous))


def _letter_key(job: Job) -> str | None:
    """The dead letter whose replay ends with this job, as the history calls it; "" for none's."""
    origin = job.origin
    if origin.replays and origin.letter_of(job.stint.group_id) is None:
        return ""  # another group's, which has the say
    return origin.letter_key


def _about(job: Job, started_ms: int) -> dict[str, Any]:
    origin = job.origin
    return {
        "at_ms": started_ms + took_ms(job),
        "group": job.stint.group_id,
        "topic": origin.topic,
        "partition": origin.partition,
        "offset": origin.offset,
        "record_id": origin.record_id,
        "key": key_text(job.record.key),
        "attempt": job.attempt,
        "replays": origin.replays,
        "member": job.stint.owner,
        "planned_ms": None if job.lease is None else job.lease.planned_ms,
        "started_ms": started_ms,
        "took_ms": round((job.ended - job.started) * 1000, 3),
    }


def _failure(job: Job) -> dict[str, Any]:
    assert job.failure is not None
    error = job.failure.error
    name, message, site = class_name(error), message_of(error), call_site_of(error)
    return {
        "exception": name,
        "message": message[:TOLD_MESSAGE_CHARACTERS],
        "call_site": site or None,
        "fingerprint": fingerprint(name, site, message),
    }

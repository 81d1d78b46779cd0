"""One dead letter, for people: what happened, when, to which record, and what became of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from .output import duration, moment, safe, size

if TYPE_CHECKING:
    from ..delivery.letter_reader import Letter

VALUE_CHARACTERS = 2_000


def letter_text(letter: Letter) -> Iterator[str]:
    """Lines; nothing that a stranger wrote can upset a terminal."""
    dead = letter.letter
    yield f"letter       {letter.address}"
    yield f"record       {safe(dead.record_id)}  ({safe(dead.topic)}/{dead.partition}@{dead.offset})"
    if dead.read_topic != dead.topic or dead.read_offset != dead.offset:
        yield f"read from    {safe(dead.read_topic)}/{dead.read_partition}@{dead.read_offset}"
    yield f"given up     {moment(dead.died_ms)} by {safe(dead.group)}, {safe(dead.member or '-')}: {dead.cause}"
    yield f"error        {safe(dead.error_class or '-')}: {safe(dead.error_message)}"
    if dead.error_root:
        yield f"began with   {safe(dead.error_root)}"
    yield f"fingerprint  {dead.fingerprint}  {safe(dead.call_site or '')}".rstrip()
    if dead.schema or dead.schema_version is not None:
        yield f"schema       {safe(dead.schema or '-')} version {dead.schema_version}"
    yield f"state        {_state(letter)}"
    if dead.previous is not None:
        yield f"died before  {dead.previous}, replayed by {safe(dead.replay_id or '-')}"
    yield "attempts"
    for attempt in dead.attempts:
        late = duration(max(0, attempt.actual_ms - attempt.planned_ms))
        yield (
            f"  {attempt.attempt:>3}  {moment(attempt.actual_ms)}  {late} after its time, took "
            f"{duration(attempt.duration_ms)}  {safe(attempt.error_class)}: {safe(attempt.error_message)}"
        )
    yield f"key          {safe(dead.key)}"
    yield "headers"
    for name, value in dead.headers:
        yield f"  {safe(name)} = {safe(value)}"
    length = None if dead.value is None else len(dead.value)
    yield f"value        {'null' if length is None else size(length)}"
    if dead.value:
        yield "  " + safe(dead.value[:VALUE_CHARACTERS]) + ("…" if len(dead.value) > VALUE_CHARACTERS else "")
    if dead.traceback:
        yield "traceback"
        yield from ("  " + safe(line) for line in dead.traceback.splitlines())


def _state(letter: Letter) -> str:
    status = letter.status
    parts = [str(status.state)]
    if status.at_ms is not None:
        parts.append(f"since {moment(status.at_ms)}")
    if status.by:
        parts.append(f"by {safe(status.by)}")
    if status.to:
        parts.append(f"to {safe(status.to)}")
    if status.replay_id:
        parts.append(f"in replay {status.replay_id}")
    if status.reason:
        parts.append(f"because: {safe(status.reason)}")
    if status.successor:
        parts.append(f"now {status.successor}")
    return ", ".join(parts)

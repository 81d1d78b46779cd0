"""Retries in words and figures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from streamlab.delivery.retry_queue import Counts, Waiting
from streamlab.model import TopicPartition

from .figures import Figure, count, duration, moment, percent, size, unknown
from .payload import Payload, payload, visible
from .words import Status, Tone


@dataclass(frozen=True)
class QueueRow:
    group: str
    topic: str
    partition: int
    retrying: Figure
    parked: Figure
    size: Figure


def queue_row(place: tuple[str, TopicPartition], counts: Counts) -> QueueRow:
    group, partition = place
    return QueueRow(
        group,
        partition.topic,
        partition.partition,
        count(counts.retrying, "records wait to be tried again"),
        count(counts.parked, "records wait behind one of their key"),
        size(counts.size_bytes),
    )


@dataclass(frozen=True)
class WaitingRow:
    """One record that waits."""

    group: str
    topic: str
    partition: int
    offset: int
    id: str
    status: Status
    due: Figure  # how long until then, or how long ago
    attempts: int
    error: str
    message: str
    key: Payload


def waiting_row(group: str, waiting: Waiting, now_ms: int) -> WaitingRow:
    record = waiting.record
    last = record.attempts[-1] if record.attempts else None
    return WaitingRow(
        group=group,
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        id=record.id,
        status=_status(waiting, now_ms),
        due=_due(waiting, now_ms),
        attempts=len(record.attempts),
        error=visible(last.error_class.rpartition(".")[2]) if last else "",
        message=visible(last.error_message)[:200] if last else "",
        key=payload(record.key),
    )


def _status(waiting: Waiting, now_ms: int) -> Status:
    if waiting.due_ms is None:
        return Status("parked", Tone.IDLE, "Behind an earlier record of its key that is being retried")
    if waiting.leased:
        return Status("being tried", Tone.NOTE, "A worker has it")
    if waiting.due_ms <= now_ms:
        return Status("due", Tone.WARN, "Its time has come; its owner takes it next")
    return Status("waiting", Tone.NOTE, "Until its time comes")


def _due(waiting: Waiting, now_ms: int) -> Figure:
    if waiting.due_ms is None:
        return unknown("It has no time of its own: it follows the record before it")
    left_ms = waiting.due_ms - now_ms
    at = moment(waiting.due_ms)
    if waiting.leased:
        return Figure("now", "", at.exact, waiting.due_ms)
    whole_ms = abs(left_ms) // 1000 * 1000
    spelled = duration(whole_ms).plain
    words = "now" if not whole_ms else f"in {spelled}" if left_ms > 0 else f"since {spelled}"
    return Figure(words, "", at.exact, waiting.due_ms)


@dataclass(frozen=True)
class ErrorRow:
    group: str
    error: str
    error_title: str
    attempts: Figure
    share: float  # of all failed attempts, 0..1
    share_text: Figure
    deaths: Figure
    took: Figure
    last: Figure


def error_row(line: dict[str, Any], failed: int, now_ms: int) -> ErrorRow:
    """`failed`: attempts that failed in all."""
    share = line["attempts"] / failed if failed else 0.0
    return ErrorRow(
        group=line["group"],
        error=visible(line["exception"].rpartition(".")[2]),
        error_title=visible(line["exception"]),
        attempts=count(line["attempts"], "failed attempts in the last hour"),
        share=share,
        share_text=percent(share),
        deaths=count(line["deaths"], "of them the last one"),
        took=duration(line["took"], "Not told"),
        last=moment(line["last"], now_ms),
    )

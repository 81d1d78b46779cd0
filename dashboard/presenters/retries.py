"""Retries in words and figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from streamlab.delivery.retry_queue import Counts, Waiting
from streamlab.model import TopicPartition

from .figures import Figure, count, duration, moment, size, unknown
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
    return Figure(f"in {spelled}" if left_ms > 0 else f"since {spelled}", "", at.exact, waiting.due_ms)


@dataclass(frozen=True)
class ErrorRow:
    group: str
    error: str
    error_title: str
    attempts: Figure
    deaths: Figure
    took: Figure
    last: Figure


def error_row(line: dict[str, Any], now_ms: int) -> ErrorRow:
    return ErrorRow(
        group=line["group"],
        error=visible(line["exception"].rpartition(".")[2]),
        error_title=visible(line["exception"]),
        attempts=count(line["attempts"], "failed attempts in the last hour"),
        deaths=count(line["deaths"], "of them the last one"),
        took=duration(line["took"], "Not told"),
        last=moment(line["last"], now_ms),
    )


@dataclass(frozen=True)
class Lateness:
    """How much later than planned attempts began."""

    attempts: Figure
    median: Figure
    p95: Figure
    worst: Figure


def lateness(times: Sequence[tuple[int, int]]) -> Lateness:
    """`times` are pairs of planned and actual, in ms.

    >>> found = lateness([(0, 10), (0, 20), (0, 30)])
    >>> found.median.plain, found.worst.plain
    ('20 ms', '30 ms')
    """
    late = sorted(max(0, actual - planned) for planned, actual in times)
    reason = "No attempt was planned within the last hour"

    def at(share: float) -> Figure:
        return duration(late[min(len(late) - 1, int(share * len(late)))], reason) if late else unknown(reason)

    return Lateness(count(len(late), "planned attempts looked at"), at(0.5), at(0.95), at(1.0))

"""`streamlab retries`: records that wait to be handled again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from .options import Json, Url, broker_at
from .output import as_json, duration, moment, note, print_columns, print_json, safe

if TYPE_CHECKING:
    from ..broker import Broker
    from ..delivery.retry_queue import Waiting
    from ..model import TopicPartition

app = typer.Typer(help="Records that wait to be handled again.", rich_markup_mode=None)

Group = Annotated[str | None, typer.Option("--group", "-g", help="Of this group only.")]
Topic = Annotated[str | None, typer.Option("--topic", "-t", help="Of this topic only.")]
Most = Annotated[int, typer.Option("--max", "-n", min=1, help="Stop after so many records.")]


@app.callback(invoke_without_command=True)
def retries(
    context: typer.Context, group: Group = None, topic: Topic = None, url: Url = None, json: Json = False
) -> None:
    """How many wait, by group and partition. `retries list` shows them one by one."""
    if context.invoked_subcommand is not None:
        return
    from ..delivery.retry_queue import RetryQueue

    with broker_at(url) as broker:
        counted = RetryQueue(broker.connection).counts_of(_queues(broker, group, topic))
    shown = {queue: counts for queue, counts in counted.items() if counts.records}
    if json:
        for (name, partition), counts in shown.items():
            print_json(
                {
                    "group": name,
                    "topic": partition.topic,
                    "partition": partition.partition,
                    "retrying": counts.retrying,
                    "parked": counts.parked,
                    "size_bytes": counts.size_bytes,
                }
            )
        return
    print_columns(
        ("GROUP", "TOPIC", "PARTITION", "RETRYING", "PARKED", "BYTES"),
        [(name, *partition, c.retrying, c.parked, c.size_bytes) for (name, partition), c in shown.items()],
    )


@app.command("list")
def list_retries(
    group: Group = None, topic: Topic = None, max: Most = 1_000, url: Url = None, json: Json = False
) -> None:
    """Each record: when it is due, how often it was tried, what the last attempt ended with."""
    from ..delivery.retry_queue import RetryQueue

    with broker_at(url) as broker:
        queue, now_ms = RetryQueue(broker.connection), broker.connection.server_time_ms()
        found: list[tuple[str, Waiting]] = []
        total = 0
        counted = queue.counts_of(_queues(broker, group, topic))
        for (name, partition), counts in counted.items():
            total += counts.records
            if counts.records and len(found) < max:
                for waiting in queue.list(name, partition):
                    found.append((name, waiting))
                    if len(found) == max:
                        break
    if json:
        for name, waiting in found:
            print_json(_record(name, waiting))
    else:
        print_columns(
            ("GROUP", "RECORD", "KEY", "STATE", "DUE", "ATTEMPTS", "LAST ERROR"),
            [_row(name, waiting, now_ms) for name, waiting in found],
        )
    if total > len(found):
        note(f"{total - len(found)} more; --max shows more of them.")


def _queues(broker: Broker, group: str | None, topic: str | None) -> list[tuple[str, TopicPartition]]:
    """Every queue that there may be. Raises UnknownTopicOrPartitionError, GroupIdNotFoundError for a wrong name."""
    from ..delivery.retry_queue import groups_of
    from ..errors import GroupIdNotFoundError
    from ..model import TopicPartition
    from ..topics import Topics

    topics = Topics(broker.connection)
    specs = {topic: topics.require(topic)} if topic is not None else topics.all()
    partitions = [TopicPartition(name, n) for name, spec in specs.items() for n in range(spec.partitions)]
    queues = groups_of(broker.connection, partitions)
    if group is not None:
        queues = [queue for queue in queues if queue[0] == group]
        if not queues:
            raise GroupIdNotFoundError(
                f"Group {group!r} has never read {'any topic' if topic is None else topic}."
            )
    return sorted(queues)


def _state(waiting: Waiting) -> str:
    if waiting.due_ms is None:
        return "parked"
    return "running" if waiting.leased else "waiting"


def _row(group: str, waiting: Waiting, now_ms: int) -> tuple[Any, ...]:
    record, due = waiting.record, waiting.due_ms
    last = record.attempts[-1] if record.attempts else None
    when = "-" if due is None or waiting.leased else f"in {duration(due - now_ms)}" if due > now_ms else "now"
    place = f"{record.topic}/{record.partition}@{record.offset}"
    error = f"{last.error_class}: {last.error_message}" if last else "-"
    return (group, place, safe(record.key, "-"), _state(waiting), when, len(record.attempts), error[:100])


def _record(group: str, waiting: Waiting) -> dict[str, Any]:
    record = waiting.record
    return {
        "group": group,
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        **as_json("key", record.key),
        "state": _state(waiting),
        "due_ms": None if waiting.leased else waiting.due_ms,
        "due": None if waiting.leased or waiting.due_ms is None else moment(waiting.due_ms),
        "replays": record.replays,
        "attempts": [
            {
                "attempt": a.attempt,
                "planned_ms": a.planned_ms,
                "actual_ms": a.actual_ms,
                "duration_ms": a.duration_ms,
                "error_class": a.error_class,
                "error_message": a.error_message,
                "member": a.member,
            }
            for a in record.attempts
        ],
    }

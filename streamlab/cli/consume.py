"""`streamlab consume`: print records as they come, and commit what was printed."""

from __future__ import annotations

import signal
import sys
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import close_stdout, complete, reader_has_gone
from .options import Json, TopicName, Url, broker_at, usage_error
from .output import as_json, moment, note, print_json, safe

if TYPE_CHECKING:
    from ..consumer import Consumer
    from ..model import ConsumerRecord, OffsetAndMetadata, TopicPartition

_POLL_MS = 200
_AT_ONCE = 500


def consume(
    topic: TopicName,
    group: Annotated[
        str | None,
        typer.Option(
            "--group",
            "-g",
            autocompletion=complete.groups,
            help="Go on where this group stopped, and commit. Default: no group.",
        ),
    ] = None,
    from_beginning: Annotated[
        bool, typer.Option("--from-beginning", help="Start at the log start where the group has no position.")
    ] = False,
    max: Annotated[int | None, typer.Option("--max", "-n", min=1, help="Stop after so many records.")] = None,
    timeout: Annotated[
        float | None,
        typer.Option("--timeout", min=0, metavar="SECONDS", help="Stop when none came for so long."),
    ] = None,
    json: Json = False,
    url: Url = None,
) -> None:
    """Print records: partition, offset, time, key, value, headers. Ctrl-C stops.

    With --group what was printed is committed, nothing else. Bytes that could upset a terminal are escaped.
    """
    if group == "":
        raise usage_error("--group needs a name.")
    with broker_at(url) as broker:
        partitions = _partitions(broker, topic)
        consumer = broker.consumer(
            topic,
            group_id=group,
            client_id="streamlab-consume",
            enable_auto_commit=False,
            auto_offset_reset="earliest" if from_beginning else "latest",
        )
        if not from_beginning and not (group and _has_commits(consumer, partitions)):
            note("Waiting for new records; --from-beginning shows those already there.")
        reading = Reading(consumer, print_record_json if json else print_record, commits=group is not None)
        for signum in (signal.SIGINT, signal.SIGTERM):
            signal.signal(signum, reading.stop)
        try:
            reading.run(max, timeout)
        except BrokenPipeError:
            close_stdout()  # whoever read us has gone, for example `| head`; nothing of it is committed
        finally:
            consumer.close(autocommit=False)
    note(f"{reading.printed} record{'' if reading.printed == 1 else 's'}.")


class Reading:
    """Prints records and knows which of them were printed."""

    def __init__(self, consumer: Consumer, show: Any, commits: bool):
        self.printed = 0
        self._consumer, self._show, self._commits = consumer, show, commits
        self._stopped = False
        self._shown: dict[TopicPartition, OffsetAndMetadata | int] = {}  # written and not committed yet

    def stop(self, signum: int, frame: Any) -> None:
        """A signal's handler: end after the record being printed; a second signal ends at once."""
        self._stopped = True
        signal.signal(signum, signal.SIG_DFL)

    def run(self, limit: int | None, timeout_s: float | None) -> None:
        """Until `limit` records are printed, or none came for `timeout_s`."""
        last = time.monotonic()
        while not self._stopped and (limit is None or self.printed < limit):
            at_once = _AT_ONCE if limit is None else min(_AT_ONCE, limit - self.printed)
            polled = self._consumer.poll(timeout_ms=_POLL_MS, max_records=at_once)
            if polled:
                self._print(polled)
                last = time.monotonic()
            elif reader_has_gone() or (timeout_s is not None and time.monotonic() - last >= timeout_s):
                return

    def _print(self, polled: dict[TopicPartition, list[ConsumerRecord]]) -> None:
        from ..model import OffsetAndMetadata

        for partition, records in polled.items():
            for record in records:
                self._show(record)
                self.printed += 1
                self._shown[partition] = OffsetAndMetadata(record.offset + 1)
                if self._stopped:
                    break
        self._commit()

    def _commit(self) -> None:
        """Only what has left this process counts as printed."""
        sys.stdout.flush()
        if self._commits and self._shown:
            self._consumer.commit(self._shown)
        self._shown = {}


def print_record(record: ConsumerRecord) -> None:
    headers = " ".join(f"{safe(name)}={safe(value)}" for name, value in record.headers)
    sys.stdout.write(
        f"{record.topic}/{record.partition} {record.offset} {moment(record.timestamp)} "
        f"key={safe(record.key)} value={safe(record.value)}{' | ' if headers else ''}{headers}\n"
    )


def print_record_json(record: ConsumerRecord) -> None:
    print_json(
        {
            "topic": record.topic,
            "partition": record.partition,
            "offset": record.offset,
            "timestamp_ms": record.timestamp,
            **as_json("key", record.key),
            **as_json("value", record.value),
            "headers": [{"name": name, **as_json("value", value)} for name, value in record.headers],
        }
    )


def _partitions(broker: Any, topic: str) -> list[TopicPartition]:
    """Of a topic that exists: a consumer would wait for ever for one whose name was mistyped."""
    from ..model import TopicPartition
    from ..topics import Topics

    spec = Topics(broker.connection).require(topic)
    return [TopicPartition(topic, partition) for partition in range(spec.partitions)]


def _has_commits(consumer: Consumer, partitions: list[TopicPartition]) -> bool:
    return any(consumer.committed(partition) is not None for partition in partitions)

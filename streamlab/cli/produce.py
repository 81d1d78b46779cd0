"""`streamlab produce`: lines of stdin become records."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable
from typing import Annotated, Any

import typer

from . import FAILED
from .options import Json, TopicName, Url, broker_at, usage_error
from .output import note, print_json


def produce(
    topic: TopicName,
    key: Annotated[
        str | None, typer.Option("--key", "-k", help="Key of every record. Default: no key.")
    ] = None,
    key_separator: Annotated[
        str | None,
        typer.Option("--key-separator", help="Each line is KEY, this, VALUE; an empty key is no key."),
    ] = None,
    partition: Annotated[int | None, typer.Option("--partition", min=0)] = None,
    url: Url = None,
    json: Json = False,
) -> None:
    """Send each line of stdin as one record, its bytes untouched and without the line end."""
    from ..errors import StreamlabError
    from ..topics import check_name

    check_name(topic)
    if key is not None and key_separator is not None:
        raise usage_error("Choose one of --key and --key-separator.")
    parse = _parser(key.encode() if key else None, key_separator.encode() if key_separator else None)
    tally = Tally()
    with broker_at(url, may_start=True) as broker, broker.producer(client_id="streamlab-produce") as producer:
        for line in sys.stdin.buffer:
            record_key, value = parse(line.removesuffix(b"\n").removesuffix(b"\r"))
            try:
                tally.sent(producer.send(topic, value, record_key, partition=partition))
            except StreamlabError as error:
                tally.failed(error)
                if error.retriable:
                    break  # it was waited for as long as it is waited for
        producer.flush()
    tally.settle()
    if json:
        print_json(tally.as_json())
    for reason in sorted(tally.reasons):
        note(f"streamlab: {reason}")
    note(f"{tally.lines} lines, {tally.acknowledged} acknowledged.")
    if tally.acknowledged < tally.lines:
        raise typer.Exit(FAILED)


def _parser(key: bytes | None, separator: bytes | None) -> Callable[[bytes], tuple[bytes | None, bytes]]:
    def parse(line: bytes) -> tuple[bytes | None, bytes]:
        if separator is None:
            return key, line
        head, found, tail = line.partition(separator)
        return (head or None, tail) if found else (None, line)

    return parse


class Tally:
    """What became of the lines."""

    def __init__(self) -> None:
        self.lines = self.acknowledged = 0
        self.reasons: set[str] = set()
        self._under_way: deque[Any] = deque()

    def sent(self, future: Any) -> None:
        self.lines += 1
        self._under_way.append(future)
        if self.lines % 1000 == 0:
            self.settle()

    def failed(self, error: Exception) -> None:
        self.lines += 1
        self.reasons.add(f"line {self.lines} was not sent: {error}")

    def as_json(self) -> dict[str, Any]:
        return {"lines": self.lines, "acknowledged": self.acknowledged, "errors": sorted(self.reasons)}

    def settle(self) -> None:
        """Count what is done, from the oldest on."""
        while self._under_way and self._under_way[0].is_done:
            future = self._under_way.popleft()
            self.acknowledged += future.succeeded()
            if future.failed():
                self.reasons.add(str(future.exception))

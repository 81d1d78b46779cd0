"""One producer process of a load."""

from __future__ import annotations

import itertools
import json
import logging
import os
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from random import Random
from typing import Any, NamedTuple

from ...cloudevents import Series, rfc3339
from ...errors import StreamlabError
from ..rows import Fields, Row, SourceError
from ..sources import open_source
from .draws import Due, KeyDraw, burst_factor
from .folder import path_of
from .load import Load
from .watching import Watch

log = logging.getLogger(__name__)

TICK_S = 0.02
AT_ONCE = 100
"""Records between two looks at what is wanted, where nothing but the producer holds them up."""
EVENT_TYPE = "streamlab.lab.record"
_DEFAULTS = {"max_block_ms": 5_000, "delivery_timeout_ms": 20_000}


class Outgoing(NamedTuple):
    key: bytes | None
    value: bytes


def run(broker: Any, watch: Watch, number: int, stop: threading.Event) -> None:
    """Send until `stop`, or until the load is over. A server that is away only makes it wait."""
    chance, due = Random(), Due()
    while not (stop.is_set() or watch.over):
        load = watch.look().load
        with broker.producer(
            client_id=f"{load.topic_name}-producer-{number}",
            allow_auto_create_topics=False,
            **(_DEFAULTS | load.producers.settings),
        ) as producer:
            sender = _Sender(producer, load, number, chance)
            while not stop.wait(0 if load.producers.full_speed else TICK_S) and not watch.over:
                now = watch.look()
                if _program_of(now.load) != _program_of(load):
                    break  # these are the program's own: another producer has them
                sender.follow(now.load)
                since_start_s = time.time() - now.started_ms / 1000
                records = due.take(rate_of(now.load, since_start_s), time.monotonic())
                sender.send(AT_ONCE if load.producers.full_speed else records, stop)


def _program_of(load: Load) -> tuple[Any, ...]:
    return load.producers.settings, load.producers.full_speed


def rate_of(load: Load, since_start_s: float) -> float:
    """Records a second that one of its producers sends now.

    >>> rate_of(Load(name="a"), 5)
    100.0
    """
    wanted = load.producers
    return wanted.rate * burst_factor(wanted.burst, since_start_s) / max(1, wanted.count)


class _Sender:
    def __init__(self, producer: Any, load: Load, number: int, chance: Random):
        self._producer, self._load, self._number, self._chance = producer, load, number, chance
        self._source = _source(load, number, chance)
        self._series = Series(f"/streamlab/lab/{load.name}", EVENT_TYPE)
        self._run = f"{os.getpid():x}{int(time.time()):x}"
        self._count = self.failed = 0

    def follow(self, load: Load) -> None:
        """Records are made as `load` says from now on."""
        if load.producers != self._load.producers:
            before, self._load = self._load, load
            if _made_of(before) != _made_of(load):
                self._source = _source(load, self._number, self._chance)

    def send(self, records: int, stop: threading.Event) -> None:
        if not records:
            return
        moment = rfc3339(datetime.now(UTC)).encode()
        try:
            for item in itertools.islice(self._source, records):
                self._count += 1
                headers = self._series.headers(f"{self._run}-{self._count}".encode(), moment)
                sent = self._producer.send(self._load.topic_name, item.value, item.key, headers)
                sent.add_errback(self._note_failure)
        except SourceError as error:
            log.warning("It waits for its file: %s", error)
            self._source = _source(
                self._load, self._number, self._chance
            )  # one that has raised gives nothing more
            stop.wait(1.0)
        except StreamlabError as error:
            log.warning("It waits: %s", error)
            stop.wait(1.0)

    def _note_failure(self, error: Exception) -> None:
        self.failed += 1
        if self.failed == 1 or self.failed % 1000 == 0:
            log.warning("%d records were not delivered; the last one: %s", self.failed, error)


def _made_of(load: Load) -> tuple[Any, ...]:
    """What the records themselves depend on; the rate is none of it."""
    wanted = load.producers
    return wanted.keys, wanted.size_bytes, wanted.file, wanted.key_field, wanted.count


def _source(load: Load, number: int, chance: Random) -> Iterator[Outgoing]:
    """Records without end."""
    if load.producers.file is not None:
        return _played(load, number)
    return _invented(load, chance)


def _invented(load: Load, chance: Random) -> Iterator[Outgoing]:
    draw, size = KeyDraw(load.producers.keys, chance), load.producers.size_bytes
    for number in itertools.count(1):
        for key in draw.draw(64):
            yield Outgoing(key, value_of(number, size, chance))


def value_of(number: int, size_bytes: int, chance: Random) -> bytes:
    """JSON of about that size; half of what fills it is chance, so that it compresses as real data does.

    >>> len(value_of(7, 200, Random(1)))
    200
    """
    head = b'{"simulated":true,"number":%d,"fill":"' % number
    room = max(0, size_bytes - len(head) - 2)
    noise = chance.randbytes((room + 3) // 4).hex().encode()
    return head + (noise + b"x" * room)[:room] + b'"}'


def _played(load: Load, number: int) -> Iterator[Outgoing]:
    """Rows of the file, again and again; of several producers each plays its share. Raises SourceError."""
    wanted = load.producers
    assert wanted.file is not None
    while True:
        rows = 0
        with open_source(path_of(wanted.file)) as source:
            for item in source.read(Fields(key=wanted.key_field)):
                if not isinstance(item, Row):
                    continue
                rows += 1
                if rows % wanted.count == number % wanted.count:
                    yield Outgoing(item.key, item.value)
        if rows < wanted.count:
            raise SourceError(f"The file {json.dumps(wanted.file)} has too few rows: {rows}.")

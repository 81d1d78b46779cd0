"""What `streamlab groups reset-offsets` is told in text: scopes, times, durations and offset files. Pure."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from .options import usage_error

if TYPE_CHECKING:
    from ..model import TopicPartition

HEAD = ["topic", "partition", "offset"]
"""The columns of an offset file; a first line that names them is passed over."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DURATION = re.compile(
    r"P(?:(?P<days>\d+)D)?(?:T(?=\d)(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+(?:\.\d+)?)S)?)?",
    re.IGNORECASE | re.ASCII,
)


class Scope(NamedTuple):
    """Partitions of one topic."""

    topic: str
    partitions: list[int] | None  # None: all


def scope(text: str) -> Scope:
    """Raises typer.BadParameter.

    >>> scope("orders"), scope("orders:0,2")
    (Scope(topic='orders', partitions=None), Scope(topic='orders', partitions=[0, 2]))
    """
    topic, colon, numbers = text.partition(":")
    listed = numbers.split(",") if colon else []
    if not topic or not all(number.isascii() and number.isdigit() for number in listed):
        raise usage_error(f"--topic takes TOPIC or TOPIC:0,1, not {text!r}.")
    return Scope(topic, sorted({int(number) for number in listed}) if colon else None)


def moment_ms(text: str, option: str = "--to-datetime") -> int:
    """ISO 8601, UTC without a zone, as ms since the epoch; a part of a ms counts whole. Raises typer.BadParameter.

    >>> moment_ms("1970-01-01T00:00:01.5"), moment_ms("1970-01-01T01:00:00+01:00"), moment_ms("1970-01-02")
    (1500, 0, 86400000)
    """
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise usage_error(f"{option} takes a time like 2026-01-31T08:30:00, not {text!r}.") from None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return -((_EPOCH - moment) // timedelta(milliseconds=1))


def duration_ms(text: str, option: str = "--by-duration") -> int:
    """ISO 8601 in days, hours, minutes and seconds: the units that always last as long. Raises typer.BadParameter.

    >>> duration_ms("PT1H30M"), duration_ms("P1DT0.25S")
    (5400000, 86400250)
    """
    found = _DURATION.fullmatch(text.strip())
    parts = {unit: float(n) for unit, n in found.groupdict().items() if n} if found else {}
    try:
        length = timedelta(**parts)
    except OverflowError:
        parts = {}
    if not parts:
        raise usage_error(f"{option} takes a duration like PT1H30M or P7D, not {text!r}.")
    return length // timedelta(milliseconds=1)


def parse_offsets(lines: Iterable[str], name: str) -> dict[TopicPartition, int]:
    """An offset file: `topic,partition,offset` a line. Raises IllegalArgumentError with the line at fault."""
    from ..errors import IllegalArgumentError
    from ..model import TopicPartition

    found: dict[TopicPartition, int] = {}
    for number, row in enumerate(csv.reader(lines), 1):
        cells = [cell.strip() for cell in row]
        if not any(cells) or (number == 1 and cells == HEAD):
            continue
        if len(cells) != len(HEAD) or not all(re.fullmatch(r"\d{1,18}", cell) for cell in cells[1:]):
            raise IllegalArgumentError(
                f"Line {number} of {name} is not topic,partition,offset: {','.join(row)!r}."
            )
        partition = TopicPartition(cells[0], int(cells[1]))
        if partition in found:
            raise IllegalArgumentError(f"Line {number} of {name} names {partition} a second time.")
        found[partition] = int(cells[2])
    if not found:
        raise IllegalArgumentError(f"There is no offset in {name}.")
    return found


def format_offsets(offsets: dict[TopicPartition, int]) -> str:
    """What parse_offsets() reads, as `kafka-consumer-groups.sh --export` writes it for one group: without a head."""
    return "".join(f"{topic},{partition},{offset}\n" for (topic, partition), offset in offsets.items())

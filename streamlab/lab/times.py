"""Times as files write them: ISO 8601, seconds or milliseconds since the epoch, or a format given with it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache

from ..cloudevents import rfc3339
from .rows import RowFault

_MILLISECONDS_FROM = 100_000_000_000
"""A bare number this large is in milliseconds: as seconds it would lie beyond the year 5138."""

TimeParser = Callable[[str], tuple[float, bytes]]


def time_parser(form: str | None = None) -> TimeParser:
    """A function from text to (seconds since the epoch, RFC 3339 in UTC); it raises RowFault.

    `form` is a strptime format; None: ISO 8601 and bare numbers. A time without a zone is taken to be UTC.

    >>> time_parser()("2010-12-01T08:26:00")
    (1291191960.0, b'2010-12-01T08:26:00Z')
    >>> time_parser()("1291191960500")
    (1291191960.5, b'2010-12-01T08:26:00.500000Z')
    >>> time_parser("%d/%m/%y %H:%M")("01/12/10 08:26")
    (1291191960.0, b'2010-12-01T08:26:00Z')
    """

    @lru_cache(maxsize=4096)  # neighbouring rows often share a time
    def parse(text: str) -> tuple[float, bytes]:
        try:
            moment = _iso_or_number(text.strip()) if form is None else datetime.strptime(text.strip(), form)
            moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
            return moment.timestamp(), rfc3339(moment).encode()
        except (ValueError, OverflowError, OSError):
            raise RowFault(f"not a time: {text!r}" if text.strip() else "the time is missing") from None

    return parse


def _iso_or_number(text: str) -> datetime:
    digits = text.replace(".", "", 1).removeprefix("-")
    if len(text) > 8 and digits.isascii() and digits.isdigit():
        number = float(text)
        return datetime.fromtimestamp(number / 1000 if abs(number) >= _MILLISECONDS_FROM else number, UTC)
    return datetime.fromisoformat(text)

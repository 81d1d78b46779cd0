"""What a file is made of, seen as a list of things that happened: a row, a line that is no row, a blank line.

Each says where it stands and where the next thing begins, so that reading can go on from there later.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import NamedTuple

import msgspec

from ..errors import StreamlabError

MAX_LINE_BYTES = 1024 * 1024
"""A longer line or row is rejected. It is Kafka's max.request.size: the broker would refuse it anyway."""


class SourceError(StreamlabError):
    """Raised when a file cannot be played at all: it is missing, is not what it seems, or lacks a column."""


class Place(NamedTuple):
    """Where the next line begins, in the file as it is once decompressed."""

    offset: int  # bytes from the start
    line: int  # counted from 1


class Row(msgspec.Struct, frozen=True, gc=False):
    """One row that can be sent."""

    line: int  # the line on which it begins
    after: Place
    raw: bytes  # as it stands in the file, line end included
    key: bytes | None  # None: the key field is missing, empty or null
    value: bytes  # a JSON object
    time_s: float | None  # seconds since the epoch; None: no time field was asked for
    time_text: bytes  # the same as RFC 3339; b"" when there is none

    @property
    def id(self) -> bytes:
        """Line and checksum: a row has the same id every time, and another one once it is edited."""
        return b"%d-%08x" % (self.line, zlib.crc32(self.raw))


class Reject(msgspec.Struct, frozen=True, gc=False):
    """One or more lines that cannot be sent."""

    line: int
    after: Place
    raw: bytes  # at most MAX_LINE_BYTES of it
    size: int  # bytes of the whole
    reason: str


class Blank(msgspec.Struct, frozen=True, gc=False):
    """A line with nothing on it."""

    line: int
    after: Place


Item = Row | Reject | Blank


class RowFault(Exception):
    """Raised inside the readers when one row cannot be sent; the message is the reason in a Reject."""


class Fields(NamedTuple):
    """Which fields of a row mean something, by name."""

    key: str | None = None
    time: str | None = None
    numbers: tuple[str, ...] = ()  # CSV columns to be written as JSON numbers
    parse_time: Callable[[str], tuple[float, bytes]] | None = None  # given whenever `time` is

"""CSV: a header line, then rows; quoted fields may hold separators and line ends (RFC 4180).

Values stay strings, exactly as written: a file does not say whether 007 is a number, and 22423 and 85123A may
stand in one column. Columns named in `Fields.numbers` become JSON numbers, digit for digit; empty ones null.

A quote that is never closed would swallow the rows after it. So when quoting goes wrong, only the line on
which the row begins is rejected, and reading goes on with the next line.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator
from typing import Any

import orjson

from .lines import Lines
from .rows import MAX_LINE_BYTES, Blank, Fields, Item, Place, Reject, Row, RowFault, SourceError

_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?", re.ASCII)
_SEPARATORS = ",;\t|"


class _TooLong(Exception):
    """Raised when a row goes on and on: a line without end, or a quote that nobody closed."""


class _RowLines:
    """Feeds the lines of one row to csv.reader and remembers them."""

    def __init__(self, lines: Lines, encoding: str):
        self._lines = lines
        self._encoding = encoding
        self.begin()

    def begin(self) -> None:
        self.line = self._lines.line
        self.raw: list[bytes] = []
        self.fault: str | None = None
        self._size = 0

    def __iter__(self) -> _RowLines:
        return self

    def __next__(self) -> str:
        raw = self._lines.next()
        if not raw:
            raise StopIteration
        self.raw.append(raw)
        self._size += len(raw)
        if self._lines.skipped or self._size > MAX_LINE_BYTES:
            raise _TooLong
        try:
            text = raw.decode(self._encoding)
        except UnicodeDecodeError as error:
            self.fault = f"not {self._encoding}: byte 0x{raw[error.start]:02x} at position {error.start + 1}"
            text = raw.decode(self._encoding, "replace")
        if "\0" in text:
            self.fault = "a NUL byte"
        return text

    @property
    def cut_off(self) -> int:
        """Bytes of a line without end that were skipped."""
        return self._lines.skipped


class Table:
    """The rows of one CSV file."""

    def __init__(self, lines: Lines, encoding: str = "utf-8", separator: str | None = None):
        """Reads the header; `lines` stands at the start of the file. Raises SourceError."""
        csv.field_size_limit(2 * MAX_LINE_BYTES)  # of the process; a row's limit is reached first
        self._lines, self._encoding = lines, encoding
        self._separator = separator or _separator(lines, encoding)
        self._feed = _RowLines(lines, encoding)
        self.columns = self._header()

    def _rows_of(self, feed: _RowLines) -> Iterator[list[str]]:
        return csv.reader(feed, delimiter=self._separator, strict=True)

    def _header(self) -> list[str]:
        try:
            columns = next(self._rows_of(self._feed), [])
        except (csv.Error, _TooLong) as error:
            reason = _reason(error, len(self._feed.raw) > 1, len(self._feed.raw[0]))
            raise SourceError(f"The first line is not a CSV header: {reason}.") from None
        if self._feed.fault:
            raise SourceError(f"The first line is not a CSV header: {self._feed.fault}.")
        if self._feed.raw and not columns:
            raise SourceError("The first line is blank; a CSV header must stand there.")
        twice = {name for name in columns if columns.count(name) > 1}
        if twice:
            raise SourceError(
                f"Columns must have different names; the header has {sorted(twice)} more than once."
            )
        return columns

    def check(self, fields: Fields) -> None:
        """Raises SourceError when a field is not a column."""
        if self.columns:
            _row_maker(self.columns, fields)

    def read(self, fields: Fields, lines: Lines | None = None) -> Iterator[Item]:
        """Everything from where `lines` stands on; None: after the header.

        Raises SourceError when a field is not a column.
        """
        if not self.columns:
            return  # an empty file: no rows, and no column that could be missing
        make = _row_maker(self.columns, fields)
        self._lines = lines = lines or self._lines
        self._feed = feed = _RowLines(lines, self._encoding)
        reader = self._rows_of(feed)
        while True:
            feed.begin()
            try:
                values = next(reader)
                if feed.fault:
                    raise RowFault(feed.fault)
                if not values:
                    yield Blank(feed.line, lines.place)
                    continue
                raw = feed.raw[0] if len(feed.raw) == 1 else b"".join(feed.raw)
                yield make(feed.line, lines.place, raw, values)
            except StopIteration:
                return
            except RowFault as fault:
                raw = b"".join(feed.raw)
                yield Reject(feed.line, lines.place, raw, len(raw), str(fault))
            except (csv.Error, _TooLong) as error:
                yield self._misquoted(error)

    def _misquoted(self, error: Exception) -> Reject:
        """Rejects the row's first line; the others, which the quote may have swallowed, are read again."""
        feed = self._feed
        first, others, cut_off = feed.raw[0], feed.raw[1:], feed.cut_off
        if (
            others and cut_off
        ):  # the line without end is not the first one and cannot be put back: reject them together
            raw = b"".join(feed.raw)
            return Reject(
                feed.line, self._lines.place, raw[:MAX_LINE_BYTES], len(raw) + cut_off, "a row too long"
            )
        self._lines.put_back(others)
        reason = _reason(error, bool(others), len(first) + cut_off)
        return Reject(feed.line, self._lines.place, first, len(first) + cut_off, reason)


def _reason(error: Exception, several_lines: bool, size: int) -> str:
    if isinstance(error, _TooLong) and not several_lines:
        return f"the line is too long: {size:,} bytes"
    if isinstance(error, _TooLong) or "unexpected end" in str(error):
        return "a quote is opened and never closed"
    if "new-line character" in str(error):
        return "a carriage return inside a field without quotes"
    return f"wrong quoting: {error}"


def _row_maker(columns: list[str], fields: Fields) -> Callable[[int, Place, bytes, list[Any]], Row]:
    """A function that turns the values of one row into a Row, or raises RowFault."""
    width = len(columns)
    key_at = None if fields.key is None else _index(columns, fields.key)
    time_at = None if fields.time is None else _index(columns, fields.time)
    numbers = [_index(columns, name) for name in fields.numbers]
    parse_time = fields.parse_time

    def make(line: int, after: Place, raw: bytes, values: list[Any]) -> Row:
        if len(values) != width:
            raise RowFault(f"{len(values)} fields where the header has {width}")
        key = None if key_at is None else values[key_at].encode() or None
        time_s, time_text = (None, b"") if time_at is None or not parse_time else parse_time(values[time_at])
        for i in numbers:
            values[i] = _number(values[i], columns[i])
        return Row(
            line, after, raw, key, orjson.dumps(dict(zip(columns, values, strict=True))), time_s, time_text
        )

    return make


def _index(columns: list[str], name: str) -> int:
    if name not in columns:
        raise SourceError(f"There is no column {name!r}; the columns are {', '.join(columns)}.")
    return columns.index(name)


def _number(text: str, column: str) -> orjson.Fragment | None:
    text = text.strip()
    if not text:
        return None
    if not _NUMBER.fullmatch(text):
        raise RowFault(f"{column} is not a number: {text!r}")
    return orjson.Fragment(text)


def _separator(lines: Lines, encoding: str) -> str:
    """The likeliest separator by the first line, which is put back; a comma by default."""
    first = lines.next()
    if lines.skipped:
        raise SourceError("The first line is not a CSV header: it is too long.")
    lines.put_back([first] if first else [])
    header = re.sub(r'"[^"]*"', "", first.decode(encoding, "replace"))
    return max(_SEPARATORS, key=header.count)

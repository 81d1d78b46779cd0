"""JSON Lines: one JSON object a line. A row's value is the line itself, so no digit of it is lost."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import orjson

from .lines import Lines
from .rows import Blank, Fields, Item, Reject, Row, RowFault

_EXACT = 2**53
"""Whole numbers below this are exact as a JSON number with a point, so 17841.0 means 17841."""


def read(lines: Lines, fields: Fields) -> Iterator[Item]:
    """Everything that stands in the file from `lines.place` on."""
    while True:
        line = lines.line
        raw = lines.next()
        if not raw:
            return
        text = raw.strip(b" \t\r\n")
        if not text:
            yield Blank(line, lines.place)
            continue
        try:
            yield _row(line, lines, raw, text, fields)
        except RowFault as fault:
            yield Reject(line, lines.place, raw, len(raw) + lines.skipped, str(fault))


def _row(line: int, lines: Lines, raw: bytes, text: bytes, fields: Fields) -> Row:
    if lines.skipped:
        raise RowFault(f"the line is too long: {len(raw) + lines.skipped:,} bytes")
    try:
        row = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise RowFault(f"not JSON: {error}") from None
    if not isinstance(row, dict):
        raise RowFault(f"not a JSON object but {_kind(row)}")
    key = None if fields.key is None else _key(row.get(fields.key), text, fields.key)
    time_s, time_text = (None, b"") if fields.time is None else _time(row.get(fields.time), fields)
    return Row(line, lines.place, raw, key, text, time_s, time_text)


def _key(value: Any, text: bytes, field: str) -> bytes | None:
    """Strings are themselves, numbers their digits: 17841 and 17841.0 are b"17841"."""
    if value is None or value == "":
        return None
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, bool):
        return b"true" if value else b"false"
    if isinstance(value, int):
        return b"%d" % value
    if isinstance(value, float):
        # Perhaps an integer too long for 64 bits: look at the digits themselves.
        return _number_text(json.loads(text, parse_float=str)[field])
    raise RowFault(f"the key field {field!r} holds {_kind(value)}")


def _number_text(value: int | str) -> bytes:
    """
    >>> _number_text("17841.0"), _number_text("0.10"), _number_text(2**70)
    (b'17841', b'0.10', b'1180591620717411303424')
    """
    if isinstance(value, str):
        number = float(value)
        if number.is_integer() and abs(number) < _EXACT:
            return b"%d" % number
    return str(value).encode()


def _time(value: Any, fields: Fields) -> tuple[float, bytes]:
    assert fields.parse_time is not None
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise RowFault(f"the time field {fields.time!r} is missing or holds {_kind(value)}")
    return fields.parse_time(str(value))


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "an array", str: "a string", bool: "a truth value", type(None): "null"}
    return names.get(type(value), "a number")

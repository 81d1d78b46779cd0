"""What is written to a terminal: columns, JSON, and bytes from strangers made harmless."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

UNKNOWN = "-"
"""What a column shows for a figure that is not known. It is never 0."""

_BIDI = {*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F, 0x061C}


def safe(data: bytes | str | None, none: str = "null") -> str:
    """Text that cannot move the cursor, change colours, end the line or turn the reading direction.

    >>> print(safe(b"\\x1b[31mred\\n"), safe(b"caf\\xc3\\xa9 \\xff"), safe(None))
    \\x1b[31mred\\n café \\xff null
    """
    if data is None:
        return none
    text = data.decode("utf-8", "backslashreplace") if isinstance(data, bytes) else data
    if text.isascii() and text.isprintable():
        return text
    return "".join(character if _harmless(character) else _escaped(character) for character in text)


def _harmless(character: str) -> bool:
    return character.isprintable() and ord(character) not in _BIDI


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode()


def as_json(field: str, data: bytes | None) -> dict[str, Any]:
    """`{field: text}`, or `{field_base64: ...}` for bytes that are no text.

    >>> as_json("key", b"17841"), as_json("key", b"\\xff"), as_json("key", None)
    ({'key': '17841'}, {'key_base64': '/w=='}, {'key': None})
    """
    if data is None:
        return {field: None}
    try:
        return {field: data.decode()}
    except UnicodeDecodeError:
        return {f"{field}_base64": base64.b64encode(data).decode()}


def print_json(value: Any) -> None:
    """On one line, ASCII only: whatever strangers wrote is escaped."""
    sys.stdout.write(json.dumps(value) + "\n")


def print_columns(heads: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Aligned columns, numbers to the right; never cut off, so that they can be piped."""
    cells = [[_cell(value) for value in row] for row in rows]
    widths = [max(len(line[i]) for line in [list(heads), *cells]) for i in range(len(heads))]
    right = [any(isinstance(row[i], (int, float)) for row in rows) for i in range(len(heads))]
    for line in [list(heads), *cells]:
        padded = [
            text.rjust(w) if r else text.ljust(w) for text, w, r in zip(line, widths, right, strict=True)
        ]
        sys.stdout.write("  ".join(padded).rstrip() + "\n")


def _cell(value: Any) -> str:
    if value is None:
        return UNKNOWN
    return f"{value:.1f}" if isinstance(value, float) else safe(str(value))


def moment(ms: int | None) -> str:
    """
    >>> moment(1291191960500)
    '2010-12-01T08:26:00.500Z'
    """
    if ms is None:
        return UNKNOWN
    try:
        return (
            datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        )
    except (ValueError, OverflowError, OSError):
        return str(ms)  # a producer may claim any time


def size(count: int | None) -> str:
    """
    >>> size(999), size(1536), size(48 * 1024**2)
    ('999 B', '1.5 KiB', '48.0 MiB')
    """
    if count is None:
        return UNKNOWN
    if count < 1000:
        return f"{count} B"
    value = float(count)
    for unit in ("KiB", "MiB", "GiB"):
        value /= 1024
        if value < 1000:
            return f"{value:.1f} {unit}"
    return f"{value / 1024:.1f} TiB"


def duration(ms: float | None) -> str:
    """
    >>> duration(0), duration(12), duration(1500), duration(90_000), duration(7_260_000)
    ('0 s', '12 ms', '1.5 s', '1 min 30 s', '2 h 1 min')
    """
    if ms is None:
        return UNKNOWN
    if ms < 999.5:
        return f"{ms:.0f} ms" if ms >= 0.5 else "0 s"
    seconds = ms / 1000
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def note(sentence: str) -> None:
    """Something worth knowing that is not the answer: to stderr."""
    print(sentence, file=sys.stderr, flush=True)

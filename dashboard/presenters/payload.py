"""Bytes that strangers wrote, made readable: what they are, and text that cannot disturb a page.

Templates escape markup. What is left to do here is what HTML does not care about: control characters, and characters
that turn the reading direction, so that text reads as it is stored.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from dashboard.schema_registry.decoding import Decoded

from .figures import Figure, size

SHOWN_CHARS = 100_000
LINE_CHARS = 240
_HEX_BYTES = 4_096
_BIDI = {*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F, 0x061C}
_CONTROL_PICTURES = 0x2400


@dataclass(frozen=True)
class Payload:
    """A key or a value as a page shows it."""

    kind: str  # "JSON", "text", "binary", "null"
    text: str  # all of it, or its beginning
    size: Figure
    cut: bool  # whether there is more than `text`

    @property
    def line(self) -> str:
        """On one line, for a list."""
        return " ".join(self.text[: LINE_CHARS * 4].split())[:LINE_CHARS]


def payload(data: bytes | None) -> Payload:
    """
    >>> payload(b'{"a":1}').text
    '{\\n  "a": 1\\n}'
    >>> payload(b"\\xff\\x00").kind, payload(None).kind
    ('binary', 'null')
    """
    if data is None:
        return Payload("null", "", size(0), False)
    if data[:1] in b'{["-0123456789tfn' and data[:1] and len(data) <= SHOWN_CHARS:
        try:
            return _shown("JSON", msgspec.json.format(data, indent=2).decode(), data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            pass
    try:
        return _shown("text", data[: SHOWN_CHARS * 4].decode(), data)
    except UnicodeDecodeError as error:
        if error.start >= SHOWN_CHARS:  # only cut in the middle of a character
            return _shown("text", data[: error.start].decode(), data)
        return Payload("binary", hex_dump(data[:_HEX_BYTES]), size(len(data)), len(data) > _HEX_BYTES)


@dataclass(frozen=True)
class BySchema:
    """Which schema a key or a value was read by, and what is stored."""

    subject: str
    version: int
    id: int
    problem: str  # why it does not fit it; "" when it does
    raw: Payload


def read_by(data: bytes | None, decoded: Decoded | None) -> tuple[Payload, BySchema | None]:
    """What a page shows of it: decoded where a registered schema says how, else as it is stored."""
    stored = payload(data)
    if decoded is None:
        return stored, None
    by = BySchema(decoded.subject, decoded.version, decoded.id, visible(decoded.problem), stored)
    if decoded.json is None:
        return stored, by
    shown = payload(decoded.json)
    return Payload(decoded.kind, shown.text, stored.size, shown.cut), by


def _shown(kind: str, text: str, data: bytes) -> Payload:
    return Payload(kind, visible(text[:SHOWN_CHARS]), size(len(data)), len(text) > SHOWN_CHARS)


def visible(text: str) -> str:
    """Control characters as their pictures, direction marks by number; line ends and tabs stay.

    >>> visible("a\\x00b\\u202ec\\n")
    'a␀b<U+202E>c\\n'
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(_visible(character) for character in text)


def _visible(character: str) -> str:
    code = ord(character)
    if character in "\n\t" or (character.isprintable() and code not in _BIDI):
        return character
    if code < 0x20:
        return chr(_CONTROL_PICTURES + code)
    return f"<U+{code:04X}>"


def hex_dump(data: bytes) -> str:
    """
    >>> print(hex_dump(b"caf\\xc3\\xa9"))
    00000000  63 61 66 c3 a9                                   |caf..|
    """
    lines = []
    for at in range(0, len(data), 16):
        part = data[at : at + 16]
        numbers = " ".join(f"{byte:02x}" for byte in part)
        text = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in part)
        lines.append(f"{at:08x}  {numbers:<47}  |{text}|")
    return "\n".join(lines)


def headers(found: list[tuple[str, bytes | None]]) -> list[dict[str, Any]]:
    return [{"name": visible(name), "value": payload(value)} for name, value in found]

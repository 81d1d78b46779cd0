"""Confluent's wire format: a zero byte, the schema's id in four bytes (big endian), and the value in its encoding."""

from __future__ import annotations

import struct

from .errors import UnframedValueError

MAGIC = 0
_HEAD = struct.Struct(">BI")
HEAD_BYTES = _HEAD.size


def head(schema_id: int) -> bytes:
    """
    >>> head(7)
    b'\\x00\\x00\\x00\\x00\\x07'
    """
    return _HEAD.pack(MAGIC, schema_id)


def schema_id(data: bytes) -> int:
    """The id that a value begins with. Raises UnframedValueError when it begins with none.

    >>> schema_id(head(7) + b"...")
    7
    """
    if len(data) < HEAD_BYTES:
        raise UnframedValueError(f"The value has {len(data)} bytes, too few for the id of a schema.", "/")
    magic, found = _HEAD.unpack_from(data)
    if magic != MAGIC:
        raise UnframedValueError(
            f"The value begins with byte {magic}, not with 0 and the id of a schema.", "/"
        )
    return int(found)

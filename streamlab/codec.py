"""The record batch as bytes: what one stream entry holds.

A batch is columns, not rows: all lengths together, all keys together, all values together. So Python packs and cuts
them with a few calls per batch instead of a few per record, and a compressor sees like beside like.

    magic u8 · attributes u8 · crc32 u32 · count u32 · base timestamp i64 · body size u32 · body
    body (compressed as a whole): column widths 5 × u8 · the five columns · keys · values · headers

Little endian throughout. The columns, each of `count` unsigned integers of its own width (0: all of them are zero):
timestamp - base timestamp, key size, value size, headers size, offset - base offset (only in batches that compaction
thinned out; otherwise offsets are dense). Where an attribute says that keys or values are missing, their sizes are one
more than they are, and 0 is None.
"""

from __future__ import annotations

import gzip
import struct
import sys
import zlib
from array import array
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import NamedTuple

import lz4.frame
import zstandard

from .errors import CorruptRecordError, IllegalArgumentError, UnsupportedCodecError
from .model import Headers

MAGIC = 1
_HEAD = struct.Struct("<BBIIqI")  # magic, attributes, crc, count, base timestamp, body size
_CHECKED_FROM = 6  # the checksum covers the attributes, and everything behind itself
_CODEC_BITS = 0x07
_KEYS_MISSING = 0x08
_VALUES_MISSING = 0x10
_WIDTHS = 5
_TYPECODES = {1: "B", 2: "H", 4: "I", 8: "Q"}
MAX_BODY_BYTES = 512 * 1024 * 1024  # Redis's own limit for one value; a larger claim is a damaged header


class Compression(NamedTuple):
    number: int  # Kafka's number for it
    compress: Callable[[bytes], bytes]
    decompress: Callable[[bytes, int], bytes]  # data, size of the result


def _gunzip(data: bytes, size: int) -> bytes:
    return zlib.decompressobj(wbits=31).decompress(data, size)


def _unlz4(data: bytes, size: int) -> bytes:
    return lz4.frame.LZ4FrameDecompressor().decompress(data, size)


COMPRESSIONS: dict[str, Compression] = {
    "none": Compression(0, bytes, lambda data, size: data),
    "gzip": Compression(1, lambda data: gzip.compress(data, 6, mtime=0), _gunzip),
    "lz4": Compression(3, lz4.frame.compress, _unlz4),
    "zstd": Compression(
        4,
        lambda data: zstandard.ZstdCompressor().compress(data),
        lambda data, size: zstandard.ZstdDecompressor().decompress(data, max_output_size=size),
    ),
}
_BY_NUMBER = {c.number: c for c in COMPRESSIONS.values()}


def compression(name: str | None) -> Compression:
    """Raises IllegalArgumentError when there is none of that name."""
    try:
        return COMPRESSIONS[name or "none"]
    except KeyError:
        known = ", ".join(COMPRESSIONS)
        raise IllegalArgumentError(f"There is no compression {name!r}; choose one of {known}.") from None


class Columns(NamedTuple):
    """A decoded batch: one sequence per field, all of `len(timestamps)`."""

    timestamps: Sequence[int]
    keys: Sequence[bytes | None]
    values: Sequence[bytes | None]
    headers: Sequence[Headers]
    key_sizes: Sequence[int]  # -1 for None
    value_sizes: Sequence[int]
    header_sizes: Sequence[int]
    offset_deltas: Sequence[int] | range  # to the batch's base offset


# -- encoding ---------------------------------------------------------------------------------------------------


_NO_COLUMN = (0, b"")


def _pack(numbers: Sequence[int]) -> tuple[int, bytes]:
    """The narrowest column that holds them: (width, bytes)."""
    top = max(numbers)
    if top == 0:
        return _NO_COLUMN
    if top < 1 << 8:
        return 1, bytes(numbers)
    width = 2 if top < 1 << 16 else 4 if top < 1 << 32 else 8
    column = array(_TYPECODES[width], numbers)
    if sys.byteorder == "big":
        column.byteswap()
    return width, column.tobytes()


class Part(NamedTuple):
    """The keys, or the values, of a batch."""

    sizes: list[int]  # one more than they are where some are missing; 0 is then None
    data: bytes
    missing: bool

    def size_of(self, index: int) -> int:
        """-1 for None."""
        return self.sizes[index] - 1 if self.missing else self.sizes[index]


def part(items: Sequence[bytes | None]) -> Part:
    """Keys or values, joined."""
    if None in items:
        return Part([0 if i is None else len(i) + 1 for i in items], b"".join(i for i in items if i), True)
    return Part(list(map(len, items)), b"".join(items), False)  # type: ignore[arg-type]


def pack_headers(headers: Headers) -> bytes:
    """A count, then name and value of each. Empty for no headers.

    >>> unpack_headers(pack_headers([("ce_id", b"1"), ("note", None)]))
    [('ce_id', b'1'), ('note', None)]
    """
    if not headers:
        return b""
    out = [struct.pack("<H", len(headers))]
    for name, value in headers:
        raw = name.encode()
        out.append(struct.pack("<HI", len(raw), 0 if value is None else len(value) + 1))
        out.append(raw)
        if value:
            out.append(value)
    return b"".join(out)


def unpack_headers(data: bytes) -> Headers:
    if not data:
        return []
    (count,) = struct.unpack_from("<H", data)
    headers, at = [], 2
    for _ in range(count):
        name_size, value_size = struct.unpack_from("<HI", data, at)
        at += 6
        name = data[at : at + name_size].decode()
        at += name_size
        value = None
        if value_size:
            value = data[at : at + value_size - 1]
            at += value_size - 1
        headers.append((name, value))
    return headers


def encode(
    timestamps: Sequence[int],
    keys: Part,
    values: Part,
    headers: Sequence[bytes] | None = None,
    codec: str | None = "none",
    offset_deltas: Sequence[int] | None = None,
) -> bytes:
    """One batch of `len(timestamps)` >= 1 records.

    `headers` are packed already, one bytes per record; None when no record has any.

    >>> batch = encode([5, 7], part([b"k", None]), part([b"v", b"w"]))
    >>> decode(batch).values
    [b'v', b'w']
    """
    base_timestamp = min(timestamps)
    ages = [t - base_timestamp for t in timestamps]
    columns = [
        _pack(ages),
        _pack(keys.sizes),
        _pack(values.sizes),
        _pack(list(map(len, headers))) if headers else _NO_COLUMN,
        _pack(offset_deltas) if offset_deltas else _NO_COLUMN,
    ]
    body = [bytes([width for width, _ in columns]), *[c for _, c in columns], keys.data, values.data, *(headers or ())]
    size = sum(map(len, body))
    how = compression(codec)
    if how.number:
        body = [how.compress(b"".join(body))]
    attributes = how.number | keys.missing * _KEYS_MISSING | values.missing * _VALUES_MISSING
    checked = b"".join((struct.pack("<IqI", len(timestamps), base_timestamp, size), *body))
    return struct.pack("<BBI", MAGIC, attributes, zlib.crc32(checked, attributes)) + checked


# -- decoding ---------------------------------------------------------------------------------------------------


def count(batch: bytes) -> int:
    """Records in the batch, from its head alone."""
    return _HEAD.unpack_from(batch)[3]


def decode(batch: bytes, check_crcs: bool = True) -> Columns:
    """Raises CorruptRecordError when the batch is damaged, UnsupportedCodecError when it is of a later version."""
    try:
        magic, attributes, crc, n, base_timestamp, body_size = _HEAD.unpack_from(batch)
    except struct.error as error:
        raise CorruptRecordError(f"The batch is cut short: {len(batch)} bytes.") from error
    if magic != MAGIC:
        raise UnsupportedCodecError(f"The batch has format {magic}; this version reads format {MAGIC}.")
    if check_crcs and zlib.crc32(memoryview(batch)[_CHECKED_FROM:], attributes) != crc:
        raise CorruptRecordError("The batch does not match its checksum.")
    how = _BY_NUMBER.get(attributes & _CODEC_BITS)
    if how is None:
        raise UnsupportedCodecError(f"The batch is compressed with method {attributes & _CODEC_BITS}, unknown here.")
    if body_size > MAX_BODY_BYTES:
        raise CorruptRecordError(f"The batch claims a body of {body_size} bytes.")
    try:
        body = how.decompress(batch[_HEAD.size :], body_size)
        if len(body) != body_size:
            raise CorruptRecordError(f"The batch holds {len(body)} bytes instead of {body_size}.")
        return _columns(body, n, base_timestamp, attributes)
    except CorruptRecordError:
        raise
    except Exception as error:  # decompressors raise each their own kind
        raise CorruptRecordError(f"The batch cannot be read: {error}") from error


def _columns(body: bytes, n: int, base_timestamp: int, attributes: int) -> Columns:
    at = _WIDTHS
    columns: list[Sequence[int]] = []
    for width in body[:_WIDTHS]:
        if width == 0:
            columns.append(())
            continue
        column = array(_TYPECODES[width])
        column.frombytes(body[at : at + n * width])
        if sys.byteorder == "big":
            column.byteswap()
        if len(column) != n:
            raise CorruptRecordError("A column of the batch is cut short.")
        columns.append(column)
        at += n * width
    ages, key_sizes, value_sizes, header_sizes, deltas = columns
    keys, key_lengths, at = _cut(body, at, key_sizes, n, bool(attributes & _KEYS_MISSING))
    values, value_lengths, at = _cut(body, at, value_sizes, n, bool(attributes & _VALUES_MISSING))
    headers: list[Headers]
    if header_sizes:
        ends = list(accumulate(header_sizes, initial=at))
        headers = [unpack_headers(body[a:b]) for a, b in zip(ends, ends[1:], strict=False)]
        at = ends[-1]
    else:
        headers = [[] for _ in range(n)]
    if at != len(body):
        raise CorruptRecordError("The batch does not hold what its columns say.")
    return Columns(
        [base_timestamp + age for age in ages] if ages else [base_timestamp] * n,
        keys,
        values,
        headers,
        key_lengths,
        value_lengths,
        header_sizes if header_sizes else [-1] * n,
        deltas if deltas else range(n),
    )


def _cut(
    body: bytes, at: int, sizes: Sequence[int], n: int, missing: bool
) -> tuple[list[bytes | None], Sequence[int], int]:
    """Cut `n` keys or values out of the body: (parts, sizes with -1 for None, where they end)."""
    if not sizes:
        return ([None] * n, [-1] * n, at) if missing else ([b""] * n, [0] * n, at)
    if not missing:
        ends = list(accumulate(sizes, initial=at))
        return [body[a:b] for a, b in zip(ends, ends[1:], strict=False)], sizes, ends[-1]
    parts: list[bytes | None] = []
    for size in sizes:
        if size:
            parts.append(body[at : at + size - 1])
            at += size - 1
        else:
            parts.append(None)
    return parts, [size - 1 for size in sizes], at

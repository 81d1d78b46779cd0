"""Files that can be played: CSV and JSON Lines, plain or gzip, told apart by content and by name.

with open_source(Path("online_retail.csv.gz")) as source:
    for item in source.read(Fields(key="CustomerID")):
        ...
"""

from __future__ import annotations

import gzip
import hashlib
import io
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple
from urllib.parse import quote

import orjson

from . import json_lines
from .lines import Lines
from .rows import Fields, Item, Place, SourceError
from .tables import Table

CSV, JSON_LINES = "csv", "jsonl"
_BY_SUFFIX = {".csv": CSV, ".tsv": CSV, ".jsonl": JSON_LINES, ".ndjson": JSON_LINES, ".json": JSON_LINES}
_HEAD_BYTES = 64 * 1024
_BUFFER_BYTES = 1024 * 1024
_UTF8_BOM = b"\xef\xbb\xbf"
_DAMAGE = (EOFError, gzip.BadGzipFile, zlib.error)
_FOREIGN = {
    b"PK\x03\x04": "a zip archive (or a spreadsheet)",
    b"BZh": "compressed with bzip2",
    b"\xfd7zXZ": "compressed with xz",
    b"\x28\xb5\x2f\xfd": "compressed with zstd",
    b"PAR1": "a Parquet file",
    b"\xff\xfe": "text in UTF-16",
    b"\xfe\xff": "text in UTF-16",
}


class Fingerprint(NamedTuple):
    """By what a file is known again. A file that has only grown at its end is still the same."""

    head_bytes: int
    head_sha256: str
    size: int  # of the file on disk


class Source:
    """An open file that can be played."""

    def __init__(
        self,
        path: Path,
        form: str,
        raw: BinaryIO,
        file: io.BufferedReader,
        encoding: str,
        separator: str | None,
    ):
        self.path = path
        self.form = form  # CSV or JSON_LINES
        self.size = path.stat().st_size
        self._raw, self._file, self._encoding = raw, file, encoding
        self._lines = Lines(file, _skip_bom(file))
        self._table = Table(self._lines, encoding, separator) if form == CSV else None
        self.start = self._lines.place  # of the first row, behind the header

    @property
    def uri(self) -> str:
        """What its events name as their source: the same, compressed or not, in whatever folder."""
        return "/streamlab/files/" + quote(_plain_name(self.path))

    @property
    def columns(self) -> list[str] | None:
        """None for JSON Lines, where every row has its own fields."""
        return self._table.columns if self._table else None

    @property
    def bytes_read(self) -> int:
        """Of `size`, so far. Reading ahead is included."""
        return self._raw.tell()

    def read(self, fields: Fields, place: Place | None = None) -> Iterator[Item]:
        """Everything from `place` on; None: from the first row. Raises SourceError, also midway."""
        self.check(fields)
        if place is not None:
            self._file.seek(place.offset)
            self._lines = Lines(self._file, place)
        return self._items(fields)

    def check(self, fields: Fields) -> None:
        """Raises SourceError when a field cannot be in this file. JSON Lines may have any."""
        if self._table is not None:
            self._table.check(fields)
        elif fields.numbers:
            raise SourceError("Number columns are for CSV; JSON Lines say themselves what is a number.")

    def _items(self, fields: Fields) -> Iterator[Item]:
        try:
            if self._table is None:
                yield from json_lines.read(self._lines, fields)
            else:
                yield from self._table.read(fields, self._lines)
        except _DAMAGE as error:
            what = "it ends early, within the compressed data" if isinstance(error, EOFError) else error
            raise SourceError(f"{self.path} is damaged from line {self._lines.line} on: {what}.") from error

    def fingerprint(self, head_bytes: int = _HEAD_BYTES) -> Fingerprint:
        with _decompressed(self.path.open("rb")) as file:
            head = _head(file, head_bytes)
        return Fingerprint(len(head), hashlib.sha256(head).hexdigest(), self.size)

    def __enter__(self) -> Source:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._raw.close()


def open_source(
    path: Path, form: str | None = None, encoding: str = "utf-8", separator: str | None = None
) -> Source:
    """Open a file for playing. `form` CSV or JSON_LINES; None: look. Raises SourceError."""
    encoding = _checked(encoding)
    if not path.is_file():
        raise SourceError(f"{path} is not a file." if path.exists() else f"There is no file {path}.")
    try:
        raw = path.open("rb")
    except OSError as error:
        raise SourceError(f"{path} cannot be opened: {error.strerror}.") from error
    file = _decompressed(raw)
    try:
        head = file.peek(_HEAD_BYTES)[:_HEAD_BYTES]
        return Source(path, form or _form(path, head), raw, file, encoding, separator)
    except _DAMAGE as error:
        raw.close()
        raise SourceError(f"{path} is damaged: {error}.") from error
    except SourceError as error:
        raw.close()
        raise SourceError(f"{path} cannot be played. {error}") from None


class _Gzip(gzip.GzipFile):
    """Gives what can be read of a damaged file before it fails; GzipFile itself fails first."""

    def readinto(self, buffer: Any) -> int:
        data = self.read1(len(buffer))
        buffer[: len(data)] = data
        return len(data)


def _head(file: io.BufferedReader, size: int) -> bytes:
    """Up to `size` bytes, fewer of a damaged file: reading its rows will tell."""
    head = b""
    try:
        while len(head) < size and (more := file.read1(size - len(head))):
            head += more
    except _DAMAGE:
        pass
    return head


def _decompressed(raw: BinaryIO) -> io.BufferedReader:
    magic = raw.read(2)
    raw.seek(0)
    plain: Any = _Gzip(fileobj=raw) if magic == b"\x1f\x8b" else raw
    return io.BufferedReader(plain, _BUFFER_BYTES)


def _skip_bom(file: io.BufferedReader) -> Place:
    if file.peek(3)[:3] == _UTF8_BOM:
        file.read(3)
        return Place(3, 1)
    return Place(0, 1)


def _plain_name(path: Path) -> str:
    return path.name[:-3] if path.name.lower().endswith(".gz") else path.name


def _form(path: Path, head: bytes) -> str:
    """What the content says, then what the name says. Raises SourceError for what is neither."""
    for magic, what in _FOREIGN.items():
        if head.startswith(magic):
            raise SourceError(f"It is {what}; convert it to CSV or JSON Lines in UTF-8 first.")
    by_name = _BY_SUFFIX.get(Path(_plain_name(path)).suffix.lower())
    lines = [line for line in head.removeprefix(_UTF8_BOM).splitlines() if line.strip()]
    first = lines[0].strip() if lines else b""
    if _is_object(first):
        return JSON_LINES
    if by_name != CSV and first[:1] in (b"[", b"{") and (len(first) == 1 or first.startswith(b"[{")):
        raise SourceError(
            "It is one JSON document, not one object a line; `jq -c '.[]'` makes JSON Lines of an array."
        )
    if by_name is None and head.count(b"\0") > len(head) // 8:
        raise SourceError("It looks like a binary file; CSV or JSON Lines are needed.")
    return by_name or CSV


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(orjson.loads(line), dict)
    except orjson.JSONDecodeError:
        return False


def _checked(encoding: str) -> str:
    """Lines are cut at the byte 0x0A, which only encodings that extend ASCII allow."""
    try:
        if '\n,"a'.encode(encoding) != b'\n,"a':
            raise SourceError(
                f"Files in {encoding} cannot be cut into lines; convert the file to UTF-8 first."
            )
    except LookupError:
        raise SourceError(
            f"There is no encoding {encoding!r}; utf-8, latin-1 and cp1252 are usual."
        ) from None
    return "utf-8" if encoding.lower().replace("_", "-") == "utf-8-sig" else encoding

"""CloudEvents 1.0 in records, by the Kafka protocol binding (kafka-protocol-binding.md of the specification).

    binary       ce_id, ce_source, ce_type, ce_specversion, ce_time, ... are headers, `content-type` says what
                 the value is, and the value is the data itself. This is what Streamlab writes.
    structured   the value is one JSON document with attributes and data, and `content-type` is
                 application/cloudevents+json.

The official SDK reads and writes the same; this module exists because it runs once per record on hot paths.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import msgspec

from .errors import StreamlabError
from .model import Headers

SPEC_VERSION = "1.0"
JSON = "application/json"
STRUCTURED_JSON = "application/cloudevents+json"

_PREFIX = "ce_"
_CONTENT_TYPE = "content-type"
_CORE = frozenset({"specversion", "id", "source", "type", "time", "subject", "dataschema", "datacontenttype"})
_NOT_EXTENSIONS = _CORE | {"data", "data_base64"}
_NAME = re.compile(r"[a-z0-9]+")
_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")


class InvalidEventError(StreamlabError, ValueError):
    """Raised when something is not a CloudEvent of version 1.0. The message names the attribute at fault."""


class CloudEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One event: what happened, where, when, and the data of it."""

    id: str  # unique within the source
    source: str  # URI reference of whatever it happened in
    type: str  # what happened, e.g. "order.placed"
    time: str | None = None  # RFC 3339, kept as written so that no digit of it is lost; None: not said
    subject: str | None = None
    dataschema: str | None = None
    datacontenttype: str | None = JSON  # media type of data; None: not said
    extensions: dict[str, str] = {}  # further attributes; names are lower-case letters and digits
    data: bytes | None = None  # None: the event carries none

    def __post_init__(self) -> None:
        for name in ("id", "source", "type"):
            if not getattr(self, name):
                raise InvalidEventError(f"A CloudEvent needs a {name} that is not empty.")
        if self.time is not None and not _is_time(self.time):
            raise InvalidEventError(f"time is not an RFC 3339 time: {self.time!r}")
        for name in self.extensions:
            if not _NAME.fullmatch(name) or name in _NOT_EXTENSIONS:
                raise InvalidEventError(f"{name!r} cannot name an extension: use a-z and 0-9.")

    @property
    def at(self) -> datetime | None:
        """`time` as a datetime (microseconds)."""
        return None if self.time is None else _moment(self.time)

    def _attributes(self) -> Iterable[tuple[str, str]]:
        """Everything but the content type and the data, in the order in which people read it."""
        yield "specversion", SPEC_VERSION
        yield "id", self.id
        yield "source", self.source
        yield "type", self.type
        for name in ("time", "subject", "dataschema"):
            value = getattr(self, name)
            if value is not None:
                yield name, value
        yield from self.extensions.items()

    def to_binary(self) -> tuple[Headers, bytes | None]:
        """Headers and value of a record in binary mode."""
        headers: Headers = [(_PREFIX + name, value.encode()) for name, value in self._attributes()]
        if self.datacontenttype is not None:
            headers.append((_CONTENT_TYPE, self.datacontenttype.encode()))
        return headers, self.data

    def to_structured(self) -> tuple[Headers, bytes]:
        """Headers and value of a record in structured mode. JSON data is embedded, other data is base64."""
        document: dict[str, Any] = dict(self._attributes())
        if self.datacontenttype is not None:
            document["datacontenttype"] = self.datacontenttype
        if self.data is not None:
            if _is_json(self.datacontenttype) and _parses(self.data):
                document["data"] = msgspec.Raw(self.data)
            else:
                document["data_base64"] = base64.b64encode(self.data).decode()
        return [(_CONTENT_TYPE, STRUCTURED_JSON.encode())], msgspec.json.encode(document)


class Series:
    """Binary-mode headers for many JSON events of one source and type: what does not change is encoded once.

    >>> Series("/shop", "order.placed").headers(b"7", b"2010-12-01T08:26:00Z")[-2:]
    [('ce_id', b'7'), ('ce_time', b'2010-12-01T08:26:00Z')]
    """

    __slots__ = ("_fixed",)

    def __init__(self, source: str, type: str):
        event = CloudEvent(id="-", source=source, type=type)
        self._fixed = [header for header in event.to_binary()[0] if header[0] != "ce_id"]

    def headers(self, id: bytes, time: bytes) -> Headers:
        return [*self._fixed, ("ce_id", id), ("ce_time", time)]


def from_record(headers: Headers, value: bytes | None) -> CloudEvent:
    """The event in a record, whichever mode it was written in.

    As the binding says, the content type decides: application/cloudevents* is structured, else binary.
    Raises InvalidEventError when it is neither.
    """
    texts = _texts(headers)
    content_type = texts.get(_CONTENT_TYPE, "")
    if content_type.lower().startswith("application/cloudevents"):
        return _from_structured(content_type, value)
    if "ce_specversion" in texts:
        return _from_binary(texts, value)
    raise InvalidEventError("The record is not a CloudEvent: it has no ce_specversion header.")


def rfc3339(moment: datetime) -> str:
    """RFC 3339 in UTC; a moment without a time zone is taken to be UTC.

    >>> rfc3339(datetime(2010, 12, 1, 8, 26))
    '2010-12-01T08:26:00Z'
    """
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return moment.isoformat().removesuffix("+00:00") + "Z"


def _from_binary(texts: dict[str, str], value: bytes | None) -> CloudEvent:
    attributes = {name[3:]: text for name, text in texts.items() if name.startswith(_PREFIX)}
    return _build(attributes, texts.get(_CONTENT_TYPE), value)


def _from_structured(content_type: str, value: bytes | None) -> CloudEvent:
    if not _is_json(content_type.split(";")[0].strip()):
        raise InvalidEventError(f"Only the JSON format can be read, not {content_type!r}.")
    try:
        document = msgspec.json.decode(value or b"", type=dict[str, msgspec.Raw])
        data = _data(document)
        found = {name: _attribute(name, raw) for name, raw in document.items()}
    except (msgspec.DecodeError, binascii.Error) as error:
        raise InvalidEventError(f"The value is not a CloudEvent in JSON: {error}") from error
    attributes = {name: text for name, text in found.items() if text is not None}
    return _build(attributes, attributes.pop("datacontenttype", None), data)


def _data(document: dict[str, msgspec.Raw]) -> bytes | None:
    """Takes `data` or `data_base64` out of the document. A string of no JSON type is its own text."""
    encoded, raw = document.pop("data_base64", None), document.pop("data", None)
    if encoded is not None:
        return base64.b64decode(msgspec.json.decode(encoded, type=str), validate=True)
    if raw is None:
        return None
    kind = document.get("datacontenttype")
    if kind is not None and not _is_json(msgspec.json.decode(kind, type=str | None)):
        value = msgspec.json.decode(raw)
        if isinstance(value, str):
            return value.encode()
    return bytes(raw)


def _attribute(name: str, raw: msgspec.Raw) -> str | None:
    """Attributes are strings, booleans or integers; null is absent. All become text."""
    value = msgspec.json.decode(raw, type=str | bool | int | None)
    if isinstance(value, bool):
        return "true" if value else "false"
    return None if value is None else str(value)


def _build(attributes: dict[str, str], content_type: str | None, data: bytes | None) -> CloudEvent:
    version = attributes.pop("specversion", None)
    if version != SPEC_VERSION:
        raise InvalidEventError(f"specversion is {version!r}; only {SPEC_VERSION!r} can be read.")
    take = attributes.pop
    return CloudEvent(
        id=take("id", ""),
        source=take("source", ""),
        type=take("type", ""),
        time=take("time", None),
        subject=take("subject", None),
        dataschema=take("dataschema", None),
        datacontenttype=content_type,
        extensions=attributes,
        data=data,
    )


def _texts(headers: Headers) -> dict[str, str]:
    """Header names are compared without case; the last of several with one name counts."""
    try:
        return {
            name.lower(): value.decode()
            for name, value in headers
            if value is not None and (name.lower() == _CONTENT_TYPE or name.lower().startswith(_PREFIX))
        }
    except UnicodeDecodeError as error:
        raise InvalidEventError(f"A CloudEvents header is not UTF-8: {error}") from error


def _is_json(media_type: str | None) -> bool:
    if media_type is None:
        return True
    subtype = media_type.split(";")[0].strip().lower()
    return subtype == JSON or subtype.endswith(("+json", "/json"))


def _parses(data: bytes) -> bool:
    """Whether the data is what its content type says. Not everything that calls itself JSON is."""
    try:
        json.loads(data, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return False
    return True


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text.upper())


def _is_time(text: str) -> bool:
    if not _TIME.fullmatch(text):
        return False
    try:
        _moment(text)
    except ValueError:
        return text.upper()[17:19] == "60"  # a leap second: legal in RFC 3339, unknown to datetime
    return True

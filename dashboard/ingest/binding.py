"""HTTP requests to CloudEvents, by the HTTP protocol binding of CloudEvents 1.0.

binary       ce-id, ce-source, ce-type, ce-specversion, … are headers, the body is the data
structured   the body is one event:       Content-Type: application/cloudevents+json
batched      the body is a list of them:  Content-Type: application/cloudevents-batch+json
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import unquote

import msgspec

from streamlab.cloudevents import STRUCTURED_JSON, CloudEvent, InvalidEventError, from_record
from streamlab.model import Headers

BATCH_JSON = "application/cloudevents-batch+json"
MAX_EVENTS = 1_000
"""In one batch."""

_CE = "ce-"
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')


class Malformed(Exception):
    """Raised when a request holds no CloudEvent: 400. `index` is the event's place in its batch; None: no batch."""

    def __init__(self, message: str, index: int | None = None):
        super().__init__(message)
        self.index = index


class NotAnEventFormat(Exception):
    """Raised when the content type says that it is in a format that is not read here: 415."""


class TooManyEvents(Exception):
    """Raised when a batch has more than `MAX_EVENTS`: 413."""


class Request(NamedTuple):
    """What of an HTTP request matters."""

    headers: Mapping[str, str]  # names in lower case
    body: bytes


class Events(NamedTuple):
    events: list[CloudEvent]
    batched: bool


def events_in(request: Request) -> Events:
    """Raises Malformed, NotAnEventFormat, TooManyEvents."""
    content_type = request.headers.get("content-type", "").strip()
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type == BATCH_JSON:
        return Events(_batch(request.body), True)
    if media_type.startswith("application/cloudevents-batch"):
        raise NotAnEventFormat(f"Batches are read in {BATCH_JSON}, not in {media_type}.")
    if media_type.startswith("application/cloudevents"):
        if media_type != STRUCTURED_JSON:
            raise NotAnEventFormat(f"Events are read in {STRUCTURED_JSON}, not in {media_type}.")
        return Events([_structured(request.body)], False)
    if not any(name.startswith(_CE) for name in request.headers):
        raise NotAnEventFormat(
            f"Send ce- headers, or a body in {STRUCTURED_JSON} or {BATCH_JSON}; this has neither."
        )
    return Events([_traced(_binary(request, content_type), request)], False)


def _structured(body: bytes, index: int | None = None) -> CloudEvent:
    try:
        return from_record([("content-type", STRUCTURED_JSON.encode())], body)
    except InvalidEventError as error:
        raise Malformed(str(error), index) from error


def _batch(body: bytes) -> list[CloudEvent]:
    try:
        items = msgspec.json.decode(body, type=list[msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Malformed(f"The body is not a list in JSON: {error}.") from error
    if len(items) > MAX_EVENTS:
        raise TooManyEvents(f"A batch has at most {MAX_EVENTS} events, not {len(items)}.")
    return [_structured(bytes(item), index) for index, item in enumerate(items)]


def _binary(request: Request, content_type: str) -> CloudEvent:
    headers: Headers = [
        (f"ce_{name[len(_CE) :]}", _decoded(value).encode())
        for name, value in request.headers.items()
        if name.startswith(_CE)
    ]
    if content_type:
        headers.append(("content-type", content_type.encode()))
    try:
        event = from_record(headers, request.body or None)
    except (InvalidEventError, UnicodeEncodeError) as error:
        raise Malformed(str(error)) from error
    if event.data is not None and _calls_itself_json(content_type):
        try:
            msgspec.json.decode(event.data)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Malformed(f"The data is not what its content type says: {error}.") from error
    return event


def _traced(event: CloudEvent, request: Request) -> CloudEvent:
    """The trace that the request belongs to, where the event names none itself."""
    trace = request.headers.get("traceparent")
    if not trace or "traceparent" in event.extensions:
        return event
    return msgspec.structs.replace(event, extensions={**event.extensions, "traceparent": trace})


def _decoded(value: str) -> str:
    """Header values are percent-encoded, and may be in quotes.

    >>> _decoded("Euro%20%E2%82%AC"), _decoded('"a b"')
    ('Euro €', 'a b')
    """
    quoted = _QUOTED.fullmatch(value)
    if quoted:
        value = re.sub(r"\\(.)", r"\1", quoted[1])
    return unquote(value, errors="strict") if _is_text(value) else value


def _is_text(value: str) -> bool:
    try:
        unquote(value, errors="strict")
    except UnicodeDecodeError:
        return False
    return True


def _calls_itself_json(content_type: str) -> bool:
    media_type = content_type.partition(";")[0].strip().lower()
    return media_type == "application/json" or media_type.endswith("+json")

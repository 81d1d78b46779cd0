"""Requests in and answers out, in Confluent's words."""

from __future__ import annotations

import json
from typing import Any

import msgspec
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse

from streamlab.errors import KafkaTimeoutError, StreamlabError
from streamlab.schemas.errors import (
    IncompatibleSchemaError,
    InvalidSchemaError,
    InvalidVersionError,
    SchemaError,
)
from streamlab.schemas.model import Reference, Schema, SchemaType, Version

CONTENT_TYPE = "application/vnd.schemaregistry.v1+json"
_LATEST = ("latest", "-1")
_MAX_VERSION = 2**31 - 1


class Refused(Exception):
    """Raised to answer with an error. `code` is Confluent's; its first three digits are the status."""

    def __init__(self, code: int, message: str):
        super().__init__(message)
        self.code = code
        self.status = code if code < 1000 else code // 100


def answer(body: Any, status: int = 200) -> HttpResponse:
    return HttpResponse(json.dumps(body), content_type=CONTENT_TYPE, status=status)


def error(code: int, message: str, status: int | None = None) -> HttpResponse:
    status = status or (code if code < 1000 else code // 100)
    response = answer({"error_code": code, "message": message}, status)
    if status == 401:
        response.headers["WWW-Authenticate"] = 'Basic realm="streamlab", charset="UTF-8"'
    return response


def of_error(problem: StreamlabError) -> HttpResponse:
    """What Confluent's registry would say of it."""
    if isinstance(problem, IncompatibleSchemaError):
        details = "; ".join(f"{one.kind} at {one}" for one in problem.incompatibilities[:20])
        return error(409, f"{problem} Details: [{details}]")
    if isinstance(problem, SchemaError):
        return error(problem.code, str(problem), problem.status)
    if isinstance(problem, KafkaTimeoutError):
        return error(50002, f"The operation timed out: {problem}")
    return error(50001, f"Error in the backend data store: {problem}")


class _Body(msgspec.Struct, rename="camel"):
    schema: str | None = None
    schema_type: str | None = None
    references: list[Reference] | None = None
    rule_set: Any = None


def schema_in(request: HttpRequest) -> Schema:
    """Raises Refused, InvalidSchemaError."""
    body = _decoded(request, _Body)
    if body.rule_set:
        raise InvalidSchemaError("Rules of data contracts are not offered here.")
    kind = body.schema_type or SchemaType.AVRO
    if kind not in tuple(SchemaType):
        raise InvalidSchemaError(f"Schemas of type {kind!r} are not offered; use {' or '.join(SchemaType)}.")
    if not body.schema or not body.schema.strip():
        raise InvalidSchemaError("The schema is empty.")
    return Schema(body.schema, SchemaType(kind), tuple(body.references or ()))


def object_in(request: HttpRequest) -> dict[str, Any]:
    """Raises Refused."""
    return _decoded(request, dict[str, Any])


def _decoded(request: HttpRequest, kind: Any) -> Any:
    try:
        return msgspec.json.decode(request.body, type=kind)
    except RequestDataTooBig:
        raise Refused(413, "The request is too large.") from None
    except RecursionError:
        raise Refused(400, "The body cannot be read: it is nested too deeply.") from None
    except (msgspec.MsgspecError, UnicodeDecodeError) as problem:
        raise Refused(400, f"The body cannot be read: {problem}.") from None


def version_number(text: str) -> int | None:
    """None is the latest. Raises InvalidVersionError.

    >>> version_number("latest"), version_number("3")
    (None, 3)
    """
    if text in _LATEST:
        return None
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:11]) <= _MAX_VERSION:
        raise InvalidVersionError(f"{text[:40]!r} is no version: use 1 to {_MAX_VERSION}, or 'latest'.")
    return int(text)


def flag(request: HttpRequest, name: str) -> bool:
    """Confluent's Python client writes `True`, others `true`."""
    return request.GET.get(name, "").lower() in ("true", "1")


def paged(request: HttpRequest, found: list[Any]) -> list[Any]:
    """What `offset` and `limit` ask for; a limit below 0 is none. Raises Refused."""
    try:
        offset, limit = int(request.GET.get("offset") or 0), int(request.GET.get("limit") or -1)
    except ValueError:
        raise Refused(400, "offset and limit are whole numbers.") from None
    found = found[max(0, offset) :]
    return found if limit < 0 else found[:limit]


def schema_words(schema: Schema) -> dict[str, Any]:
    """The type is left out for Avro, and references where there are none, as old clients know it."""
    words: dict[str, Any] = {"schema": schema.text}
    if schema.type is not SchemaType.AVRO:
        words["schemaType"] = str(schema.type)
    if schema.references:
        words["references"] = [
            {"name": r.name, "subject": r.subject, "version": r.version} for r in schema.references
        ]
    return words


def version_words(version: Version) -> dict[str, Any]:
    words = {"subject": version.subject, "version": version.version, "id": version.id}
    return words | schema_words(version.schema) | ({"deleted": True} if version.deleted else {})

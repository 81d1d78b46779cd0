"""Errors as `application/problem+json` (RFC 9457): what is wrong, and what to do.

401  no token, or one that is unknown, expired or revoked        409  not in this state, or the broker has moved
403  the role or the scope is missing                            422  asked for wrongly: `errors` says where
404  there is no such thing (any more)                           503  the broker or its sampler does not answer
405  not with this method                                        400  no JSON
429  too often: `Retry-After` says when to come again
"""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Any

import orjson
from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.http import Http404, HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError
from pydantic import BaseModel

from dashboard.access.caller import NotAllowed, NotSignedIn
from dashboard.access.people import NotPossible
from dashboard.access.throttle import TooOften
from dashboard.operations.life import NotNow
from dashboard.pages.moments import Gone, NoMeasurements, NotKept
from dashboard.pages.winding import readable
from streamlab.errors import (
    GroupIdNotFoundError,
    IllegalArgumentError,
    RecordError,
    RetriableError,
    StreamlabError,
    TopicError,
    UnknownTopicOrPartitionError,
)
from streamlab.schemas.errors import SubjectNotFoundError

log = logging.getLogger(__name__)

CONTENT_TYPE = "application/problem+json"
RETRY_AFTER_S = 5


class FieldProblem(BaseModel):
    where: str  # "query.limit", "fields.topic"
    says: str


class Problem(BaseModel):
    """Why there is no answer."""

    status: int
    title: str
    detail: str
    errors: list[FieldProblem] = []
    nearest_ms: int | None = None  # a moment that is kept, where the one that was asked for is not


class AskedWrongly(Exception):
    """Raised with what is wrong with which field: 422."""

    def __init__(self, errors: dict[str, list[str]]):
        super().__init__("; ".join(f"{where}: {says}" for where, all_ in errors.items() for says in all_))
        self.errors = [
            FieldProblem(where=where, says=says) for where, all_ in errors.items() for says in all_
        ]


def problem(
    status: int, detail: str, errors: list[FieldProblem] | None = None, nearest_ms: int | None = None
) -> HttpResponse:
    body = Problem(
        status=status,
        title=HTTPStatus(status).phrase,
        detail=detail,
        errors=errors or [],
        nearest_ms=nearest_ms,
    )
    response = HttpResponse(
        orjson.dumps(body.model_dump(exclude_none=True)), content_type=CONTENT_TYPE, status=status
    )
    if status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    if status == 503:
        response.headers["Retry-After"] = str(RETRY_AFTER_S)
    return response


def of_error(error: Exception) -> HttpResponse:
    match error:
        case NotSignedIn():
            return problem(401, str(error))
        case NotAllowed() | PermissionDenied():
            return problem(403, str(error))
        case (
            Http404()
            | Gone()
            | UnknownTopicOrPartitionError()
            | GroupIdNotFoundError()
            | SubjectNotFoundError()
        ):
            return problem(404, str(error))
        case TooOften():
            response = problem(429, str(error))
            response.headers["Retry-After"] = str(error.retry_after_s)
            return response
        case NotNow() | NotPossible():
            return problem(409, str(error))
        case AskedWrongly():
            return problem(422, str(error), error.errors)
        case ValidationError():
            found = [_field(one) for one in error.errors]
            return problem(422, "; ".join(f"{one.where}: {one.says}" for one in found), found)
        case RequestDataTooBig():
            return problem(413, "The body is too large.")
        case HttpError(__cause__=AskedWrongly() as wrong):  # what ninja makes of what its parser raises
            return of_error(wrong)
        case HttpError():
            return problem(error.status_code, str(error))
        case NotKept():
            return _not_kept(error)
        case NoMeasurements() | RetriableError():
            return problem(503, str(error))
        case IllegalArgumentError() | TopicError() | RecordError():
            return problem(422, str(error))
        case StreamlabError():
            return problem(409, str(error))
    log.error("The API failed in a way that was not foreseen", exc_info=error)
    return problem(500, "That was not foreseen; the server's log has it.")


def _not_kept(reason: NotKept) -> HttpResponse:
    nearest_ms = reason.nearest_ms
    kept = "" if nearest_ms is None else f" The nearest that is kept: {readable(nearest_ms)}."
    return problem(404, f"{reason}{kept}", nearest_ms=nearest_ms)


def _field(found: dict[str, Any]) -> FieldProblem:
    where = [str(step) for step in found.get("loc", ())]
    if where[:1] == ["body"]:  # ninja puts the name of the function's argument in between
        where = where[2:] or where[:1]
    says = "There is no such field." if found.get("type") == "extra_forbidden" else str(found.get("msg", ""))
    return FieldProblem(where=".".join(where), says=says)


def install(api: NinjaAPI) -> None:
    """All errors through `of_error`, those that nobody foresaw too."""
    for kind in (Exception, Http404, HttpError, ValidationError):
        api.add_exception_handler(kind, _answer)


def _answer(request: HttpRequest, error: Any) -> HttpResponse:
    return of_error(error)


def not_found(request: HttpRequest, rest: str = "") -> HttpResponse:
    return problem(404, f"There is nothing at {request.path}; /api/v1/openapi.json lists what there is.")

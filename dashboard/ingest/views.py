"""`POST /ingest/<topic>`: 202 with partition and offset, or a clear reason why not.

202  stored                                 401  no token, or an unknown one
400  no CloudEvent, or one at fault         403  the token is for something else
404  no such topic                          411  no Content-Length
413  too large, or too many in a batch      415  a format that is not read here
422  the topic's schema refuses the value   429  too much at once: Retry-After
503  the broker does not answer: Retry-After; what a batch's events came to stands in the body
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt

from dashboard.access.caller import NotAllowed, NotSignedIn, caller_of
from dashboard.access.roles import Role
from dashboard.access.scopes import INGEST
from dashboard.access.throttle import TooOften
from streamlab.errors import (
    InvalidRecordError,
    InvalidTopicError,
    MessageSizeTooLargeError,
    StreamlabError,
    UnknownTopicOrPartitionError,
)
from streamlab.topics import is_internal

from .binding import Events, Malformed, NotAnEventFormat, Request, TooManyEvents, events_in
from .intake import Busy, Stored, is_full, store

RETRY_WHEN_FULL_S = 1
RETRY_WHEN_AWAY_S = 5


@csrf_exempt  # `caller_of` checks it for those who come with a cookie; a token needs none
@login_not_required
@never_cache
def ingest(request: HttpRequest, topic: str) -> HttpResponse:
    if request.method != "POST":
        return _error(405, f"{request.method} is not possible here; POST events.", Allow="POST")
    try:
        caller_of(request).require(Role.OPERATOR, f"{INGEST}{topic}")
        if is_internal(topic):
            raise NotAllowed(f"{topic} is the broker's own.")
        found = events_in(_read(request))
        return _stored(store(topic, found.events), found)
    except NotSignedIn as reason:
        return _error(401, str(reason), **{"WWW-Authenticate": "Bearer"})
    except NotAllowed as reason:
        return _error(403, str(reason))
    except TooOften as reason:
        return _error(429, str(reason), **{"Retry-After": str(reason.retry_after_s)})
    except _NoLength:
        return _error(411, "Say how long the body is: Content-Length.")
    except RequestDataTooBig:
        return _error(413, f"A request has at most {settings.DATA_UPLOAD_MAX_MEMORY_SIZE} bytes.")
    except TooManyEvents as reason:
        return _error(413, str(reason))
    except NotAnEventFormat as reason:
        return _error(415, str(reason))
    except Malformed as reason:
        return _error(400, str(reason), index=reason.index)
    except Busy as reason:
        return _error(429, str(reason), **{"Retry-After": str(RETRY_WHEN_FULL_S)})
    except StreamlabError as problem:
        return _refused(problem)


class _NoLength(Exception):
    pass


def _read(request: HttpRequest) -> Request:
    if "Transfer-Encoding" in request.headers:  # its end is known only after all of it was taken in
        raise _NoLength
    return Request({name.lower(): value for name, value in request.headers.items()}, request.body)


def _stored(stored: list[Stored], found: Events) -> HttpResponse:
    failed = [one for one in stored if one.error is not None]
    if not found.batched:
        return (
            _refused(failed[0].error)
            if failed and failed[0].error
            else JsonResponse(_words(stored[0]), status=202)
        )
    body = {"events": [_words(one) for one in stored]}
    if not failed:
        return JsonResponse(body, status=202)
    assert failed[0].error is not None
    return _refused(failed[0].error, **body)


def _words(one: Stored) -> dict[str, Any]:
    if one.where is None:
        return {"id": one.event.id, "error": str(one.error)}
    where = one.where
    return {"id": one.event.id, "topic": where.topic, "partition": where.partition, "offset": where.offset}


def _refused(problem: StreamlabError, **body: Any) -> HttpResponse:
    """What the broker said, as a status."""
    if isinstance(problem, (UnknownTopicOrPartitionError, InvalidTopicError)):
        return _error(404, str(problem), **body)
    if isinstance(problem, MessageSizeTooLargeError):
        return _error(413, str(problem), **body)
    if isinstance(problem, InvalidRecordError):
        return _error(400, f"{problem} Send the attribute partitionkey.", **body)
    if getattr(problem, "dead_letter_cause", None) == "schema":
        about = {
            name: getattr(problem, name) for name in ("path", "schema_subject", "schema_version", "schema_id")
        }
        return _error(422, str(problem), **about, **body)
    if is_full(problem):
        return _error(429, str(problem), **{"Retry-After": str(RETRY_WHEN_FULL_S)}, **body)
    return _error(503, str(problem), **{"Retry-After": str(RETRY_WHEN_AWAY_S)}, **body)


_HEADERS = ("Allow", "Retry-After", "WWW-Authenticate")


def _error(status: int, message: str, **more: Any) -> JsonResponse:
    """What is named like a header becomes one; the rest stands in the body, where it is known."""
    body = {name: value for name, value in more.items() if name not in _HEADERS and value is not None}
    response = JsonResponse({"status": status, "message": message, **body}, status=status)
    for name in _HEADERS:
        if name in more:
            response.headers[name] = more[name]
    return response

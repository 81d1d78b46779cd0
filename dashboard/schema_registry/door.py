"""What every address of the registry has in common: who may, which methods, and errors as JSON."""

from __future__ import annotations

import logging
from collections.abc import Callable

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt

from dashboard.access.caller import NotAllowed, NotSignedIn, caller_of, pace
from dashboard.access.roles import Role
from dashboard.access.scopes import SCHEMAS_READ, SCHEMAS_WRITE
from dashboard.access.throttle import TooOften
from dashboard.audit import trail
from dashboard.audit.trail import Actor
from streamlab.errors import StreamlabError

from .answers import Refused, error, of_error
from .core import registry

log = logging.getLogger(__name__)

Handler = Callable[..., HttpResponse]
"""Of the request, the registry, and what the address names."""

READ = (Role.VIEWER, SCHEMAS_READ)
WRITE = (Role.OPERATOR, SCHEMAS_WRITE)


def door(
    GET: Handler | None = None,
    POST: Handler | None = None,
    PUT: Handler | None = None,
    DELETE: Handler | None = None,
    *,
    post_reads: bool = False,
) -> Handler:
    """One address. What is not a GET changes something, unless `post_reads`: then a POST only asks.

    CSRF is checked by `caller_of` for those who come with a cookie; a token needs none.
    """
    handlers = {m: h for m, h in {"GET": GET, "POST": POST, "PUT": PUT, "DELETE": DELETE}.items() if h}
    reading = {"GET", "POST"} if post_reads else {"GET"}

    @csrf_exempt
    @login_not_required
    @never_cache
    def view(request: HttpRequest, **named: str) -> HttpResponse:
        method = "GET" if request.method == "HEAD" else request.method or ""
        handler = handlers.get(method)
        if handler is None:
            response = error(405, f"{request.method} is not possible here.")
            response.headers["Allow"] = ", ".join(handlers)
            return response
        return _guarded(handler, READ if method in reading else WRITE, request, named)

    return view


def _guarded(
    handler: Handler, needed: tuple[Role, str], request: HttpRequest, named: dict[str, str]
) -> HttpResponse:
    try:
        caller = caller_of(request)
        pace(caller)
        caller.require(*needed)
        response = handler(request, registry(caller.user.get_username()), **named)
        if request.method in ("PUT", "DELETE"):  # who registered what stands in the broker's own history
            actor = Actor(caller.user, request.META.get("REMOTE_ADDR") or "", "schema registry", caller.token)
            trail.record(
                actor, f"schemas.{handler.__name__}", named.get("subject", ""), None, **_asked(request)
            )
        return response
    except NotSignedIn as reason:
        return error(401, str(reason))
    except NotAllowed as reason:
        return error(403, str(reason))
    except TooOften as reason:
        response = error(429, str(reason))
        response.headers["Retry-After"] = str(reason.retry_after_s)
        return response
    except Refused as refused:
        return error(refused.code, str(refused))
    except StreamlabError as problem:
        response = of_error(problem)
        if response.status_code >= 500:
            log.warning("The schema registry could not answer: %s", problem)
        return response


def _asked(request: HttpRequest) -> dict[str, str]:
    return {"path": request.path[:500], "query": request.META.get("QUERY_STRING", "")[:500]}

"""`/api/v1`: every route of the API, its description, and a JSON answer for what is not there.

Django's sign-in and CSRF middleware leave these addresses alone: each route checks by itself, a test says that all do.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import URLPattern, path
from django.views.decorators.csrf import csrf_exempt

from . import (
    advice,
    alerts,
    audit,
    channels,
    clients,
    dead_letters,
    experiments,
    groups,
    health,
    history,
    lab,
    masking,
    operations,
    people,
    records,
    retries,
    schemas,
    tokens,
    topics,
    what_if,
)
from .body import BodyParser
from .description import DescribedApi
from .door import reads
from .problems import install, not_found, of_error, problem

api = DescribedApi(
    title="Streamlab",
    version="1",
    description="What the dashboard's pages show and do. Times are ms since 1970 or ISO 8601; null is “not known”.",
    urls_namespace="api",
    docs_url=None,
    openapi_url=None,
    parser=BodyParser(),
)
install(api)
for part in (
    health,
    topics,
    records,
    groups,
    history,
    lab,
    clients,
    retries,
    dead_letters,
    schemas,
    operations,
    alerts,
    channels,
    experiments,
    advice,
    what_if,
    masking,
    people,
    tokens,
    audit,
):
    api.add_router("", part.router)


def _described(request: HttpRequest) -> HttpResponse:
    """The OpenAPI description, for whoever may read."""
    if request.method not in ("GET", "HEAD"):
        return problem(405, "GET it.")
    try:
        reads(request)
    except Exception as error:
        return of_error(error)
    return JsonResponse(api.get_openapi_schema(path_prefix="/api/v1/"))


def _door(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """What all addresses have in common."""

    @csrf_exempt
    @login_not_required
    @wraps(view)
    def entered(request: HttpRequest, *args: Any, **named: Any) -> HttpResponse:
        if "\x00" in request.path:  # no name holds one, and PostgreSQL would not take it
            return not_found(request)
        if any("\x00" in value for values in request.GET.lists() for value in values[1]):
            return problem(422, "A query cannot hold the character NUL.")
        asked = request.method
        if asked == "HEAD":  # the same as GET; the server leaves the body out
            request.method = "GET"
        response = view(request, *args, **named)
        request.method = asked
        if response.status_code == 405 and response.headers.get("Content-Type", "").startswith("text/"):
            methods = set(response.headers.get("Allow", "").split(", "))
            allowed = ", ".join(sorted(methods | {"HEAD"} if "GET" in methods else methods))
            response = problem(405, f"{request.method} is not possible here, only {allowed}.")
            response.headers["Allow"] = allowed
        return response

    return entered


def _patterns() -> list[URLPattern]:
    routes = (pattern for pattern in api.urls[0] if isinstance(pattern, URLPattern))
    known = [pattern for pattern in routes if pattern.name != "api-root"]
    for pattern in known:
        pattern.callback = _door(pattern.callback)
        pattern.name = (
            None  # ninja names it after its function, and then links to a page of that name would lead here
        )
    return known


urlpatterns = [
    path("openapi.json", _door(_described), name="openapi"),
    *_patterns(),
    path("<path:rest>", _door(not_found)),
    path("", _door(not_found)),
]

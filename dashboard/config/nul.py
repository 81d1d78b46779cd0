"""No address holds the character NUL: no name has one, and PostgreSQL refuses it where SQLite looks for it."""

from __future__ import annotations

from collections.abc import Callable

from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse

_BY_ITSELF = "/api/v1/"  # says so in its own words


class NoNulMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]):
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        holds = "\x00" in request.path or "%00" in request.META.get("QUERY_STRING", "")
        if holds and not request.path.startswith(_BY_ITSELF):
            raise BadRequest("An address cannot hold the character NUL.")
        return self._get_response(request)

"""The API as a page: every route, what it needs, how to call it. Drawn from the description, without any script."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from dashboard.access.needs import show

from .urls import api


@require_safe
def docs(request: HttpRequest) -> HttpResponse:
    base = request.build_absolute_uri("/").rstrip("/")
    return show(request, "access/api.html", "API", "api-docs", parts=_parts(), base=base)


def _parts() -> list[tuple[str, list[dict[str, Any]]]]:
    """Routes under their tags, in the order in which they are described."""
    found: dict[str, list[dict[str, Any]]] = {}
    for path, methods in api.get_openapi_schema(path_prefix="/api/v1/")["paths"].items():
        for method, operation in methods.items():
            route = {
                "method": method.upper(),
                "path": path,
                "about": operation["description"].partition("\n")[0].replace("`", ""),
                "role": operation["x-role"],
                "scope": operation["x-scope"],
                "query": [p for p in operation.get("parameters", []) if p["in"] == "query"],
            }
            found.setdefault(operation["tags"][0], []).append(route)
    return list(found.items())

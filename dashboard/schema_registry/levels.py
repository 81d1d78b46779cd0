"""`/config/…` and `/mode/…`."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse

from streamlab.schemas.errors import InvalidLevelError, InvalidModeError
from streamlab.schemas.model import Level, Mode
from streamlab.schemas.registry import SchemaRegistry

from .answers import answer, flag, object_in


def level(request: HttpRequest, registry: SchemaRegistry, subject: str | None = None) -> HttpResponse:
    found = registry.level(subject, subject is None or flag(request, "defaultToGlobal"))
    return answer({"compatibilityLevel": str(found)})


def set_level(request: HttpRequest, registry: SchemaRegistry, subject: str | None = None) -> HttpResponse:
    wanted = _one_of(Level, object_in(request).get("compatibility"))
    if wanted is None:
        raise InvalidLevelError(f"Invalid compatibility level. Valid values are {', '.join(Level)}.")
    return answer({"compatibility": str(registry.set_level(wanted, subject))})


def unset_level(request: HttpRequest, registry: SchemaRegistry, subject: str | None = None) -> HttpResponse:
    return answer({"compatibilityLevel": str(registry.unset_level(subject))})


def mode(request: HttpRequest, registry: SchemaRegistry, subject: str | None = None) -> HttpResponse:
    found = registry.mode(subject, subject is None or flag(request, "defaultToGlobal"))
    return answer({"mode": str(found)})


def set_mode(request: HttpRequest, registry: SchemaRegistry, subject: str | None = None) -> HttpResponse:
    wanted = _one_of(Mode, object_in(request).get("mode"))
    if wanted is None:
        raise InvalidModeError(f"Invalid mode. Valid values are {', '.join(Mode)}.")
    return answer({"mode": str(registry.set_mode(wanted, subject))})


def unset_mode(request: HttpRequest, registry: SchemaRegistry, subject: str | None = None) -> HttpResponse:
    return answer({"mode": str(registry.unset_mode(subject))})


def _one_of(kind: Any, given: Any) -> Any:
    return next((one for one in kind if isinstance(given, str) and one == given.upper()), None)

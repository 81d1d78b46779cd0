"""`/subjects/…` and `/compatibility/…`."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse

from streamlab.schemas.errors import SubjectNotFoundError
from streamlab.schemas.model import Incompatibility
from streamlab.schemas.registry import SchemaRegistry

from .answers import (
    CONTENT_TYPE,
    answer,
    flag,
    paged,
    schema_in,
    version_number,
    version_words,
)


def subjects(request: HttpRequest, registry: SchemaRegistry) -> HttpResponse:
    prefix = request.GET.get("subjectPrefix", "")
    active = registry.subjects(prefix)
    if _only_deleted(request):
        found = [name for name in registry.subjects(prefix, deleted=True) if name not in set(active)]
    else:
        found = registry.subjects(prefix, deleted=True) if flag(request, "deleted") else active
    return answer(paged(request, found))


def versions(request: HttpRequest, registry: SchemaRegistry, subject: str) -> HttpResponse:
    only = _only_deleted(request)
    found = registry.versions(subject, deleted=only or flag(request, "deleted"))
    return answer(paged(request, [v.version for v in found if v.deleted or not only]))


def _only_deleted(request: HttpRequest) -> bool:
    return flag(request, "deletedOnly") or flag(request, "deleted_only")


def version(request: HttpRequest, registry: SchemaRegistry, subject: str, version: str) -> HttpResponse:
    found = registry.version(subject, version_number(version), flag(request, "deleted"))
    return answer(version_words(found))


def latest(request: HttpRequest, registry: SchemaRegistry, subject: str) -> HttpResponse:
    """`/subjects/<s>/metadata`: schemas have no metadata here, so the latest version is the latest that fits."""
    return answer(version_words(registry.version(subject)))


def text(request: HttpRequest, registry: SchemaRegistry, subject: str, version: str) -> HttpResponse:
    found = registry.version(subject, version_number(version), flag(request, "deleted"))
    return HttpResponse(found.schema.text, content_type=CONTENT_TYPE)


def referenced_by(request: HttpRequest, registry: SchemaRegistry, subject: str, version: str) -> HttpResponse:
    found = registry.referenced_by(subject, version_number(version))
    return answer(paged(request, sorted({one.id for one in found})))


def lookup(request: HttpRequest, registry: SchemaRegistry, subject: str) -> HttpResponse:
    return answer(version_words(registry.lookup(subject, schema_in(request), flag(request, "deleted"))))


def register(request: HttpRequest, registry: SchemaRegistry, subject: str) -> HttpResponse:
    return answer({"id": registry.register(subject, schema_in(request), flag(request, "normalize")).id})


def delete_subject(request: HttpRequest, registry: SchemaRegistry, subject: str) -> HttpResponse:
    return answer([v.version for v in registry.delete_subject(subject, flag(request, "permanent"))])


def delete_version(
    request: HttpRequest, registry: SchemaRegistry, subject: str, version: str
) -> HttpResponse:
    deleted = registry.delete_version(subject, version_number(version), flag(request, "permanent"))
    return answer(deleted.version)


def check(request: HttpRequest, registry: SchemaRegistry, subject: str) -> HttpResponse:
    """Against all the versions that the level asks for."""
    return _verdict(request, registry.check(subject, schema_in(request)))


def check_against(request: HttpRequest, registry: SchemaRegistry, subject: str, version: str) -> HttpResponse:
    """Against one version; where nothing is registered yet, everything is compatible with the latest."""
    number, schema = version_number(version), schema_in(request)
    try:
        number = registry.version(subject, number).version
    except SubjectNotFoundError:
        if number is not None:
            raise
        return _verdict(request, registry.check(subject, schema))
    return _verdict(request, registry.check(subject, schema, number))


def _verdict(request: HttpRequest, found: list[Incompatibility]) -> HttpResponse:
    words: dict[str, Any] = {"is_compatible": not found}
    if flag(request, "verbose"):
        words["messages"] = [f"{one.kind} at {one} (version {one.version})" for one in found]
    return answer(words)

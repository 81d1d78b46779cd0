"""`/schemas/…`, and what clients ask for that there is nothing of here."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from streamlab.schemas.errors import SchemaNotFoundError
from streamlab.schemas.model import SchemaType
from streamlab.schemas.registry import SchemaRegistry

from .answers import CONTENT_TYPE, Refused, answer, error, flag, paged, schema_words, version_words

_NO_ASSOCIATION = 40410


def by_id(request: HttpRequest, registry: SchemaRegistry, id: str) -> HttpResponse:
    words = schema_words(registry.schema(_number(id)))
    if flag(request, "fetchMaxId"):
        words["maxId"] = registry.last_id()
    return answer(words)


def text_by_id(request: HttpRequest, registry: SchemaRegistry, id: str) -> HttpResponse:
    return HttpResponse(registry.schema(_number(id)).text, content_type=CONTENT_TYPE)


def subjects_of(request: HttpRequest, registry: SchemaRegistry, id: str) -> HttpResponse:
    found = registry.uses(_number(id), flag(request, "deleted"))
    return answer(paged(request, sorted({one.subject for one in found})))


def versions_of(request: HttpRequest, registry: SchemaRegistry, id: str) -> HttpResponse:
    wanted = request.GET.get("subject")
    found = registry.uses(_number(id), flag(request, "deleted"))
    pairs = sorted((v.subject, v.version) for v in found if wanted in (None, "", v.subject))
    return answer(paged(request, [{"subject": subject, "version": version} for subject, version in pairs]))


def every(request: HttpRequest, registry: SchemaRegistry) -> HttpResponse:
    """`/schemas`: all versions of all subjects."""
    deleted = flag(request, "deleted")
    found = []
    for subject in registry.subjects(request.GET.get("subjectPrefix", ""), deleted):
        versions = registry.versions(subject, deleted)
        found += versions[-1:] if flag(request, "latestOnly") else versions
    return answer(paged(request, [version_words(version) for version in found]))


def types(request: HttpRequest, registry: SchemaRegistry) -> HttpResponse:
    return answer([str(kind) for kind in SchemaType])


def contexts(request: HttpRequest, registry: SchemaRegistry) -> HttpResponse:
    return answer(["."])


def root(request: HttpRequest, registry: SchemaRegistry) -> HttpResponse:
    return answer({})


def no_association(request: HttpRequest, registry: SchemaRegistry, resource: str = "") -> HttpResponse:
    """Clients ask before they serialise whether a topic has a subject of another name; this says that it has not."""
    return error(_NO_ASSOCIATION, "Topics have no associations here; subjects are named after them.")


def nothing(request: HttpRequest, registry: SchemaRegistry, rest: str = "") -> HttpResponse:
    raise Refused(404, "HTTP 404 Not Found")


def _number(id: str) -> int:
    if not id.isascii() or not id.isdigit() or len(id) > 10:
        raise SchemaNotFoundError(f"There is no schema with id {id[:40]!r}.")
    return int(id)

"""Schemas, to read. Registering one is an operation; Confluent's own interface is at /schema-registry/."""

from __future__ import annotations

from django.http import HttpRequest
from ninja import Field, Query, Router, Schema

from dashboard.schema_registry.core import registry
from streamlab.schemas.model import Version

from .door import reads
from .paging import Page, Paging, page_of

router = Router(tags=["Schemas"])


class Subject(Schema):
    subject: str
    type: str = Field(description="AVRO or JSON")
    versions: int
    latest_version: int
    latest_id: int
    compatibility: str


class SchemaVersion(Schema):
    version: int
    id: int
    type: str
    text: str
    references: list[str]
    registered_ms: int | None


class SubjectInFull(Subject):
    mode: str
    all_versions: list[SchemaVersion]


class SubjectQuery(Paging):
    q: str = Field("", max_length=300, description="Part of the subject.")


def _fields(subject: str) -> dict[str, object]:
    versions = registry().versions(subject)
    latest = versions[-1]
    return {
        "subject": subject,
        "type": latest.schema.type.value,
        "versions": len(versions),
        "latest_version": latest.version,
        "latest_id": latest.id,
        "compatibility": registry().level(subject).value,
    }


@router.get("/schemas", auth=reads, response=Page[Subject], operation_id="list_subjects")
def subjects(request: HttpRequest, query: Query[SubjectQuery]) -> object:
    """Subjects by name."""
    found = sorted(name for name in registry().subjects() if query.q.lower() in name.lower())
    return page_of(found, query, _fields)


@router.get("/schemas/{path:subject}", auth=reads, response=SubjectInFull, operation_id="get_subject")
def subject(request: HttpRequest, subject: str) -> object:
    """One subject with the text of every version."""
    return {
        **_fields(subject),
        "mode": registry().mode(subject).value,
        "all_versions": [_version(version) for version in registry().versions(subject)],
    }


def _version(version: Version) -> dict[str, object]:
    return {
        "version": version.version,
        "id": version.id,
        "type": version.schema.type.value,
        "text": version.schema.text,
        "references": [f"{r.name}: {r.subject} version {r.version}" for r in version.schema.references],
        "registered_ms": version.registered_ms or None,
    }

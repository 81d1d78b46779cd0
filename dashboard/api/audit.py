"""The audit trail."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponseBase, QueryDict
from ninja import Field, Query, Router, Schema

from dashboard.audit.models import Entry
from dashboard.audit.views import as_file
from dashboard.pages.audit import found
from dashboard.pages.page import Address

from .door import reads
from .paging import Page, Paging, page_of

router = Router(tags=["Audit"])


class AuditEntry(Schema):
    at: str = Field(description="ISO 8601, UTC.")
    who: str = Field(description='"": nobody was signed in, or a job went on by itself.')
    origin: str = Field(description="Network address.")
    action: str
    subject: str
    operation: int | None = Field(description="Its number; a draft that nobody confirms is kept for a day.")
    effect: str = Field(description="What came of it; the export has all its detail.")


class AuditQuery(Paging):
    q: str = Field("", max_length=300, description="In who, action, subject or address.")


class ExportQuery(Schema):
    q: str = Field("", max_length=300, description="In who, action, subject or address.")


def _address(q: str) -> Address:
    asked = QueryDict(mutable=True)
    asked["q"] = q
    return Address("", {}, asked)


@router.get("/audit", auth=reads, response=Page[AuditEntry], operation_id="list_audit")
def audit(request: HttpRequest, query: Query[AuditQuery]) -> object:
    """Who did what, the newest first."""
    return page_of(found(_address(query.q)), query, _item)


def _item(entry: Entry) -> dict[str, Any]:
    return {name: getattr(entry, name) for name in AuditEntry.model_fields} | {"at": entry.at.isoformat()}


@router.get(
    "/audit/export",
    auth=reads,
    operation_id="export_audit",
    openapi_extra={
        "responses": {
            200: {
                "description": "One JSON object a line.",
                "content": {"application/jsonl": {"schema": {"type": "string"}}},
            }
        }
    },
)
def export(request: HttpRequest, query: Query[ExportQuery]) -> HttpResponseBase:
    """All that the search finds, as JSON Lines, with all its detail."""
    return as_file(request, found(_address(query.q)))

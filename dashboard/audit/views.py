"""The audit trail as a file."""

from __future__ import annotations

from collections.abc import Iterator

import orjson
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, StreamingHttpResponse
from django.views.decorators.http import require_safe

from dashboard.access.roles import Role, has_role
from dashboard.masking.operations import shown_detail
from dashboard.pages.audit import found
from dashboard.pages.page import Address
from dashboard.streaming import body

from .models import Entry


@require_safe
def export(request: HttpRequest) -> StreamingHttpResponse:
    """What the page's search finds, newest first, as JSON Lines. Operators only: it names everybody."""
    if not has_role(request.user, Role.OPERATOR):  # type: ignore[arg-type]
        raise PermissionDenied("This needs the role Operator. Ask an Admin for it.")
    return as_file(request, found(Address("/audit/", {}, request.GET)))


def as_file(request: HttpRequest, entries: QuerySet[Entry]) -> StreamingHttpResponse:
    lines = body(request, _lines(entries.iterator(chunk_size=500)))
    answer = StreamingHttpResponse(lines, content_type="application/jsonl; charset=utf-8")
    answer.headers["Content-Disposition"] = 'attachment; filename="streamlab-audit.jsonl"'
    return answer


def _lines(entries: Iterator[Entry]) -> Iterator[bytes]:
    for entry in entries:
        line = {
            "at": entry.at,
            "who": entry.who,
            "origin": entry.origin,
            "action": entry.action,
            "subject": entry.subject,
            "operation": entry.operation,
            "detail": shown_detail(entry.subject, entry.detail),
        }
        yield orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)

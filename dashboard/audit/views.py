"""The audit trail as a file."""

from __future__ import annotations

from collections.abc import Iterator

import orjson
from django.db.models import QuerySet
from django.http import HttpRequest, StreamingHttpResponse
from django.views.decorators.http import require_safe

from dashboard.masking.operations import shown_detail
from dashboard.pages.audit import found
from dashboard.pages.page import Address
from dashboard.streaming import body

from .models import Entry


@require_safe
def export(request: HttpRequest) -> StreamingHttpResponse:
    """What the page's search finds, newest first, as JSON Lines: for whoever sees the page."""
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

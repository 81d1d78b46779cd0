"""A record's value as a file, masked where rules say so; an Admin's POST gets it exactly as it is stored."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_http_methods

from .moments import Gone
from .page import Address
from .record import found
from .reveal import allow_revealing


@require_http_methods(["GET", "HEAD", "POST"])
def value(request: HttpRequest, topic: str, partition: int, offset: int) -> HttpResponse:
    """Always a download of plain bytes: a browser must not take a stranger's record for a page."""
    where = Address(request.path, {"topic": topic, "partition": str(partition), "offset": str(offset)})
    reveal = request.method == "POST"
    if reveal:
        allow_revealing(request, f"{topic}/{partition}@{offset}")
    try:
        record = found(where, reveal=reveal)
    except Gone as gone:
        raise Http404(str(gone)) from gone
    answer = HttpResponse(record.value or b"", content_type="application/octet-stream")
    answer.headers["Content-Disposition"] = f'attachment; filename="{topic}-{partition}-{offset}.bin"'
    answer.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
    return answer

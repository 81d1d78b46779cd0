"""A record or a dead letter without masking, for an Admin who asks; each look leaves a line in the audit trail.

A POST, so that no link, prefetch or search engine looks by accident. What it draws is no live page: its updates would
be drawn for everybody.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_POST

from dashboard.access.roles import Role, has_role
from dashboard.audit import trail
from dashboard.audit.trail import actor_of

from . import letter as letter_page
from . import moments
from . import record as record_page
from .moments import Gone
from .page import Address, Page
from .views import paint


def allow_revealing(request: HttpRequest, what: str, action: str = "record.revealed") -> None:
    """Raises PermissionDenied; leaves a trail either way, before anything is shown."""
    if not has_role(request.user, Role.ADMIN):
        trail.record(actor_of(request), "reveal.refused", what)
        raise PermissionDenied("This needs the role Admin. Ask an Admin for it.")
    trail.record(actor_of(request), action, what)


@require_POST
def record(request: HttpRequest, topic: str, partition: int, offset: int) -> HttpResponse:
    allow_revealing(request, f"{topic}/{partition}@{offset}")
    page = replace(record_page.PAGE, context=partial(record_page.context, reveal=True))
    return _revealed(request, page, {"topic": topic, "partition": str(partition), "offset": str(offset)})


@require_POST
def letter(request: HttpRequest, dlq: str, partition: int, offset: int) -> HttpResponse:
    allow_revealing(request, f"{dlq}/{partition}@{offset}", "letter.revealed")
    context = partial(letter_page.context, reveal=True)
    page = replace(letter_page.PAGE, context=context, live=lambda address: False)
    return _revealed(request, page, {"dlq": dlq, "partition": str(partition), "offset": str(offset)})


def _revealed(request: HttpRequest, page: Page, args: dict[str, str]) -> HttpResponse:
    try:
        return paint(page, moments.current_or_bare(), Address(request.path, args), request)
    except Gone as gone:
        raise Http404(str(gone)) from gone

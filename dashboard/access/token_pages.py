"""API tokens: everybody's own; an Admin sees and ends everybody's. A token is shown once, when it is made."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_http_methods, require_POST

from dashboard.access.forms import TokenForm
from dashboard.access.models import ApiToken, User
from dashboard.access.needs import person, show
from dashboard.access.tokens import NotYours, end, make, visible_to
from dashboard.audit.trail import actor_of
from dashboard.pages.database import RowsPage, page_of
from dashboard.pages.page import Address
from dashboard.presenters.words import plural


@require_http_methods(["GET", "HEAD", "POST"])
def tokens(request: HttpRequest) -> HttpResponse:
    """The list with a form below; POST makes one and shows it, this once."""
    owner = person(request)
    form = TokenForm(request.POST or None, owner=owner)
    made, status = "", 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            made, status = make(form, actor_of(request))[1], 201
            form = TokenForm(owner=owner)
    listed = _rows(request, owner)
    response = show(
        request, "access/tokens.html", "API tokens", "tokens", status, form=form, made=made, list=listed
    )
    response.headers["Cache-Control"] = "no-store, private"
    return response


def _rows(request: HttpRequest, viewer: User) -> RowsPage:
    return page_of(visible_to(viewer), Address(request.path, {}, request.GET))


@require_POST
def revoke(request: HttpRequest, number: int) -> HttpResponse:
    """One's own, or anybody's for an Admin."""
    row = get_object_or_404(ApiToken.objects.select_related("owner"), pk=number)
    try:
        ended = end(row, person(request), actor_of(request))
    except NotYours as reason:
        raise Http404(str(reason)) from reason
    if ended:
        also = f", nor {plural(len(ended) - 1, 'token')} made with it" if len(ended) > 1 else ""
        messages.success(request, f"{row.prefix}… opens nothing any more{also}.")
    return redirect("tokens")

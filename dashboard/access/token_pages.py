"""API tokens: everybody's own; an Admin sees and ends everybody's. A token is shown once, when it is made."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_http_methods

from dashboard.access.api_token import NotMade
from dashboard.access.forms import TokenForm
from dashboard.access.models import ApiToken, User
from dashboard.access.needs import person, show
from dashboard.access.tokens import NotYours, end, make, visible_to, what_ends
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
        made = _made(form, request)
        status = 201 if made else 422
        form = TokenForm(owner=owner) if made else form
    listed = _rows(request, owner)
    response = show(
        request, "access/tokens.html", "API tokens", "tokens", status, form=form, made=made, list=listed
    )
    response.headers["Cache-Control"] = "no-store, private"
    return response


def _made(form: TokenForm, request: HttpRequest) -> str:
    """The token; "" when it was not made, and then the form says why."""
    if form.is_valid():
        try:
            return make(form, actor_of(request))[1]
        except NotMade as reason:
            form.add_error(None, str(reason))
    return ""


def _rows(request: HttpRequest, viewer: User) -> RowsPage:
    return page_of(visible_to(viewer), Address(request.path, {}, request.GET))


@require_http_methods(["GET", "HEAD", "POST"])
def revoke(request: HttpRequest, number: int) -> HttpResponse:
    """One's own, or anybody's for an Admin. GET shows what would end, POST ends it."""
    row = get_object_or_404(ApiToken.objects.select_related("owner"), pk=number)
    try:
        if request.method != "POST":
            return _asked(request, row, what_ends(row, person(request)))
        ended = end(row, person(request), actor_of(request))
    except NotYours as reason:
        raise Http404(str(reason)) from reason
    also = f", nor {plural(len(ended) - 1, 'token')} made with it" if len(ended) > 1 else ""
    messages.success(request, f"{row.prefix}… opens nothing any more{also}.")
    return redirect("tokens")


def _asked(request: HttpRequest, row: ApiToken, ending: list[ApiToken]) -> HttpResponse:
    if not ending:
        messages.info(request, f"{row.prefix}… opens nothing any more.")
        return redirect("tokens")
    return show(request, "access/revoke.html", f"Revoke {row.prefix}…", "tokens", row=row, ending=ending)

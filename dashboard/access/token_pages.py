"""API tokens: everybody's own; an Admin sees and ends everybody's. A token is shown once, when it is made.

What the owner's role does not allow is not offered: such a scope would open nothing.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from dashboard.access import api_token
from dashboard.access.models import ApiToken, User
from dashboard.access.needs import person, show
from dashboard.access.roles import has_role
from dashboard.access.scopes import INGEST, SCOPES, is_scope, least_role
from dashboard.access.tokens import NotYours, end, visible_to
from dashboard.audit import trail
from dashboard.audit.trail import actor_of
from dashboard.pages.database import RowsPage, page_of
from dashboard.pages.page import Address

LIFETIMES = (("7", "7 days"), ("30", "30 days"), ("90", "90 days"), ("365", "a year"), ("", "until revoked"))
MOST_A_PERSON = 50


class TokenForm(forms.Form):
    name = forms.CharField(label="What it is for", max_length=100)
    scopes = forms.MultipleChoiceField(
        label="What it may do", required=False, widget=forms.CheckboxSelectMultiple
    )
    ingest = forms.CharField(
        label="Topics that it may send events to",
        required=False,
        max_length=2_000,
        help_text="Names with commas; * is every topic that is not internal. Empty: none.",
    )
    days = forms.ChoiceField(label="Lives", choices=LIFETIMES, initial="90", required=False)

    def __init__(self, *args: Any, owner: User, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.owner = owner
        self.fields["scopes"].choices = [  # type: ignore[attr-defined]
            (scope, f"{scope} — {says}")
            for scope, says in SCOPES.items()
            if has_role(owner, least_role(scope))
        ]
        if not has_role(owner, least_role(INGEST)):
            del self.fields["ingest"]

    def clean_ingest(self) -> list[str]:
        found = [INGEST + topic for topic in re.split(r"[,\s]+", self.cleaned_data["ingest"]) if topic]
        for scope in found:
            if not is_scope(scope):
                raise forms.ValidationError(f"“{scope.removeprefix(INGEST)}” is no name of a topic.")
        return found

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        if not self.errors and not self.wanted(given):
            self.add_error("scopes", "Choose at least one: a token without a scope opens nothing.")
        if api_token.in_force().filter(owner=self.owner).count() >= MOST_A_PERSON:
            raise forms.ValidationError(f"You have {MOST_A_PERSON} tokens; revoke one first.")
        return given

    @staticmethod
    def wanted(given: dict[str, Any]) -> list[str]:
        return [*given.get("scopes", ()), *given.get("ingest", ())]


@require_http_methods(["GET", "HEAD", "POST"])
def tokens(request: HttpRequest) -> HttpResponse:
    """The list with a form below; POST makes one and shows it, this once."""
    owner = person(request)
    form = TokenForm(request.POST or None, owner=owner)
    made, status = "", 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            made, status = _make(request, form), 201
            form = TokenForm(owner=owner)
    listed = _rows(request, owner)
    response = show(
        request, "access/tokens.html", "API tokens", "tokens", status, form=form, made=made, list=listed
    )
    response.headers["Cache-Control"] = "no-store, private"
    return response


def _make(request: HttpRequest, form: TokenForm) -> str:
    given = form.cleaned_data
    until = timezone.now() + timedelta(days=int(given["days"])) if given["days"] else None
    row, token = api_token.create(form.owner, given["name"], form.wanted(given), until)
    trail.record(actor_of(request), "token.created", str(row), scopes=row.scopes)
    return token


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
        messages.success(request, f"{row.prefix}… opens nothing any more.")
    return redirect("tokens")

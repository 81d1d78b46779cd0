"""Masking rules: what they hide, and from which topics. Admins only."""

from __future__ import annotations

from django import forms
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_http_methods, require_POST

from dashboard.access.needs import needs_role, show
from dashboard.access.roles import Role
from dashboard.audit.trail import actor_of

from . import rules
from .models import MaskingRule


class RuleForm(forms.Form):
    topics = forms.CharField(
        label="Topics",
        max_length=249,
        help_text="A name, or a pattern: shop.* or *. Their dead letters are meant too.",
    )
    field = forms.CharField(
        label="Field",
        max_length=500,
        help_text="A name, hidden wherever it stands in JSON and as a header: email. "
        "Or a JSON path of the value: $.customer.email. Or @key, or @value.",
    )


@needs_role(Role.ADMIN)
@require_http_methods(["GET", "HEAD", "POST"])
def masking(request: HttpRequest) -> HttpResponse:
    """The list with a form below; POST adds a rule, in force at once."""
    form, status = RuleForm(request.POST or None), 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            try:
                rules.add(form.cleaned_data["topics"], form.cleaned_data["field"], actor_of(request))
                return redirect("masking")
            except ValidationError as reason:
                form.add_error(reason.code, reason.message)
    rows = rules.listed()
    return show(request, "access/masking.html", "Masking", "masking", status, form=form, rows=rows)


@needs_role(Role.ADMIN)
@require_POST
def remove(request: HttpRequest, number: int) -> HttpResponse:
    rules.remove(get_object_or_404(MaskingRule, pk=number), actor_of(request))
    return redirect("masking")

"""What is asked of who adds a person or makes a token: the same by page and API."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

from django import forms
from django.contrib.auth.forms import UsernameField
from django.contrib.auth.validators import UnicodeUsernameValidator

from dashboard.access.models import User
from dashboard.access.roles import Role, has_role
from dashboard.access.scopes import INGEST, SCOPES, allows, is_scope, least_role

ROLES = [(role.value, role.value) for role in Role]
LIFETIMES = (("7", "7 days"), ("30", "30 days"), ("90", "90 days"), ("365", "a year"), ("", "until revoked"))


def plain_text(text: str) -> None:
    """Raises ValidationError for what could hide, move a terminal's cursor or turn the reading direction."""
    if not text.isprintable():
        raise forms.ValidationError("Use letters that can be seen: no line ends, control or direction marks.")


class PersonForm(forms.Form):
    username = UsernameField(label="Name", max_length=150, validators=[UnicodeUsernameValidator()])
    role = forms.ChoiceField(label="Role", choices=ROLES)


class RoleForm(forms.Form):
    role = forms.ChoiceField(choices=ROLES)


class TokenForm(forms.Form):
    """What the owner's role does not allow is not offered: such a scope would open nothing.

    `held`: scopes of the token that asks; what they do not allow is refused. None: a person asks.
    """

    name = forms.CharField(label="What it is for", max_length=100, validators=[plain_text])
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

    def __init__(self, *args: Any, owner: User, held: Collection[str] | None = None, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.owner, self._held = owner, held
        self.beyond: list[str] = []  # what was asked for and the token that asks does not have
        self.fields["scopes"].choices = [  # type: ignore[attr-defined]
            (scope, f"{scope} — {says}")
            for scope, says in SCOPES.items()
            if has_role(owner, least_role(scope))
        ]
        if not has_role(owner, least_role(INGEST)):
            del self.fields["ingest"]

    def clean_scopes(self) -> list[str]:
        return self._only_held(self.cleaned_data["scopes"])

    def clean_ingest(self) -> list[str]:
        found = [INGEST + topic for topic in re.split(r"[,\s]+", self.cleaned_data["ingest"]) if topic]
        for scope in found:
            if not is_scope(scope):
                raise forms.ValidationError(f"“{scope.removeprefix(INGEST)}” is no name of a topic.")
        return self._only_held(found)

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        if not self.errors and not self.wanted(given):
            self.add_error("scopes", "Choose at least one: a token without a scope opens nothing.")
        return given

    def _only_held(self, wanted: list[str]) -> list[str]:
        held = self._held
        beyond = [] if held is None else [scope for scope in wanted if not allows(held, scope)]
        if beyond:
            self.beyond += beyond
            raise forms.ValidationError(
                f"The token that asks has no {beyond[0]}, so it cannot give it either."
            )
        return wanted

    @staticmethod
    def wanted(given: dict[str, Any]) -> list[str]:
        return [*given.get("scopes", ()), *given.get("ingest", ())]

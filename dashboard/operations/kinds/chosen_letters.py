"""Which dead letters an operation is about: its form, the filter that comes of it, and the same on a command line."""

from __future__ import annotations

from shlex import quote
from typing import Any, ClassVar

from django import forms

from dashboard.masking.rules import shield_of
from streamlab.broker import Broker
from streamlab.delivery.dead_letter import LetterAddress
from streamlab.delivery.dead_letters import DeadLetters, all_dead_letters
from streamlab.delivery.letter_filter import LetterFilter

from ..kind import Contents, Form, Spec
from .fields import iso

CONTENTS = Contents(
    lambda spec: [spec["dlq"]],
    spec=("text", "key", "merge"),
    facts=("First changed, before", "and after"),
    columns=("Message",),
)


class LettersForm(Form):
    """Which letters are meant. All that is given must hold."""

    sections: ClassVar = {
        "fingerprint": "Which of them? All that is given must hold; empty fields leave nothing out.",
        "to": "What happens to them",
        "reason": "What is written down",
    }
    dlq = forms.ChoiceField(label="Dead letters of")
    fingerprint = forms.CharField(
        label="Failure", required=False, max_length=64, help_text="Its fingerprint."
    )
    error = forms.CharField(
        label="Error class", required=False, max_length=300, help_text="KeyError, or with its module."
    )
    text = forms.CharField(
        label="Text", required=False, max_length=300, help_text="In error, key, value or headers."
    )
    key = forms.CharField(label="Key", required=False, max_length=2_000, help_text="Exactly.")
    partition = forms.IntegerField(label="Partition", required=False, min_value=0)
    since = forms.DateTimeField(
        label="Died since (UTC)",
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local", "step": "1"}),
    )
    letters = forms.CharField(
        label="Single letters",
        required=False,
        max_length=20_000,
        help_text="As topic/partition@offset, separated by spaces. Empty: all that the rest finds.",
    )

    def fill(self) -> None:
        found = all_dead_letters(self.broker.connection)
        self.fields["dlq"].choices = [  # type: ignore[attr-defined]
            (dlq, f"{source.group} on {source.topic}") for dlq, source in sorted(found.items())
        ]

    def clean_letters(self) -> list[str]:
        try:
            return [str(LetterAddress.parse(text)) for text in self.cleaned_data["letters"].split()]
        except ValueError as error:
            raise forms.ValidationError(str(error)) from error

    def clean(self) -> dict[str, Any]:
        """Counting letters by what they hold would tell what they hold."""
        given = super().clean() or {}
        hidden = shield_of(given["dlq"]).active if given.get("dlq") else False
        for name in ("text", "key"):
            if hidden and given.get(name):
                self.add_error(name, "Masking rules hide these records, so nothing is searched in them.")
        return given

    def spec(self) -> dict[str, Any]:
        given = self.cleaned_data
        spec: dict[str, Any] = {"dlq": given["dlq"]}
        for name in ("fingerprint", "error", "text", "key", "partition", "letters"):
            if given[name] not in (None, "", []):
                spec[name] = given[name]
        if given["since"] is not None:
            spec["since_ms"] = int(given["since"].timestamp() * 1000)
        return spec


def filter_of(spec: Spec) -> LetterFilter:
    return LetterFilter(
        fingerprints=[spec["fingerprint"]] if "fingerprint" in spec else [],
        error_classes=[spec["error"]] if "error" in spec else [],
        text=spec.get("text"),
        key=spec["key"].encode() if "key" in spec else None,
        partitions=[spec["partition"]] if "partition" in spec else [],
        since_ms=spec.get("since_ms"),
        decisions=[spec["decision"]] if "decision" in spec else [],
        letters=[LetterAddress.parse(text) for text in spec.get("letters", [])],
    )


def letters_of(broker: Broker, spec: Spec) -> DeadLetters:
    return DeadLetters.named(broker.connection, spec["dlq"])


def options(spec: Spec) -> list[str]:
    """The filter on a command line."""
    words = []
    for name, option in (
        ("fingerprint", "--fingerprint"),
        ("error", "--error"),
        ("text", "--text"),
        ("key", "--key"),
        ("partition", "--partition"),
        ("decision", "--decision"),
    ):
        if name in spec:
            words += [option, quote(str(spec[name]))]
    if "since_ms" in spec:
        words += ["--since", iso(spec["since_ms"])]
    for letter in spec.get("letters", []):
        words += ["--letter", quote(letter)]
    return words

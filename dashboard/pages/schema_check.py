"""Try a schema before it is registered: is it compatible, what differs, and which records would it fail to read?

Looks only; so a viewer may, too. Registering it is an operation.
"""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from dashboard.broker import broker
from dashboard.masking.rules import shield_of
from dashboard.presenters import records, schemas
from dashboard.presenters.schema_diff import differences
from dashboard.schema_registry.core import registry
from streamlab.delivery.dead_letters import all_dead_letters
from streamlab.errors import StreamlabError
from streamlab.model import ConsumerRecord
from streamlab.schemas import trial
from streamlab.schemas.errors import SubjectNotFoundError
from streamlab.schemas.model import Schema, SchemaType

from .registry import menu

LIVE_RECORDS = 2_000
DEAD_LETTERS = 500
MOST_CHARS = 500_000


class CandidateForm(forms.Form):
    type = forms.ChoiceField(label="Type", choices=[(t.value, t.value) for t in SchemaType])
    text = forms.CharField(
        label="Schema",
        max_length=MOST_CHARS,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 18, "spellcheck": "false", "class": "code"}),
    )
    topic = forms.CharField(
        label="Try it on the records of", required=False, max_length=249, help_text="A topic. Empty: on none."
    )

    def clean_topic(self) -> str:
        """What a candidate fails on tells what a record holds, so it is not tried where that is hidden."""
        topic: str = self.cleaned_data["topic"].strip()
        if topic and shield_of(topic).active:
            raise forms.ValidationError("Masking rules hide its records, so nothing is tried on them.")
        return topic


@require_http_methods(["GET", "HEAD", "POST"])
def check(request: HttpRequest, subject: str) -> HttpResponse:
    """GET begins with the latest version, POST says everything about what was written."""
    form = CandidateForm(request.POST or None, initial=_latest(subject))
    context: dict[str, Any] = {
        "title": subject,
        "menu": menu(),
        "current": "schemas",
        "subject": subject,
        "form": form,
    }
    status = 200
    if request.method == "POST":
        if form.is_valid():
            try:
                context |= _verdict(subject, form.cleaned_data)
            except StreamlabError as error:
                form.add_error("text", str(error))
        status = 422 if form.errors else 200
    return render(request, "pages/schema/check.html", context, status=status)


def _latest(subject: str) -> dict[str, str]:
    topic = subject.removesuffix(schemas.VALUE) if subject.endswith(schemas.VALUE) else ""
    try:
        schema = registry().version(subject).schema
    except StreamlabError:
        return {"type": SchemaType.AVRO.value, "text": "", "topic": topic}
    return {"type": schema.type.value, "text": schemas.laid_out(schema.text), "topic": topic}


def _verdict(subject: str, given: dict[str, str]) -> dict[str, Any]:
    """Raises InvalidSchemaError."""
    known = registry()
    candidate = Schema(given["text"], SchemaType(given["type"]), _references(subject))
    problems = known.check(subject, candidate)
    try:
        latest = known.version(subject)
        changes = differences(schemas.tree_of(latest.schema.text), schemas.tree_of(given["text"]))
    except SubjectNotFoundError:
        latest, changes = None, []
    live, dead = _trials(candidate, given["topic"].strip())
    return {
        "checked": True,
        "level": str(known.level(subject)),
        "problems": problems,
        "latest": latest.version if latest else None,
        "changes": changes,
        "trials": [
            (name, t, _rows(t)) for name, t in (("live records", live), ("dead letters", dead)) if t.looked_at
        ],
        "topic": given["topic"].strip(),
        "candidate": given,
    }


def _references(subject: str) -> Any:
    """Those of the latest version: a candidate is most often the same with a change."""
    try:
        return registry().version(subject).schema.references
    except StreamlabError:
        return ()


def _trials(candidate: Schema, topic: str) -> tuple[trial.Trial, trial.Trial]:
    connection = broker().connection
    if not topic:
        return trial.Trial(failing=[]), trial.Trial(failing=[])
    live = trial.try_on(registry(), candidate, trial.newest(connection, topic, LIVE_RECORDS))
    letters: list[ConsumerRecord] = []
    for dlq, source in all_dead_letters(connection).items():
        if source.topic == topic and len(letters) < DEAD_LETTERS:
            letters += trial.newest(connection, dlq, DEAD_LETTERS - len(letters))
    return live, trial.try_on(registry(), candidate, letters)


def _rows(found: trial.Trial) -> list[tuple[records.RecordRow, str]]:
    return [(records.row(failing.record, 0), failing.reason) for failing in found.failing]

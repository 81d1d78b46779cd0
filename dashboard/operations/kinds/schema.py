"""Register a schema as a subject's next version."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms

from dashboard.presenters.schema_diff import differences
from dashboard.presenters.schemas import tree_of
from dashboard.schema_registry.core import registry
from streamlab.broker import Broker
from streamlab.errors import StreamlabError
from streamlab.schemas.errors import SubjectNotFoundError
from streamlab.schemas.guards import check_subject
from streamlab.schemas.model import Schema, SchemaType, Version

from ..kind import Form, Job, Kind, Preview, Result, Spec, WorldMoved
from .fields import plural, shortened, some

MOST_CHARS = 500_000


class RegisterForm(Form):
    subject = forms.CharField(
        label="Subject", max_length=500, help_text="TOPIC-value for the values of a topic."
    )
    type = forms.ChoiceField(label="Type", choices=[(t.value, t.value) for t in SchemaType])
    text = forms.CharField(
        label="Schema",
        max_length=MOST_CHARS,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 16, "spellcheck": "false", "class": "code"}),
    )

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        if self.errors:
            return given
        try:
            check_subject(given["subject"])
        except StreamlabError as error:
            self.add_error("subject", str(error))
            return given
        try:
            registry().check(given["subject"], _schema(given))
        except StreamlabError as error:
            self.add_error("text", str(error))
        return given


def _schema(spec: Spec) -> Schema:
    latest = _latest(spec["subject"])
    return Schema(spec["text"], SchemaType(spec["type"]), latest.schema.references if latest else ())


def _latest(subject: str) -> Version | None:
    try:
        return registry().version(subject)
    except SubjectNotFoundError:
        return None


def preview(broker: Broker, spec: Spec) -> Preview:
    known, subject = registry(), spec["subject"]
    latest = _latest(subject)
    problems = known.check(subject, _schema(spec))
    level = known.level(subject)
    next_version = latest.version + 1 if latest else 1
    changes = differences(tree_of(latest.schema.text), tree_of(spec["text"])) if latest else []
    same = bool(latest) and not changes
    return Preview(
        effect=f"Version {next_version} of {subject}, {plural(len(changes), 'change')} away from the one before."
        if latest
        else f"The first version of {subject}.",
        facts=[
            ("Type", spec["type"]),
            ("Compatibility", str(level)),
            ("Latest", str(latest.version) if latest else "none"),
        ],
        table=shortened(
            ("Place", "Change", "Before", "After"), [[c.path, c.kind, c.before, c.after] for c in changes]
        )
        if changes
        else None,
        warnings=some([f"Version {p.version}: {p}" for p in problems]),
        blocked=f"It is not {level.lower().replace('_', ' ')} compatible."
        if problems
        else "It is the latest version already."
        if same
        else "",
        world={"latest": latest.version if latest else 0},
    )


def run(broker: Broker, spec: Spec, world: Mapping[str, Any], job: Job) -> Result:
    latest = _latest(spec["subject"])
    if (latest.version if latest else 0) != world["latest"]:
        raise WorldMoved(f"{spec['subject']} has another latest version by now.")
    registered = registry(job.by).register(spec["subject"], _schema(spec))
    job.tell(1, 1)
    return Result(f"{spec['subject']} version {registered.version} has id {registered.id}.")


KIND = Kind(
    name="register-schema",
    title="Register a schema",
    verb="Register",
    about="Make a schema a subject's next version, after a look at what it changes.",
    form=RegisterForm,
    subject=lambda spec: f"subject {spec['subject']}",
    preview=preview,
    run=run,
    command=lambda spec: "",
)

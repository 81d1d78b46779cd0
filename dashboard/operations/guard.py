"""Keeps a running experiment from being disturbed by accident: what would change what it measures is refused until it
has ended, what might disturb it is warned of."""

from __future__ import annotations

from dataclasses import replace

from dashboard.presenters.figures import clock
from streamlab.broker import Broker
from streamlab.lab.experiments import notes
from streamlab.lab.experiments.notes import Note
from streamlab.lab.loads.load import Load

from .kind import Kind, Preview, Spec

HARMLESS = frozenset({"experiment", "register-schema", "create-topic", "discard", "restore"})
"""Kinds that change nothing that an experiment measures; of two experiments the second refuses itself."""


def guarded(broker: Broker, kind: Kind, spec: Spec, seen: Preview) -> Preview:
    """The preview, with what it would do to a running experiment. Raises StreamlabError."""
    refused, warning = look(broker, kind, spec)
    if warning:
        seen = replace(seen, warnings=[*seen.warnings, warning])
    return replace(seen, blocked=seen.blocked or refused)


def look(broker: Broker, kind: Kind, spec: Spec) -> tuple[str, str]:
    """(why it is refused now, what it might disturb); "" for nothing. Raises StreamlabError."""
    if kind.name in HARMLESS:
        return "", ""
    note = notes.current(broker.connection)
    if note is None:
        return "", ""
    until = clock(round(note.started_ms + note.plan.seconds * 1000))
    if _about(kind.subject(spec)) in _measured(note):
        return (
            f"An experiment measures {note.plan.topic} and turns {note.plan.setting} of {note.plan.entity} "
            f"until about {until} UTC. Wait for it, or stop it first.",
            "",
        )
    return (
        "",
        f"An experiment on {note.plan.entity} runs until about {until} UTC; this may disturb what it measures.",
    )


def _about(subject: str) -> tuple[str, str]:
    """
    >>> _about("group revenue"), _about("client:checkout"), _about("broker")
    (('group', 'revenue'), ('client', 'checkout'), ('broker', ''))
    """
    head, _, name = subject.replace(":", " ", 1).partition(" ")
    return head, name


def _measured(note: Note) -> set[tuple[str, str]]:
    """What must stay as it is while it runs."""
    plan = note.plan
    found = {_about(plan.entity), ("topic", plan.topic)}
    if plan.group:
        found.add(("group", plan.group))
    prefix = Load(name="x").topic_name.removesuffix("x")
    if plan.topic.startswith(prefix):
        found.add(("load", plan.topic.removeprefix(prefix)))
    return found

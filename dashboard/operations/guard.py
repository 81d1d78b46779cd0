"""Keeps a running experiment from being disturbed by accident: the rule is the lab's, here it meets operations."""

from __future__ import annotations

from dataclasses import replace

from streamlab.broker import Broker
from streamlab.lab.experiments import guard
from streamlab.lab.experiments.guard import Guarded

from .kind import Kind, Preview, Spec

HARMLESS = frozenset({"experiment", "register-schema", "create-topic", "discard", "restore"})
"""Kinds that change nothing that an experiment measures; of two experiments the second refuses itself."""


def guarded(broker: Broker, kind: Kind, spec: Spec, seen: Preview) -> Preview:
    """The preview, with what it would do to a running experiment. Raises StreamlabError."""
    refused, warning = look(broker, kind, spec)
    if warning:
        seen = replace(seen, warnings=[*seen.warnings, warning])
    return replace(seen, blocked=seen.blocked or refused)


def look(broker: Broker, kind: Kind, spec: Spec) -> Guarded:
    """Raises StreamlabError."""
    if kind.name in HARMLESS:
        return Guarded()
    found = guard.look(broker.connection, kind.subject(spec))
    into = "" if found.refused else kind.into(broker, spec)
    return guard.look(broker.connection, f"topic {into}") if into else found

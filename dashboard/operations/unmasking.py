"""Keeps what masking rules hide from being read where an operation copies it to: only an Admin may do that, and it is
audited as a reveal, for that is what it is."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from dashboard.access.roles import Role, has_role
from dashboard.audit.trail import Actor
from dashboard.masking.rules import rules
from dashboard.masking.shield import bared, depending
from streamlab.broker import Broker

from .kind import Kind, Preview, Spec


def may_reveal(actor: Actor) -> bool:
    return actor.user is not None and actor.reveals and has_role(actor.user, Role.ADMIN)


class Revealed(NamedTuple):
    """What everybody could read that masking rules hide now."""

    says: str  # one sentence
    instead: str  # what to do about it, to who may not reveal it

    @property
    def refusal(self) -> str:
        return f"{self.says} {self.instead}"


def would_reveal(broker: Broker, kind: Kind, spec: Spec) -> Revealed | None:
    """Raises StreamlabError."""
    copied = kind.copies(broker, spec)
    if copied is None:
        return None
    known, into = rules(), copied.into
    fields = bared(known, copied.topics, into) if into else []
    if fields:
        are, them = ("is", "it") if len(fields) == 1 else ("are", "them")
        return Revealed(
            f"{', '.join(fields)} {are} hidden in {copied.topics[0]}; in {into} everybody would read {them}.",
            f"Have an Admin give {into} the same masking rules, or do this.",
        )
    paths = depending(known, copied.topics) if copied.edited else []
    if paths:
        return Revealed(
            f"What {', '.join(paths)} hides depends on what else a record says, which the change may undo.",
            "Leave out the change, or have an Admin do this.",
        )
    return None


def judged(broker: Broker, kind: Kind, spec: Spec, seen: Preview, actor: Actor) -> Preview:
    """The preview, with what it would reveal: a warning to who may, a refusal to others. Raises StreamlabError."""
    revealed = would_reveal(broker, kind, spec)
    if revealed is None:
        return seen
    if may_reveal(actor):
        return replace(seen, warnings=[*seen.warnings, f"{revealed.says} It is audited as a reveal."])
    return replace(seen, blocked=seen.blocked or revealed.refusal)

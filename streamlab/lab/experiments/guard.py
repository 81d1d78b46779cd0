"""Keeps a running experiment from being disturbed by accident: what would change what it measures is refused until it
has ended, what might disturb it is warned of. Pages, API and command line ask here before they change anything.

A subject is what a change is about: "group revenue", "topic:orders", "client:checkout", "load hot-key", "broker".
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

from ...connection import Connection
from ...delivery.dead_letter_topics import dlq_topic
from ...errors import IllegalStateError
from ...metrics.telemetry import read_states
from ..loads.load import TOPIC_PREFIX
from . import notes
from .notes import Note
from .plan import Plan


class Guarded(NamedTuple):
    """What a change would do to the experiment that runs; both "" when it does nothing, or none runs."""

    refused: str = ""  # why it must wait
    warning: str = ""  # what it might disturb


def look(connection: Connection, subject: str) -> Guarded:
    """Raises StreamlabError."""
    note = notes.current(connection)
    if note is None:
        return Guarded()
    plan, until = note.plan, _until(note)
    if _is_measured(connection, plan, *about(subject)):
        return Guarded(
            refused=f"An experiment measures {plan.topic} and turns {plan.setting} of {plan.entity} until about "
            f"{until}. Wait for it, or stop it first."
        )
    return Guarded(
        warning=f"An experiment on {plan.entity} runs until about {until}; this may disturb what it measures."
    )


def require_undisturbed(connection: Connection, *subjects: str) -> str:
    """What might be disturbed, "" for nothing. Raises IllegalStateError for what is measured now."""
    warning = ""
    for subject in subjects:
        seen = look(connection, subject)
        if seen.refused:
            raise IllegalStateError(seen.refused)
        warning = warning or seen.warning
    return warning


def about(subject: str) -> tuple[str, str]:
    """
    >>> about("group revenue"), about("client:checkout"), about("broker")
    (('group', 'revenue'), ('client', 'checkout'), ('broker', ''))
    """
    head, _, name = subject.replace(":", " ", 1).partition(" ")
    return head, name


def _until(note: Note) -> str:
    return f"{datetime.fromtimestamp(note.started_ms / 1000 + note.plan.seconds, UTC):%H:%M:%S} UTC"


def _is_measured(connection: Connection, plan: Plan, kind: str, name: str) -> bool:
    if (kind, name) == about(plan.entity):
        return True
    match kind:
        case "broker":
            return True  # its defaults hold for everybody
        case "topic":
            return name == plan.topic
        case "group":
            return name == plan.group
        case "load":
            return plan.topic == TOPIC_PREFIX + name
        case "letters":  # which go back to where they came from
            return plan.group is not None and name == dlq_topic(plan.topic, plan.group)
        case "client":
            return _is_measured_client(connection, plan, name)
        case _:
            return False


def _is_measured_client(connection: Connection, plan: Plan, client_id: str) -> bool:
    """A producer whose latencies count, or a member of the group."""
    running = [client for client in read_states(connection).values() if client.client_id == client_id]
    if any(client.group == plan.group for client in running if client.group):
        return True
    produces = any(client.kind == "producer" for client in running)
    return produces and client_id.startswith(plan.producers)

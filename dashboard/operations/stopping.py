"""Stop an experiment, whoever started it and from where. No operation of its own: it stops one."""

from __future__ import annotations

from dashboard.audit import trail
from dashboard.audit.trail import Actor
from dashboard.broker import broker
from streamlab.lab.experiments import stopping

from . import life
from .models import ACTIVE, Operation


def stop_experiment(id: str, actor: Actor) -> None:
    """Its process puts the setting back within a second or two. Raises NotNow, StreamlabError when it does not run."""
    started_here = Operation.objects.filter(kind="experiment", progress__experiment=id, state__in=ACTIVE)
    operation = started_here.first()
    if operation is not None:
        life.cancel(operation, actor)
        return
    who = actor.user.get_username() if actor.user else ""
    note = stopping.ask(broker().connection, who, id)
    trail.record(actor, "experiment.stop", note.plan.entity, experiment=id)

"""Change how many consumers a group of the demo's shop has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms

from dashboard.presenters.words import plural
from streamlab.broker import Broker
from streamlab.lab.shop import manager
from streamlab.lab.shop.layout import DEPARTMENTS, DESIRED_KEY, MOST_CONSUMERS

from ..kind import Form, Job, Kind, Preview, Result, Spec, WorldMoved
from .fields import shell


class ScaleForm(Form):
    group = forms.ChoiceField(label="Group", choices=[(name, name) for name in DEPARTMENTS])
    consumers = forms.IntegerField(
        label="Consumers", min_value=0, max_value=MOST_CONSUMERS, initial=2, help_text="0 stops the group."
    )


def _wanted(broker: Broker, group: str) -> int:
    [stored] = broker.connection.execute_many([("HGET", DESIRED_KEY, group)])
    return DEPARTMENTS[group].consumers if stored is None else int(stored)


def preview(broker: Broker, spec: Spec) -> Preview:
    now, then = _wanted(broker, spec["group"]), spec["consumers"]
    runs = manager.status(broker.connection) is not None
    moves = "Its partitions are shared out again." if now != then else "That is what it has."
    return Preview(
        effect=f"Group {spec['group']} goes from {plural(now, 'consumer')} to {then}. {moves}",
        facts=[("Now", str(now)), ("Afterwards", str(then))],
        warnings=[] if runs else ["The demo's shop does not run; this holds from its next start on."],
        undo=f"An undo goes back to {now}.",
        world={"consumers": now},
    )


def run(broker: Broker, spec: Spec, world: Mapping[str, Any], job: Job) -> Result:
    now = _wanted(broker, spec["group"])
    if now != world["consumers"]:
        raise WorldMoved(f"the group has {plural(now, 'consumer')} by now, not {world['consumers']}.")
    manager.set_desired(broker.connection, spec["group"], spec["consumers"])
    job.tell(1, 1)
    return Result(
        f"Group {spec['group']} shall have {plural(spec['consumers'], 'consumer')}.",
        data={"before": world["consumers"]},
    )


KIND = Kind(
    name="scale-consumers",
    title="Scale the demo's consumers",
    verb="Scale",
    about="Start or stop consumers of a group of the simulated shop, and watch the partitions move.",
    form=ScaleForm,
    subject=lambda spec: f"group {spec['group']}",
    preview=preview,
    run=run,
    command=lambda spec: shell("shop scale", spec["group"], str(spec["consumers"])),
    undo=lambda spec, data: ("scale-consumers", {"group": spec["group"], "consumers": data["before"]}),
)

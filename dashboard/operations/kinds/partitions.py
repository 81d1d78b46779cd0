"""Add partitions to a topic. They can't be taken away again, and keys move."""

from __future__ import annotations

from collections.abc import Mapping
from shlex import quote
from typing import Any

from django import forms

from streamlab.broker import Broker
from streamlab.topics import MAX_PARTITIONS

from ..kind import Form, Job, Kind, Preview, Result, Spec, WorldMoved
from .fields import offer_topics, partitions_of, plural, shell, topic_field


class PartitionsForm(Form):
    topic = topic_field()
    total = forms.IntegerField(
        label="Partitions afterwards", min_value=2, max_value=MAX_PARTITIONS, help_text="The new total."
    )

    def fill(self) -> None:
        offer_topics(self.fields["topic"], self.broker)

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        if given.get("topic") and given.get("total"):
            now = len(partitions_of(self.broker, given["topic"]))
            if given["total"] <= now:
                self.add_error("total", f"It has {now} already; partitions can be added, never removed.")
        return given


def preview(broker: Broker, spec: Spec) -> Preview:
    now, total = len(partitions_of(broker, spec["topic"])), spec["total"]
    return Preview(
        effect=f"Topic {spec['topic']} grows from {plural(now, 'partition')} to {total}.",
        facts=[("Now", f"{now}"), ("Afterwards", f"{total}"), ("New", f"{total - now}")],
        warnings=[
            "Partitions cannot be removed again.",
            "Records with a key may go to another partition than earlier ones with the same key: the order of a key "
            "holds from here on, not across this moment.",
        ],
        blocked=""
        if total > now
        else f"It has {plural(now, 'partition')} already; they can be added, never removed.",
        world={"partitions": now},
    )


def run(broker: Broker, spec: Spec, world: Mapping[str, Any], job: Job) -> Result:
    now = len(partitions_of(broker, spec["topic"]))
    if now != world["partitions"]:
        raise WorldMoved(f"the topic has {now} partitions by now, not {world['partitions']}.")
    broker.admin().create_partitions({spec["topic"]: spec["total"]})
    job.tell(1, 1)
    return Result(f"Topic {spec['topic']} has {spec['total']} partitions.")


KIND = Kind(
    name="add-partitions",
    title="Add partitions",
    verb="Add",
    about="Let more consumers of a group work on a topic at once.",
    form=PartitionsForm,
    subject=lambda spec: f"topic {spec['topic']}",
    preview=preview,
    run=run,
    command=lambda spec: shell(
        "topics add-partitions", quote(spec["topic"]), str(spec["total"]), "--execute"
    ),
)

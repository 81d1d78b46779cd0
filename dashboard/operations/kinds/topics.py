"""Make a topic, and delete one with all that it holds."""

from __future__ import annotations

from collections.abc import Mapping
from shlex import quote
from typing import Any

from django import forms

from dashboard.presenters.figures import size
from dashboard.presenters.words import listed
from streamlab.broker import Broker
from streamlab.errors import StreamlabError
from streamlab.topics import MAX_PARTITIONS, Topics, check_name, is_internal

from ..kind import Form, Job, Kind, Preview, Result, Spec, WorldMoved
from .fields import offer_topics, plural, shell, topic_field

DAY_MS = 86_400_000


class CreateForm(Form):
    topic = forms.CharField(label="Name", max_length=249)
    partitions = forms.IntegerField(label="Partitions", min_value=1, max_value=MAX_PARTITIONS, initial=6)
    retention_days = forms.FloatField(
        label="Kept for (days)", initial=7, min_value=-1, help_text="-1 keeps records for ever."
    )

    def clean_topic(self) -> str:
        topic: str = self.cleaned_data["topic"]
        try:
            check_name(topic)
        except StreamlabError as error:
            raise forms.ValidationError(str(error)) from error
        if Topics(self.broker.connection).get(topic) is not None:
            raise forms.ValidationError(f"Topic {topic} exists already.")
        return topic

    def spec(self) -> dict[str, Any]:
        days = self.cleaned_data["retention_days"]
        retention_ms = -1 if days < 0 else int(days * DAY_MS)
        return {
            "topic": self.cleaned_data["topic"],
            "partitions": self.cleaned_data["partitions"],
            "configs": {"retention.ms": retention_ms},
        }

    @classmethod
    def entered(cls, spec: Spec) -> Mapping[str, Any]:
        retention_ms = spec["configs"]["retention.ms"]
        days = -1 if retention_ms < 0 else round(retention_ms / DAY_MS, 6)
        return {"topic": spec["topic"], "partitions": spec["partitions"], "retention_days": days}


def _preview_create(broker: Broker, spec: Spec) -> Preview:
    there = Topics(broker.connection).get(spec["topic"]) is not None
    retention_ms = spec["configs"]["retention.ms"]
    kept = "for ever" if retention_ms < 0 else f"for {retention_ms / DAY_MS:g} days"
    return Preview(
        effect=f"Topic {spec['topic']} is made with {plural(spec['partitions'], 'partition')}; records stay {kept}.",
        facts=[("Partitions", str(spec["partitions"])), ("Kept", kept)],
        blocked="It exists already." if there else "",
        undo="An undo deletes the topic with what it holds by then.",
    )


def _create(broker: Broker, spec: Spec, world: Mapping[str, Any], job: Job) -> Result:
    wanted = {"num_partitions": spec["partitions"], "configs": spec["configs"]}
    broker.admin().create_topics({spec["topic"]: wanted})
    job.tell(1, 1)
    return Result(f"Topic {spec['topic']} has {plural(spec['partitions'], 'partition')}.")


CREATE = Kind(
    name="create-topic",
    title="Create a topic",
    verb="Create",
    about="Make a topic before anything is sent to it, with the partitions that it needs.",
    form=CreateForm,
    subject=lambda spec: f"topic {spec['topic']}",
    preview=_preview_create,
    run=_create,
    command=lambda spec: shell(
        "topics create",
        quote(spec["topic"]),
        f"--partitions {spec['partitions']}",
        f"--config retention.ms={spec['configs']['retention.ms']}",
    ),
    undo=lambda spec, data: ("delete-topic", {"topic": spec["topic"]}),
)


class DeleteForm(Form):
    topic = topic_field()

    def fill(self) -> None:
        offer_topics(self.fields["topic"], self.broker)


def _preview_delete(broker: Broker, spec: Spec) -> Preview:
    admin, topic = broker.admin(), spec["topic"]
    edges = admin.list_partition_offsets(topic)
    records = sum(edge.log_end - edge.log_start for edge in edges.values())
    held = sum(edge.size_bytes for edge in edges.values())
    names = [group["group_id"] for group in admin.list_groups()]
    offsets = admin.list_group_offsets({name: list(edges) for name in names})
    groups = sorted(name for name, commits in offsets.items() if commits)
    warnings = ["Producers that send to it make it anew, empty, where topics are made at their first use."]
    if groups:
        warnings.insert(0, f"The offsets of {listed(groups)} on it are forgotten.")
    return Preview(
        effect=f"Topic {topic} and its {plural(records, 'record')} will be removed for good.",
        facts=[
            ("Records", f"{records:,}"),
            ("Bytes", size(held).plain),
            ("Partitions", str(len(edges))),
            ("Groups", str(len(groups))),
        ],
        warnings=warnings,
        blocked="It belongs to Streamlab itself." if is_internal(topic) else "",
        world={"created_ms": Topics(broker.connection).require(topic).created_ms},
    )


def _delete(broker: Broker, spec: Spec, world: Mapping[str, Any], job: Job) -> Result:
    spec_now = Topics(broker.connection).get(spec["topic"])
    if spec_now is not None and spec_now.created_ms != world["created_ms"]:
        raise WorldMoved("the topic was deleted and made anew since.")
    if spec_now is not None:
        broker.admin().delete_topics([spec["topic"]])
    job.tell(1, 1)
    return Result(f"Topic {spec['topic']} is deleted.")


DELETE = Kind(
    name="delete-topic",
    title="Delete a topic",
    verb="Delete",
    about="Remove a topic with all its records and what groups have committed on it.",
    form=DeleteForm,
    subject=lambda spec: f"topic {spec['topic']}",
    preview=_preview_delete,
    run=_delete,
    command=lambda spec: shell("topics delete", quote(spec["topic"]), "--yes"),
    resumable=True,
    dangerous=True,
)

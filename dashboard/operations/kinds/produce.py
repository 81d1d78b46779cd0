"""Send one record by hand, to see what it does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms

from dashboard.masking.rules import shield_of
from dashboard.presenters.figures import size
from streamlab.broker import Broker
from streamlab.errors import StreamlabError
from streamlab.partitioner import partition_for

from ..kind import Contents, Form, GaveUp, Job, Kind, Preview, Result, Spec
from .fields import offer_topics, partitions_of, topic_field

MOST_CHARS = 1_000_000


class ProduceForm(Form):
    topic = topic_field()
    key = forms.CharField(label="Key", required=False, max_length=10_000, help_text="Empty: no key.")
    value = forms.CharField(
        label="Value",
        required=False,
        max_length=MOST_CHARS,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 8, "spellcheck": "false"}),
    )
    headers = forms.CharField(
        label="Headers",
        required=False,
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false"}),
        help_text="One a line: name: value",
    )

    def fill(self) -> None:
        offer_topics(self.fields["topic"], self.broker)

    def clean_headers(self) -> list[list[str]]:
        found = []
        for line in self.cleaned_data["headers"].splitlines():
            name, colon, value = line.partition(":")
            if line.strip() and not colon:
                raise forms.ValidationError(f"“{line[:40]}” has no colon.")
            if line.strip():
                found.append([name.strip(), value.strip()])
        return found


def preview(broker: Broker, spec: Spec) -> Preview:
    count = len(partitions_of(broker, spec["topic"]))
    value = spec["value"].encode()
    key = spec["key"].encode()
    where = (
        f"partition {partition_for(key, count)}, by its key"
        if key
        else "a partition of the producer's choice"
    )
    return Preview(
        effect=f"One record of {size(len(value)).plain} goes to topic {spec['topic']}, {where}.",
        facts=[
            ("Key", spec["key"] or "none"),
            ("Headers", str(len(spec["headers"]))),
            ("Value", spec["value"][:200]),
        ],
        warnings=["Every group that reads the topic will handle it like any other record."],
    )


def run(broker: Broker, spec: Spec, world: Mapping[str, Any], job: Job) -> Result:
    headers = [(name, value.encode()) for name, value in spec["headers"]]
    value, key = spec["value"].encode(), spec["key"].encode() or None
    try:
        with broker.producer(client_id="streamlab-dashboard", linger_ms=0) as producer:
            sent = producer.send(spec["topic"], value, key=key, headers=headers).get(30)
    except StreamlabError as problem:
        if not shield_of(spec["topic"]).active:
            raise
        # a schema's refusal quotes it
        why = f"{type(problem).__name__}; masking rules hide the rest, it may quote the record."
        raise GaveUp(why, Result("Nothing was sent.")) from problem
    job.tell(1, 1)
    return Result(
        f"It is {sent.topic}/{sent.partition}, offset {sent.offset}.",
        data={"partition": sent.partition, "offset": sent.offset},
    )


KIND = Kind(
    name="produce",
    title="Send a test record",
    verb="Send",
    about="Put one record into a topic by hand, and watch what the groups make of it.",
    form=ProduceForm,
    subject=lambda spec: f"topic {spec['topic']}",
    preview=preview,
    run=run,
    command=lambda spec: "",
    contents=Contents(lambda spec: [spec["topic"]], ("key", "value", "headers"), ("Key", "Value")),
)

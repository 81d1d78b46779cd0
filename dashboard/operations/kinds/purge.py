"""Remove the records of a topic, or those before a moment."""

from __future__ import annotations

from collections.abc import Mapping
from shlex import quote
from typing import Any

from django import forms

from dashboard.presenters import figures
from dashboard.presenters.words import were
from streamlab.broker import Broker
from streamlab.log import PartitionLog
from streamlab.model import TopicPartition
from streamlab.topics import Topics

from ..kind import Form, Job, Kind, Preview, Result, Spec, Stopped, WorldMoved
from .fields import for_field, iso, offer_topics, partitions_of, plural, shell, shortened, topic_field


class PurgeForm(Form):
    topic = topic_field()
    before = forms.DateTimeField(
        label="Appended before (UTC)",
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local", "step": "1"}),
        help_text="Empty: everything that is there now.",
    )

    def fill(self) -> None:
        offer_topics(self.fields["topic"], self.broker)

    def spec(self) -> dict[str, Any]:
        before = self.cleaned_data["before"]
        at_ms = int(before.timestamp() * 1000) if before else None
        return {"topic": self.cleaned_data["topic"], "before_ms": at_ms}

    @classmethod
    def entered(cls, spec: Spec) -> Mapping[str, Any]:
        before_ms = spec["before_ms"]
        return {"topic": spec["topic"], "before": "" if before_ms is None else for_field(before_ms)}


def _first_kept(broker: Broker, spec: Spec) -> dict[TopicPartition, tuple[int, int]]:
    """For each partition its log start and the first offset that stays."""
    log = PartitionLog(broker.connection, Topics(broker.connection))
    edges = log.offsets(partitions_of(broker, spec["topic"]))
    before_ms: int | None = spec["before_ms"]
    if before_ms is None:
        return {p: (edge.log_start, edge.log_end) for p, edge in edges.items()}
    found = log.at_time(dict.fromkeys(edges, before_ms))
    kept = {}
    for p, edge in edges.items():
        at = found[p]
        kept[p] = (edge.log_start, at.offset if at is not None else edge.log_end)
    return kept


def preview(broker: Broker, spec: Spec) -> Preview:
    kept = _first_kept(broker, spec)
    gone = sum(keep - start for start, keep in kept.values())
    unread = _unread(broker, kept)
    when = f" appended before {figures.moment(spec['before_ms']).exact}" if spec["before_ms"] else ""
    return Preview(
        effect=f"{plural(gone, 'record')} of topic {spec['topic']}{when} will be removed for good.",
        facts=[("Removed", f"{gone:,}"), ("Partitions", f"{len(kept)}")],
        table=shortened(
            ("Partition", "Log start", "Keeps from", "Removed"),
            [[str(p), start, keep, keep - start] for p, (start, keep) in sorted(kept.items())],
        ),
        warnings=[
            f"Group {group} has not read {plural(count, 'record')} of them."
            for group, count in sorted(unread.items())
        ],
        blocked="" if gone else "There is nothing to remove.",
        world={
            "created_ms": Topics(broker.connection).require(spec["topic"]).created_ms,
            "keep": [[p.partition, start, keep] for p, (start, keep) in sorted(kept.items())],
        },
    )


def _unread(broker: Broker, kept: Mapping[TopicPartition, tuple[int, int]]) -> dict[str, int]:
    """How many of the records that go each group has not read."""
    admin = broker.admin()
    names = [group["group_id"] for group in admin.list_groups()]
    found: dict[str, int] = {}
    for name, commits in admin.list_group_offsets({name: list(kept) for name in names}).items():
        count = sum(max(0, kept[p][1] - max(commit.offset, kept[p][0])) for p, commit in commits.items())
        if count:
            found[name] = count
    return found


def run(broker: Broker, spec: Spec, world: Mapping[str, Any], job: Job) -> Result:
    topic = spec["topic"]
    keep = {TopicPartition(topic, n): (start, to) for n, start, to in world["keep"]}
    if Topics(broker.connection).require(topic).created_ms != world["created_ms"]:
        raise WorldMoved("the topic was deleted and made anew since.")
    edges = broker.admin().list_partition_offsets(topic)
    if edges.keys() != keep.keys():
        raise WorldMoved("the topic has other partitions by now.")
    removed = 0  # as previewed: a run may be the second
    for done, (partition, (start, to)) in enumerate(sorted(keep.items())):
        try:
            job.step(done, len(keep), f"partition {partition.partition}")
        except Stopped as stopped:
            raise Stopped(str(stopped), _removed(topic, removed, done, len(keep))) from None
        broker.admin().delete_records({partition: to})  # again does no harm
        removed += max(0, to - start)
    job.tell(len(keep), len(keep))
    return _removed(topic, removed, len(keep), len(keep))


def _removed(topic: str, records: int, partitions: int, of: int) -> Result:
    return Result(
        f"{plural(records, 'record')} of topic {topic} {were(records)} removed.",
        facts=[("Partitions", f"{partitions} of {of}")] if partitions < of else [],
    )


def command(spec: Spec) -> str:
    """
    >>> command({"topic": "orders", "before_ms": 1_700_000_000_000})
    '.venv/bin/python -m streamlab topics delete-records orders --before-time 2023-11-14T22:13:20.000Z --execute'
    """
    until = spec["before_ms"]
    which = "--all" if until is None else f"--before-time {iso(until)}"
    return shell("topics delete-records", quote(spec["topic"]), which, "--execute")


KIND = Kind(
    name="purge",
    title="Purge records",
    verb="Remove",
    about="Remove a topic's records for good, all or those before a moment.",
    form=PurgeForm,
    subject=lambda spec: f"topic {spec['topic']}",
    preview=preview,
    run=run,
    command=command,
    resumable=True,
    dangerous=True,
)

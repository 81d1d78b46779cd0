"""Move what a stopped group has committed: back to process again, or forward to skip."""

from __future__ import annotations

from collections.abc import Mapping
from shlex import quote
from typing import Any, ClassVar

import msgspec
from django import forms

from dashboard.presenters import figures
from dashboard.presenters.words import were
from streamlab.broker import Broker
from streamlab.groups import describe, reset
from streamlab.groups.live_reset import live_reset
from streamlab.groups.reset import Plan, ShiftBy, Target
from streamlab.log import PartitionLog
from streamlab.model import OffsetSpec, OffsetTimestamp, TopicPartition
from streamlab.topics import Topics

from ..kind import Form, Job, Kind, Preview, Result, Spec
from .fields import for_field, iso, offer_groups, offer_topics, plural, shell, shortened

TARGETS = (
    ("earliest", "the beginning of the log"),
    ("latest", "the end of the log"),
    ("datetime", "a moment"),
    ("duration", "so long ago"),
    ("shift", "so many records further, or back"),
    ("offset", "an offset"),
    ("before", "where it stood before an earlier reset"),
)
_NEEDS = {"datetime": "moment", "duration": "minutes", "shift": "records", "offset": "records"}


_HEADS = (
    "Partition",
    "Offset now",
    "Its record stored",
    "New offset",
    "Its record stored",
    "Processed again",
    "Skipped",
)


class ResetForm(Form):
    when: ClassVar = {
        "moment": ("to", "datetime"),
        "minutes": ("to", "duration"),
        "records": ("to", "shift offset"),
    }

    group = forms.ChoiceField(label="Group")
    topic = forms.ChoiceField(label="Topic", required=False)
    partitions = forms.RegexField(
        r"^\s*\d+(\s*,\s*\d+)*\s*$",
        label="Partitions",
        required=False,
        help_text="Numbers with commas, of one topic. Empty: all.",
        error_messages={"invalid": "Write numbers with commas, like 0,2,5."},
    )
    to = forms.ChoiceField(label="Move to", choices=TARGETS[:-1], initial="earliest")
    moment = forms.DateTimeField(
        label="Moment (UTC)",
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local", "step": "1"}),
        help_text="The first record appended then or later.",
    )
    minutes = forms.FloatField(label="Minutes ago", required=False, min_value=0)
    records = forms.IntegerField(
        label="Records, or the offset", required=False, help_text="A negative number of records goes back."
    )

    live = forms.BooleanField(
        label="Pause the group for it when it is running",
        required=False,
        help_text="Its members finish and commit, everything is moved, and they read on.",
    )

    def fill(self) -> None:
        offer_groups(self.fields["group"], self.broker)
        offer_topics(self.fields["topic"], self.broker, ("", "all that it has committed on"))
        self._tell_committed_topics()

    def _tell_committed_topics(self) -> None:
        """Where the group is known: first the topics that it has committed on, apart from the others."""
        group, field = self["group"].value(), self.fields["topic"]
        if not isinstance(group, str) or group not in dict(self.fields["group"].choices):  # type: ignore[attr-defined]
            return
        committed = {p.topic for p in self.broker.admin().list_group_offsets(group)[group]}
        everything, *topics = field.choices  # type: ignore[attr-defined]
        theirs = [(name, words) for name, words in topics if name in committed]
        others = [(name, words) for name, words in topics if name not in committed]
        parts = ((f"{group} has committed there", theirs), (f"{group} has committed nothing there", others))
        field.choices = [everything, *((words, names) for words, names in parts if names)]  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        needed = _NEEDS.get(given.get("to", ""))
        if needed and given.get(needed) is None and needed not in self.errors:
            self.add_error(needed, "This is needed for where it shall move to.")
        if given.get("to") == "offset" and (given.get("records") or 0) < 0:
            self.add_error("records", "An offset is 0 or more.")
        if given.get("partitions") and not given.get("topic"):
            self.add_error("partitions", "Choose the topic that these partitions belong to.")
        return given

    def spec(self) -> dict[str, Any]:
        given = self.cleaned_data
        spec: dict[str, Any] = {"group": given["group"], "topic": given["topic"], "to": given["to"]}
        if given["live"]:
            spec["live"] = True
        if given["partitions"]:
            spec["partitions"] = sorted({int(n) for n in given["partitions"].split(",")})
        if given["to"] == "datetime":
            spec["at_ms"] = int(given["moment"].timestamp() * 1000)
        elif given["to"] == "duration":
            spec["minutes"] = given["minutes"]
        elif given["to"] in ("shift", "offset"):
            spec["records"] = given["records"]
        return spec

    @classmethod
    def entered(cls, spec: Spec) -> Mapping[str, Any] | None:
        """
        >>> dict(ResetForm.entered({"group": "g", "topic": "t", "to": "datetime", "at_ms": 1_700_000_000_000,
        ...                         "partitions": [0, 2]}))
        {'group': 'g', 'topic': 't', 'to': 'datetime', 'partitions': '0, 2', 'moment': '2023-11-14T22:13:20'}
        """
        if spec["to"] == "before":
            return None
        same = {
            name: spec[name]
            for name in ("group", "topic", "to", "minutes", "records", "live")
            if name in spec
        }
        if "partitions" in spec:
            same["partitions"] = ", ".join(map(str, spec["partitions"]))
        if "at_ms" in spec:
            same["moment"] = for_field(spec["at_ms"])
        return same


def _wanted(broker: Broker, spec: Spec) -> list[TopicPartition]:
    if spec["to"] == "before":
        return sorted(TopicPartition(t, n) for t, n, _ in spec["offsets"])
    admin = broker.admin()
    if not spec["topic"]:
        return sorted(admin.list_group_offsets(spec["group"])[spec["group"]])
    here = sorted(admin.list_partition_offsets(spec["topic"]))
    numbers = spec.get("partitions")
    return [p for p in here if p.partition in numbers] if numbers else here


def _targets(broker: Broker, spec: Spec) -> dict[TopicPartition, Target]:
    wanted = _wanted(broker, spec)
    target: Target
    match spec["to"]:
        case "before":
            return {TopicPartition(t, n): offset for t, n, offset in spec["offsets"]}
        case "earliest":
            target = OffsetSpec.EARLIEST
        case "latest":
            target = OffsetSpec.LATEST
        case "datetime":
            target = OffsetTimestamp(spec["at_ms"])
        case "duration":
            target = OffsetTimestamp(broker.connection.server_time_ms() - int(spec["minutes"] * 60_000))
        case "shift":
            target = ShiftBy(spec["records"])
        case _:
            target = int(spec["records"])
    return dict.fromkeys(wanted, target)


def preview(broker: Broker, spec: Spec) -> Preview:
    group = spec["group"]
    targets = _targets(broker, spec)
    if not targets:
        why = f"Group {group} has committed nothing yet, so there is nothing to move. Choose a topic."
        return Preview(effect="Nothing would be moved.", blocked=why)
    plan = reset.plan(broker.connection, _log(broker), group, targets)
    members = len(describe.describe(broker.connection, group).members)
    blocked = (
        f"{plural(members, 'member')} of the group {'is' if members == 1 else 'are'} running. Stop them first"
    )
    blocked += ", or have the group paused for it in the form." if spec["to"] != "before" else "."
    live = bool(members and spec.get("live"))
    impossible = [f"{p.partition}: {p.error}" for p in plan.partitions if p.error]
    return Preview(
        effect=_effect(plan, "will be"),
        facts=_facts(plan),
        table=shortened(
            _HEADS,
            [
                [
                    str(p.partition),
                    p.current.offset if p.current else None,
                    _time(p.current_append_ms),
                    p.new,
                    _time(p.new_append_ms),
                    p.again,
                    p.skipped,
                ]
                for p in plan.partitions
            ],
        ),
        warnings=[f"{p.partition}: {p.warning}." for p in plan.partitions if p.warning]
        + ["The group runs: the numbers are those of this moment, and become final when it is paused."]
        * live,
        blocked="; ".join(impossible) or ("" if live else blocked if members else ""),
        undo="An undo moves the group back to where it stood." if plan.before else "",
        world={"plan": msgspec.to_builtins(plan)},
    )


def run(broker: Broker, spec: Spec, world: Mapping[str, Any], job: Job) -> Result:
    plan = msgspec.convert(world["plan"], Plan)
    job.step(0, len(plan.partitions))
    if spec.get("live"):
        asked = lambda: _targets(broker, spec)  # noqa: E731 - once more, when the members have committed
        plan, done = live_reset(broker.connection, _log(broker), spec["group"], asked, by=job.by)
    else:
        done = reset.execute(broker.connection, _log(broker), plan)
    failed = {p: error for p, error in done.items() if error}
    job.tell(len(done) - len(failed), len(done))
    rows = [_outcome(p, plan.before.get(p), plan.new.get(p), error) for p, error in sorted(done.items())]
    offsets = [[p.topic, p.partition, offset] for p, offset in plan.before.items() if p not in failed]
    effect = _effect(plan, "were")
    if failed:
        effect = (
            f"{plural(len(failed), 'partition')} of {len(done)} could not be moved; the others were. {effect}"
        )
    heads = ("Partition", "Offset before", "Offset now", "Moved by", "Outcome")
    return Result(effect, _facts(plan), shortened(heads, rows), {"offsets": offsets})


def _outcome(
    partition: TopicPartition, before: int | None, after: int | None, error: Exception | None
) -> list[Any]:
    now = before if error else after
    by = None if before is None or now is None else now - before
    return [str(partition), before, now, by, str(error) if error else "moved"]


def _effect(plan: Plan, verb: str) -> str:
    again, skipped = _sum(p.again for p in plan.partitions), _sum(p.skipped for p in plan.partitions)
    moved = sum(
        1 for p in plan.partitions if p.new is not None and (not p.current or p.current.offset != p.new)
    )
    done = verb != "will be"
    what = [f"{plural(moved, 'partition')} of group {plan.group_id} {were(moved) if done else verb} moved"]
    for count, becomes in ((again, "processed again"), (skipped, "skipped")):
        if count:
            what.append(
                f"{plural(count, 'record')} {('is' if count == 1 else 'are') if done else verb} {becomes}"
            )
    return f"{'; '.join(what)}."


def _facts(plan: Plan) -> list[tuple[str, str]]:
    again, skipped = _sum(p.again for p in plan.partitions), _sum(p.skipped for p in plan.partitions)
    spans = [p.span_ms for p in plan.partitions if p.span_ms]
    return [
        ("Processed again", f"{again:,}"),
        ("Skipped", f"{skipped:,}"),
        ("Longest span", figures.spell_duration(max(spans)) if spans else "none"),
    ]


def _sum(numbers: Any) -> int:
    return sum(n or 0 for n in numbers)


def _time(ms: int | None) -> str | None:
    return None if ms is None else figures.moment(ms).exact


def _log(broker: Broker) -> PartitionLog:
    return PartitionLog(broker.connection, Topics(broker.connection))


def command(spec: Spec) -> str:
    """
    >>> command({"group": "revenue", "topic": "orders", "partitions": [0, 2], "to": "earliest"})
    '.venv/bin/python -m streamlab groups reset-offsets revenue --topic orders:0,2 --to-earliest --execute'
    """
    if spec["to"] == "before":
        return ""
    numbers = spec.get("partitions")
    topic = f"{spec['topic']}:{','.join(map(str, numbers))}" if numbers else spec["topic"]
    scope = f"--topic {quote(topic)}" if topic else "--all-topics"
    where = {
        "earliest": "--to-earliest",
        "latest": "--to-latest",
        "datetime": f"--to-datetime {iso(spec.get('at_ms', 0))}",
        "duration": f"--by-duration PT{round(spec.get('minutes', 0) * 60)}S",
        "shift": f"--shift-by {spec.get('records')}",
        "offset": f"--to-offset {spec.get('records')}",
    }[spec["to"]]
    return shell(
        "groups reset-offsets",
        quote(spec["group"]),
        scope,
        where,
        *(["--live"] if spec.get("live") else []),
        "--execute",
    )


def undo(spec: Spec, data: Mapping[str, Any]) -> tuple[str, dict[str, Any]] | None:
    offsets = data.get("offsets")
    if not offsets:
        return None
    live = {"live": True} if spec.get("live") else {}  # what was moved while it ran is moved back so
    return "reset-offsets", {"group": spec["group"], "topic": "", "to": "before", "offsets": offsets, **live}


KIND = Kind(
    name="reset-offsets",
    title="Reset offsets",
    verb="Reset",
    about="Move where a group reads on: back, to process records again, or forward, to skip them.",
    form=ResetForm,
    subject=lambda spec: f"group {spec['group']}",
    preview=preview,
    run=run,
    command=command,
    undo=undo,
)

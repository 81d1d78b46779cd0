"""Have a group rebalance as it was shown, pause it, and let it go on."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from shlex import quote
from typing import Any

import msgspec
from django import forms

from streamlab.broker import Broker
from streamlab.groups import control, describe
from streamlab.groups.assignors import ASSIGNORS
from streamlab.groups.control import Preview as GroupPreview

from ..kind import Form, Job, Kind, Preview, Result, Spec
from .fields import offer_groups, plural, shell, shortened


class GroupForm(Form):
    group = forms.ChoiceField(label="Group")

    def fill(self) -> None:
        offer_groups(self.fields["group"], self.broker)


class RebalanceForm(GroupForm):
    assignor = forms.ChoiceField(
        label="Assignor",
        required=False,
        choices=[("", "the group's own"), *((name, name) for name in ASSIGNORS)],
        help_text="One that is chosen here stays the group's.",
    )


def _preview_rebalance(broker: Broker, spec: Spec) -> Preview:
    seen = control.preview_rebalance(broker.connection, spec["group"], spec["assignor"] or None)
    members = describe.describe(broker.connection, spec["group"]).members
    names = {member_id: member.client_id for member_id, member in members.items()}
    stays = sum(len(theirs) for theirs in seen.assignment.values()) - len(seen.moves)
    return Preview(
        effect=f"{plural(len(seen.moves), 'partition')} of group {spec['group']} will move, {stays} will not.",
        facts=[("Assignor", seen.target.assignor), ("Members", str(len(names))), ("Epoch", str(seen.epoch))],
        table=shortened(
            ("Partition", "From member", "To member"),
            [
                [str(m.partition), names.get(m.before or "", m.before), names.get(m.after or "")]
                for m in seen.moves
            ],
        ),
        warnings=_warnings(seen),
        blocked="" if seen.moves or seen.chosen else "There is nothing to move.",
        world={"preview": base64.b64encode(msgspec.msgpack.encode(seen)).decode()},
    )


def _warnings(seen: GroupPreview) -> list[str]:
    said = [] if seen.moves else ["Everything is where this assignor wants it."]
    if seen.chosen:
        said.append(
            f"The group keeps the assignor {seen.target.assignor} until you change it: it becomes its setting "
            "“assignor”."
        )
    return said


def _take_back(seen: GroupPreview) -> list[tuple[str, str]]:
    """How the assignor that the group has from now on is taken back; nothing where it has the one that it had."""
    if not seen.chosen:
        return []
    group, before = quote(seen.group_id), seen.assignor_before
    commands = []
    if before and before != seen.target.assignor:
        commands.append(
            ("To have the one before", shell("groups rebalance", group, "--assignor", before, "--execute"))
        )
    return [
        *commands,
        ("To let its members choose again", shell("config unset", "--group", group, "assignor")),
    ]


def _rebalance(broker: Broker, spec: Spec, world: Mapping[str, Any], job: Job) -> Result:
    seen = msgspec.msgpack.decode(base64.b64decode(world["preview"]), type=GroupPreview)
    epoch = broker.admin().rebalance_group(seen, by=job.by)
    job.tell(1, 1)
    change = "changes" if len(seen.moves) == 1 else "change"
    return Result(
        f"Group {spec['group']} is at epoch {epoch}; {plural(len(seen.moves), 'partition')} {change} hands.",
        facts=[("Assignor from now on", seen.target.assignor)] if seen.chosen else [],
        commands=_take_back(seen),
    )


REBALANCE = Kind(
    name="rebalance",
    title="Rebalance a group",
    verb="Rebalance",
    about="Share a group's partitions out anew, also by another assignor. What does not have to move is not stopped.",
    form=RebalanceForm,
    subject=lambda spec: f"group {spec['group']}",
    preview=_preview_rebalance,
    run=_rebalance,
    command=lambda spec: shell(
        "groups rebalance",
        quote(spec["group"]),
        *(("--assignor", spec["assignor"]) if spec["assignor"] else ()),
        "--execute",
    ),
)


class PauseForm(GroupForm):
    minutes = forms.FloatField(
        label="For (minutes)", required=False, min_value=0.1, help_text="Empty: until somebody resumes it."
    )
    reason = forms.CharField(label="Why", required=False, max_length=200)


def _preview_pause(broker: Broker, spec: Spec) -> Preview:
    group = describe.describe(broker.connection, spec["group"])
    until = f"for {spec['minutes']:g} minutes" if spec["minutes"] else "until it is resumed"
    owned = plural(len(group.owners), "partition")
    return Preview(
        effect=f"The {plural(len(group.members), 'member')} of group {spec['group']} will finish what is at hand, "
        f"commit, and read nothing of {owned} {until}.",
        facts=[("Members", str(len(group.members))), ("Partitions", str(len(group.owners)))],
        warnings=["Its lag grows meanwhile."],
        blocked=f"Group {spec['group']} is paused already." if group.paused else "",
        undo="An undo resumes it.",
    )


def _pause(broker: Broker, spec: Spec, world: Mapping[str, Any], job: Job) -> Result:
    for_ms = int(spec["minutes"] * 60_000) if spec["minutes"] else 0
    control.pause_group(broker.connection, spec["group"], job.by, spec["reason"], for_ms)
    job.tell(1, 1)
    return Result(f"Group {spec['group']} is paused.")


def _pause_command(spec: Spec) -> str:
    """
    >>> _pause_command({"group": "revenue", "minutes": 1.5, "reason": "a look"})
    ".venv/bin/python -m streamlab groups pause revenue --for 90 --reason 'a look'"
    """
    words = ["groups pause", quote(spec["group"])]
    words += ["--for", f"{spec['minutes'] * 60:g}"] if spec["minutes"] else []
    words += ["--reason", quote(spec["reason"])] if spec["reason"] else []
    return shell(*words)


PAUSE = Kind(
    name="pause-group",
    title="Pause a group",
    verb="Pause",
    about="Stop a group's members between two records, without stopping their processes.",
    form=PauseForm,
    subject=lambda spec: f"group {spec['group']}",
    preview=_preview_pause,
    run=_pause,
    command=_pause_command,
    undo=lambda spec, data: ("resume-group", {"group": spec["group"]}),
)


def _preview_resume(broker: Broker, spec: Spec) -> Preview:
    paused = describe.describe(broker.connection, spec["group"]).paused
    return Preview(
        effect=f"Group {spec['group']} reads on where it stopped.",
        blocked="" if paused else f"Group {spec['group']} is not paused.",
    )


def _resume(broker: Broker, spec: Spec, world: Mapping[str, Any], job: Job) -> Result:
    was_paused = control.resume_group(broker.connection, spec["group"], job.by)
    job.tell(1, 1)
    return Result(
        f"Group {spec['group']} reads on." if was_paused else f"Group {spec['group']} was not paused."
    )


RESUME = Kind(
    name="resume-group",
    title="Resume a group",
    verb="Resume",
    about="Let a paused group read on.",
    form=GroupForm,
    subject=lambda spec: f"group {spec['group']}",
    preview=_preview_resume,
    run=_resume,
    command=lambda spec: shell("groups resume", quote(spec["group"])),
    resumable=True,
)

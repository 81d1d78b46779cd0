"""Replay dead letters. Which ones is said by a filter, never by a page."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from shlex import quote
from typing import Any, ClassVar

import msgspec
from django import forms

from dashboard.presenters.figures import size, spell_duration
from dashboard.presenters.words import were
from streamlab.broker import Broker
from streamlab.delivery.replay import Replays
from streamlab.delivery.replay_jobs import ReplayJob, ReplayState, UnknownReplayError
from streamlab.delivery.replay_plan import ReplayPlan
from streamlab.delivery.replay_spec import GUARD_PERCENT, Edit, Target

from ..kind import Copied, GaveUp, Job, Kind, Preview, Result, Since, Spec, Stopped, Taken
from .chosen_letters import CONTENTS, LettersForm, filter_of, letters_of, options
from .fields import offer_topics, plural, shell, shortened
from .patch_field import PatchField


class ReplayForm(LettersForm):
    to = forms.ChoiceField(
        label="Where to",
        choices=[
            ("group", "back to the group that failed; no other group sees them"),
            ("source", "into their topic; every group of it sees them"),
            ("topic", "into another topic"),
        ],
    )
    to_topic = forms.ChoiceField(label="Topic", required=False)
    rate = forms.FloatField(
        label="At most a second",
        required=False,
        min_value=0.01,
        max_value=1_000_000,
        help_text="Empty: no limit.",
    )
    guard = forms.FloatField(
        label="Stop when more fail again than (%)", initial=GUARD_PERCENT, min_value=0, max_value=100
    )
    merge = PatchField(
        label="Change the value",
        required=False,
        widget=forms.Textarea(attrs={"rows": 4, "spellcheck": "false"}),
        help_text='Edit and replay: a JSON merge patch, like {"country": "FR", "draft": null}. '
        "The letters themselves stay as they are.",
    )

    when: ClassVar = {"to_topic": ("to", "topic")}

    def fill(self) -> None:
        super().fill()
        offer_topics(self.fields["to_topic"], self.broker, ("", "—"))

    def clean_merge(self) -> dict[str, Any] | None:
        merge = self.cleaned_data["merge"]
        if merge is not None and not isinstance(merge, dict):
            raise forms.ValidationError("A merge patch is a JSON object.")
        return merge

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        if given.get("to") == "topic" and not given.get("to_topic"):
            self.add_error("to_topic", "Choose the topic that they shall go to.")
        return given

    def spec(self) -> dict[str, Any]:
        given = self.cleaned_data
        to = given["to_topic"] if given["to"] == "topic" else given["to"]
        spec = {**super().spec(), "to": to, "guard": given["guard"]}
        if given["rate"] is not None:
            spec["rate"] = given["rate"]
        if given["merge"]:
            spec["merge"] = given["merge"]
        return spec


def _plan(broker: Broker, spec: Spec) -> ReplayPlan:
    return Replays(broker.connection).plan(
        letters_of(broker, spec),
        filter_of(spec),
        to=spec["to"],
        edit=Edit(merge=spec["merge"]) if "merge" in spec else None,
        rate=spec.get("rate"),
        guard_percent=spec["guard"],
    )


def _into(broker: Broker, spec: Spec) -> str:
    match spec["to"]:
        case "group":
            return ""  # its own queue, which no other group sees
        case "source":
            return letters_of(broker, spec).topic
        case topic:
            return str(topic)


def _copies(broker: Broker, spec: Spec) -> Copied | None:
    """Back where they came from, what holds for them held before. A change may undo what a rule looks for."""
    topic = letters_of(broker, spec).topic
    into = _into(broker, spec)
    return Copied([spec["dlq"], topic], "" if into == topic else into, edited="merge" in spec)


def _goes(plan: ReplayPlan) -> str:
    if plan.spec.goes_to is None:
        return f"back to group {plan.spec.group}; no other group sees them"
    return f"into topic {plan.spec.goes_to}; every group that reads it sees them"


def _preview_replay(broker: Broker, spec: Spec) -> Preview:
    plan = _plan(broker, spec)
    warnings = []
    if plan.replayed_before:
        warnings.append(
            f"{plural(plan.replayed_before, 'letter')} of them died in an earlier replay already."
        )
    if plan.unfit:
        warnings.append(f"{plural(plan.unfit, 'letter')} cannot be changed as asked, and stay dead.")
    facts = [("Letters", f"{plan.letters:,}"), ("Bytes", size(plan.size_bytes).plain)]
    if plan.seconds:
        facts.append(("Takes", spell_duration(plan.seconds * 1000)))
    facts += [(f"Left alone: {state}", f"{count:,}") for state, count in plan.not_dead.items()]
    if plan.sample_before is not None:
        facts += [("First changed, before", plan.sample_before), ("and after", plan.sample_after or "")]
    go = "goes" if plan.letters == 1 else "go"
    return Preview(
        effect=f"{plural(plan.letters, 'dead letter')} of group {plan.spec.group} {go} {_goes(plan)}.",
        facts=facts,
        table=shortened(
            ("Failure", "Error", "Message", "Letters"),
            [[f.fingerprint[:12], f.error_class, f.message[:200], f.count] for f in plan.failures],
        ),
        warnings=warnings,
        blocked="" if plan.letters else "There is nothing to replay: no letter that this finds is dead.",
        world={"plan": msgspec.json.encode(plan).decode()},
    )


def _replay(broker: Broker, spec: Spec, world: Mapping[str, Any], job: Job) -> Result:
    replays, stop = Replays(broker.connection), threading.Event()
    number = job.progress.get("job")
    if number is None:
        plan = msgspec.json.decode(world["plan"], type=ReplayPlan)
        number = replays.draft(plan, by=job.by).id
        job.save({"job": number})
    ends: list[Stopped | Taken] = []

    def watch(seen: ReplayJob) -> None:
        try:
            job.step(*_how_far(seen))
        except (Stopped, Taken) as why:
            ends.append(why)
            stop.set()

    ended = replays.run(number, watch, stop)
    if ends and isinstance(ends[0], Taken):
        raise ends[0]
    if ends and ended.resumable:
        ended = replays.cancel(number, by=job.by)
    job.tell(*_how_far(ended))
    result = _came_of_it(ended)
    if ends and ended.state is not ReplayState.DONE:
        raise Stopped("cancelled", result)
    if ended.state is not ReplayState.DONE:
        raise GaveUp(ended.reason or f"The replay is {ended.state}.", result)
    return result


def _how_far(job: ReplayJob) -> tuple[int, int, str]:
    counts = job.counts
    came = f"{counts.recovered:,} recovered, {counts.failed_again:,} failed again"
    return counts.sent + counts.skipped + counts.unfit, job.planned, came


def _came_of_it(ended: ReplayJob) -> Result:
    counts = ended.counts
    facts = [("Replayed", f"{counts.sent:,}")]
    if ended.spec.target is not Target.TOPIC:
        facts += [("Recovered when it ended", f"{counts.recovered:,}")]
        facts += [("Failed again when it ended", f"{counts.failed_again:,}")]
    facts += _left(ended)
    sent = f"{plural(counts.sent, 'dead letter')} of group {ended.spec.group} {were(counts.sent)} replayed."
    left = ended.left if ended.state is not ReplayState.DONE else 0
    return Result(sent, facts, data={"left": left})


def _left(job: ReplayJob) -> list[tuple[str, str]]:
    counts = job.counts
    unreached = (
        job.left if job.state in (ReplayState.CANCELLED, ReplayState.STOPPED, ReplayState.FAILED) else 0
    )
    left = (
        ("Left: not come to", unreached),
        ("Left: taken by others", counts.skipped),
        ("Left: unfit", counts.unfit),
    )
    return [(why, f"{count:,}") for why, count in left if count]


def _since(broker: Broker, progress: Mapping[str, Any]) -> Since | None:
    """Letters recover or fail again after the last of them was sent. From another topic nobody says what came of them.

    Jobs are kept for 30 days; of an older one the result says how it stood when it ended.
    """
    if "job" not in progress:
        return None
    try:
        job = Replays(broker.connection).jobs.get(progress["job"])
    except UnknownReplayError:
        return None
    if job.spec.target is Target.TOPIC:
        return None
    counts = job.counts
    open_ = counts.sent - counts.settled
    facts = [("Replayed", f"{counts.sent:,}"), ("Recovered", f"{counts.recovered:,}")]
    facts += [("Failed again", f"{counts.failed_again:,}")]
    facts += [("Still on their way", f"{open_:,}")] if open_ else []
    return Since([*facts, *_left(job)], settled=open_ <= 0)


def _as_json(patch: Any) -> str:
    """What masking rules made of it may be text by now."""
    return patch if isinstance(patch, str) else msgspec.json.encode(patch).decode()


def _replay_command(spec: Spec) -> str:
    words = ["dead-letters replay", quote(spec["dlq"]), *options(spec)]
    words += ["--to", quote(spec["to"])] if spec["to"] != "group" else []
    words += ["--rate", f"{spec['rate']:g}"] if "rate" in spec else []
    words += ["--guard", f"{spec['guard']:g}"] if spec.get("guard", GUARD_PERCENT) != GUARD_PERCENT else []
    words += ["--merge", quote(_as_json(spec["merge"]))] if "merge" in spec else []
    return shell(*words, "--execute")


REPLAY = Kind(
    name="replay",
    title="Replay dead letters",
    verb="Replay",
    about="Let records that a group gave up be handled once more: one, those that failed alike, or all.",
    form=ReplayForm,
    subject=lambda spec: f"letters {spec['dlq']}",
    preview=_preview_replay,
    run=_replay,
    command=_replay_command,
    since=_since,
    into=_into,
    copies=_copies,
    contents=CONTENTS,
    resumable=True,
)

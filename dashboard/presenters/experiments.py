"""Experiments in words and figures: one in a list, and what stands at the top of its page."""

from __future__ import annotations

from dataclasses import dataclass

from dashboard.operations.kinds.experiment import shown
from streamlab.lab.experiments.judging import Verdict, holds, label, told_apart
from streamlab.lab.experiments.measuring import cared_for
from streamlab.lab.experiments.notes import Note, Outcome
from streamlab.lab.experiments.plan import Plan
from streamlab.lab.experiments.reach import enough_rounds
from streamlab.lab.experiments.summary import certain, felt, said, too_few

from .figures import Figure, moment, spell_duration
from .words import Status, Tone, plural


@dataclass(frozen=True)
class ExperimentRow:
    """One of a list."""

    id: str
    lever: str
    entity: str
    values: str
    topic: str
    status: Status
    verdict: str
    by: str
    started: Figure
    took: str


@dataclass(frozen=True)
class Progress:
    share: float  # 0..1
    steps: str
    left: str


@dataclass(frozen=True)
class Headline:
    tone: Tone
    words: str
    details: list[str]  # a line each


def runs(outcome: Outcome, note: Note | None) -> bool:
    return note is not None and note.id == outcome.id


def row(outcome: Outcome, note: Note | None, now_ms: int) -> ExperimentRow:
    return ExperimentRow(
        id=outcome.id,
        lever=outcome.plan.setting_name,
        entity=outcome.plan.entity,
        values=values(outcome.plan),
        topic=outcome.plan.topic,
        status=status(outcome, note),
        verdict=said(outcome) or outcome.why,
        by=outcome.by or "—",
        started=moment(outcome.started_ms, now_ms),
        took=spell_duration(outcome.ended_ms - outcome.started_ms),
    )


def values(plan: Plan) -> str:
    return ", ".join(shown(value) for value in plan.values)


def _why(outcome: Outcome) -> list[str]:
    """What stands below the headline besides: how many rounds would do, and what else changed."""
    parts = []
    if too_few(outcome):
        enough = enough_rounds(len(outcome.plan.values))
        parts.append(f"{enough} rounds would tell a doubling where rounds differ by 10 %.")
    elif len(outcome.effects) == 1:
        return told_apart(outcome.effects[0])[1]
    others = {
        label(e.measure): None
        for effects in outcome.effects
        for e in effects
        if holds(e) and not cared_for(e.measure)
    }
    if others:
        parts.append(f"What else changed: {', '.join(others)}.")
    return parts


def status(outcome: Outcome, note: Note | None) -> Status:
    if runs(outcome, note):
        return Status("running", Tone.NOTE)
    match outcome.state:
        case "done":
            return Status("done", Tone.OK)
        case "stopped":
            return Status("stopped", Tone.IDLE, outcome.why)
        case _:
            return Status("incomplete", Tone.WARN, outcome.why)


def progress(outcome: Outcome, now_ms: int) -> Progress:
    """Of one that runs."""
    plan = outcome.plan
    windows, all_of_them = len(outcome.runs), len(plan.values) * plan.repetitions
    each_ms = plan.seconds * 1000 / all_of_them
    done_ms = min(max(now_ms - outcome.started_ms, windows * each_ms), (windows + 1) * each_ms)
    share = min(1.0, done_ms / (plan.seconds * 1000))
    order = plan.order()
    value = shown(plan.values[order[windows]]) if windows < len(order) else ""
    now = f" · now {plan.setting_name} = {value}" if value else ""
    left_ms = plan.seconds * 1000 - done_ms
    return Progress(
        share, f"{windows} of {plural(all_of_them, 'window')}{now}", f"about {spell_duration(left_ms)} left"
    )


def headline(outcome: Outcome, note: Note | None, sweep_words: str) -> Headline:
    """What the eye meets first."""
    if runs(outcome, note):
        return Headline(
            Tone.NOTE,
            "It is being measured",
            ["No verdict before the last round. The setting is put back at the end."],
        )
    if outcome.state == "incomplete":
        return Headline(Tone.WARN, "Incomplete: there is no verdict", [outcome.why])
    single = len(outcome.effects) == 1
    words = said(outcome) if single or not sweep_words else sweep_words
    found = {effect.verdict for effects in outcome.effects for effect in felt(effects)}
    early = f"{outcome.why} " if outcome.why else ""
    by_means = bool(sweep_words) and not single
    details = [f"{early}{_against(outcome)}{' By the means of all windows.' if by_means else ''}"]
    details += [certain(outcome)] if by_means else []
    details += _why(outcome)
    return Headline(_tone(found, len(outcome.effects)), words or "Nothing was measured.", details)


def _tone(found: set[Verdict], compared: int) -> Tone:
    if compared != 1:
        return Tone.IDLE
    if Verdict.BETTER in found:
        return Tone.NOTE if Verdict.WORSE in found else Tone.OK
    return Tone.BAD if Verdict.WORSE in found else Tone.IDLE


def _against(outcome: Outcome) -> str:
    plan = outcome.plan
    if len(plan.values) == 2:
        return f"{shown(plan.values[0])} → {shown(plan.values[1])}, {plural(plan.repetitions, 'round')}."
    return f"{plural(len(plan.values), 'value')}, {plural(plan.repetitions, 'round')}."

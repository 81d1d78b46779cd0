"""Experiments in words and figures: one in a list, and what stands at the top of its page."""

from __future__ import annotations

from dataclasses import dataclass

from dashboard.operations.kinds.experiment import shown
from streamlab.lab.experiments.judging import Verdict
from streamlab.lab.experiments.notes import Note, Outcome
from streamlab.lab.experiments.plan import Plan

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
    detail: str


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
        verdict=" ".join(outcome.verdicts)
        if len(outcome.verdicts) == 1
        else _counted(outcome) or outcome.why,
        by=outcome.by or "—",
        started=moment(outcome.started_ms, now_ms),
        took=spell_duration(outcome.ended_ms - outcome.started_ms),
    )


def values(plan: Plan) -> str:
    return ", ".join(shown(value) for value in plan.values)


def _counted(outcome: Outcome) -> str:
    """Of a sweep: which values did something."""
    told = [
        f"{shown(value)} {_word(verdicts)}"
        for value, verdicts in (
            (value, {effect.verdict for effect in effects})
            for value, effects in zip(outcome.plan.values[1:], outcome.effects, strict=False)
        )
        if verdicts & {Verdict.BETTER, Verdict.WORSE}
    ]
    if not outcome.effects:
        return ""
    return f"Against {shown(outcome.plan.values[0])}: {', '.join(told)}." if told else "No detectable change."


def _word(verdicts: set[Verdict]) -> str:
    if {Verdict.BETTER, Verdict.WORSE} <= verdicts:
        return "trades"
    return "is better" if Verdict.BETTER in verdicts else "is worse"


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
            "No verdict before the last round. The setting is put back at the end.",
        )
    if outcome.state == "incomplete":
        return Headline(Tone.WARN, "Incomplete: there is no verdict", outcome.why)
    said = outcome.verdicts[0] if len(outcome.verdicts) == 1 else sweep_words or _counted(outcome)
    found = {effect.verdict for effects in outcome.effects for effect in effects}
    early = f"{outcome.why} " if outcome.why else ""
    detail = f"{early}{_against(outcome)}"
    return Headline(_tone(found, len(outcome.effects)), said or "Nothing was measured.", detail)


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

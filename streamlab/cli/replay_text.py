"""How `streamlab dead-letters` shows replays: what one would do, and how far one is."""

from __future__ import annotations

from datetime import UTC, datetime
from shlex import join
from typing import TYPE_CHECKING, Any

from .letter_options import some
from .output import duration, moment, note, print_columns, print_json, safe

if TYPE_CHECKING:
    from ..delivery.letter_filter import LetterFilter
    from ..delivery.replay_jobs import ReplayJob
    from ..delivery.replay_plan import ReplayPlan
    from ..delivery.replay_spec import Edit, ReplaySpec


def show_plan(plan: ReplayPlan, json: bool) -> None:
    if json:
        import msgspec

        told: dict[str, Any] = msgspec.to_builtins(plan, str_keys=True)
        told.pop("spec")
        told.pop("bounds")
        print_json(told | {"to": plan.spec.to_in_words, "seconds": plan.seconds, "executed": False})
        return
    print(
        f"{some(plan.letters, 'letter')} would be replayed to {safe(plan.spec.to_in_words)}"
        f" ({safe(plan.spec.filter.in_words())}); looked at {plan.scanned:,}."
    )
    for state, count in plan.not_dead.items():
        print(f"{count:,} more are {state} and would be left as they are.")
    if plan.unfit:
        why = safe(plan.unfit_because or "")
        print(
            f"{plan.unfit:,} more cannot be replayed like this and would be left as they are. One says: {why}"
        )
    if plan.replayed_before:
        print(f"{plan.replayed_before:,} of them were replayed before, and died again.")
    if plan.seconds is not None:
        print(f"At {plan.spec.rate:g} a second that takes {duration(plan.seconds * 1000)}.")
    if plan.sample_before is not None:
        print(f"value before  {safe(plan.sample_before)}\nvalue after   {safe(plan.sample_after or '')}")
    if plan.letters:
        failures = [(f.fingerprint, f.count, f.error_class or None, f.message[:80]) for f in plan.failures]
        print_columns(("FINGERPRINT", "LETTERS", "ERROR", "MESSAGE"), failures)
        print_columns(("DESTINATION", "LETTERS"), sorted(plan.destinations.items()))
        note("This was a dry run; --execute does it.")


def show_job(job: ReplayJob, json: bool) -> None:
    if json:
        print_json(job_json(job))
        return
    print(f"Replay {job.id} is {job.state}: {counted(job)}{_because(job)}.")


def _because(job: ReplayJob) -> str:
    return f"; {safe(job.reason)}" if job.reason else ""


def counted(job: ReplayJob) -> str:
    counts = job.counts
    parts = [f"{counts.sent:,} of {job.planned:,} replayed"]
    for count, what in (
        (counts.recovered, "recovered"),
        (counts.failed_again, "failed again"),
        (counts.skipped, "skipped, because somebody else decided about them"),
        (counts.unfit, "could not be replayed like this"),
    ):
        if count:
            parts.append(f"{count:,} {what}")
    return ", ".join(parts)


def job_json(job: ReplayJob) -> dict[str, Any]:
    import msgspec

    counts: dict[str, Any] = msgspec.to_builtins(job.counts)
    return {
        "id": job.id,
        "state": str(job.state),
        "dead_letter_topic": job.spec.dlq,
        "topic": job.spec.topic,
        "group": job.spec.group,
        "to": job.spec.to_in_words,
        "filter": job.spec.filter.in_words(),
        "rate": job.spec.rate,
        "planned": job.planned,
        **counts,
        "by": job.by,
        "created": moment(job.created_ms),
        "started": None if job.started_ms is None else moment(job.started_ms),
        "ended": None if job.ended_ms is None else moment(job.ended_ms),
        "runner": job.runner,
        "reason": job.reason,
    }


# -- the same again -----------------------------------------------------------------------------------------------


def over(job: ReplayJob) -> str:
    """Why a replay that is over cannot be run again, and what can be done instead."""
    if str(job.state) == "cancelled" and job.left:
        return (
            f"Replay {job.id} was cancelled with {some(job.left, 'letter')} left. "
            f"Replay {'it' if job.left == 1 else 'those'} by a new one: {again(job.spec)}"
        )
    return f"Replay {job.id} is {job.state}: there is nothing left to do."


def again(spec: ReplaySpec) -> str:
    """The command that shows what a new replay of the same letters, those that are dead by then, would do."""
    from ..delivery.replay_spec import GUARD_PERCENT, GUARD_SAMPLE, Target

    words = ["streamlab", "dead-letters", "replay", spec.dlq, *_chosen(spec.filter)]
    if spec.target is not Target.GROUP:
        words += ["--to", "source" if spec.to_topic is None else f"topic:{spec.to_topic}"]
    words += [] if spec.rate is None else ["--rate", f"{spec.rate:g}"]
    words += [] if spec.guard_percent == GUARD_PERCENT else ["--guard", f"{spec.guard_percent:g}"]
    words += [] if spec.guard_sample == GUARD_SAMPLE else ["--guard-sample", str(spec.guard_sample)]
    return safe(join([*words, *_changed(spec.edit)]))


def _chosen(filter: LetterFilter) -> list[str]:
    given: tuple[tuple[str, list[Any]], ...] = (
        ("--letter", [f"{letter.partition}@{letter.offset}" for letter in filter.letters]),
        ("--error", filter.error_classes),
        ("--fingerprint", filter.fingerprints),
        ("--since", [_time(filter.since_ms)]),
        ("--until", [_time(filter.until_ms)]),
        ("--key", [None if filter.key is None else _text(filter.key)]),
        ("--partition", filter.partitions),
        ("--schema-version", filter.schema_versions),
        ("--cause", filter.causes),
        ("--state", filter.states),
        ("--record-id", filter.record_ids),
        ("--text", [filter.text]),
    )
    return [word for option, values in given for v in values if v is not None for word in (option, str(v))]


def _changed(edit: Edit | None) -> list[str]:
    """A value that came from a file is named as one: a job does not keep the file's name."""
    import msgspec

    if edit is None:
        return []
    words = [] if isinstance(edit.value, msgspec.UnsetType) else ["--edit", "FILE"]
    words += [] if edit.merge is None else ["--merge", msgspec.json.encode(edit.merge).decode()]
    words += [] if not isinstance(edit.key, bytes) else ["--set-key", _text(edit.key)]
    for name, value in edit.set_headers.items():
        words += ["--set", f"{name}={_text(value or b'')}"]
    for name in edit.remove_headers:
        words += ["--unset", name]
    return words


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "backslashreplace")


def _time(ms: int | None) -> str | None:
    return None if ms is None else datetime.fromtimestamp(ms / 1000, UTC).isoformat()

"""Give dead letters up for good, and take that back. Which ones is said by a filter, never by a page.

A discard has a name of its own, which each letter keeps: an undo takes back exactly those, not what others discarded.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from shlex import quote
from typing import Any

import msgspec
from django import forms

from dashboard.presenters.words import were
from streamlab.broker import Broker
from streamlab.delivery.dead_letters import DeadLetters
from streamlab.delivery.letter_filter import LetterFilter
from streamlab.delivery.letter_states import LetterState

from ..kind import Job, Kind, Preview, Result, Spec, WorldMoved
from .chosen_letters import CONTENTS, LettersForm, filter_of, letters_of, options
from .fields import plural, shell


class DiscardForm(LettersForm):
    reason = forms.CharField(label="Why", max_length=300, help_text="Kept with each letter.")

    def spec(self) -> dict[str, Any]:
        return {**super().spec(), "reason": self.cleaned_data["reason"]}


def _preview_discard(broker: Broker, spec: Spec) -> Preview:
    letters = letters_of(broker, spec)
    count = letters.discard(filter_of(spec), spec["reason"], "")
    is_given = "is given" if count == 1 else "are given"
    return Preview(
        effect=f"{plural(count, 'dead letter')} of group {letters.group} {is_given} up for good.",
        facts=[("Letters", f"{count:,}"), ("Why", spec["reason"])],
        blocked="" if count else "There is nothing to discard: no letter that this finds is dead.",
        undo="An undo calls exactly these dead again. Nothing is deleted before retention does.",
        world={"at_ms": broker.connection.server_time_ms(), "decision": _a_name()},
    )


def _discard(broker: Broker, spec: Spec, world: Mapping[str, Any], job: Job) -> Result:
    letters, decision = letters_of(broker, spec), world["decision"]
    seen = msgspec.structs.replace(
        filter_of(spec), until_ms=world["at_ms"]
    )  # what died since was not previewed
    begun_before = _begin(job)
    count = letters.discard(seen, spec["reason"], job.by, execute=True, decision=decision)
    count = _decided(letters, decision) if begun_before else count
    job.tell(count, count)
    return Result(
        f"{plural(count, 'dead letter')} of group {letters.group} {were(count)} given up.",
        data={"decision": decision},
    )


def _a_name() -> str:
    return secrets.token_hex(8)


def _begin(job: Job) -> bool:
    """Whether an earlier run, which died, may have changed letters already. Raises Stopped."""
    if job.progress.get("began"):
        return True
    job.save({"began": True})
    return False


def _decided(letters: DeadLetters, decision: str) -> int:
    """How many letters stand as this decision left them, over all its runs."""
    return sum(1 for _ in letters.all(LetterFilter(decisions=[decision])))


def _undo(spec: Spec, data: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """A discard of a version before has no name: then all that its filter finds."""
    meant = {name: value for name, value in spec.items() if name != "reason"}
    return "restore", meant | ({"decision": data["decision"]} if "decision" in data else {})


DISCARD = Kind(
    name="discard",
    title="Discard dead letters",
    verb="Discard",
    about="Give dead letters up for good, with a reason. They stay readable until retention removes them.",
    form=DiscardForm,
    subject=lambda spec: f"letters {spec['dlq']}",
    preview=_preview_discard,
    run=_discard,
    command=lambda spec: shell(
        "dead-letters discard",
        quote(spec["dlq"]),
        *options(spec),
        "--reason",
        quote(spec["reason"]),
        "--execute",
    ),
    contents=CONTENTS,
    resumable=True,
    undo=_undo,
)


def _preview_restore(broker: Broker, spec: Spec) -> Preview:
    letters = letters_of(broker, spec)
    count, which = _discarded(letters, filter_of(spec))
    are = "is" if count == 1 else "are"
    return Preview(
        effect=f"{plural(count, 'discarded letter')} of group {letters.group} {are} called dead again.",
        facts=[("Letters", f"{count:,}")],
        blocked="" if count else "No letter that this finds is discarded.",
        world={"letters": count, "which": which, "decision": _a_name()},
    )


def _discarded(letters: DeadLetters, filter: LetterFilter) -> tuple[int, str]:
    """How many are discarded, and a digest of which ones since when."""
    count, which = 0, hashlib.sha256()
    for letter in letters.all(msgspec.structs.replace(filter, states=[LetterState.DISCARDED])):
        count += 1
        which.update(f"{letter.address} {letter.status.at_ms}\n".encode())
    return count, which.hexdigest()


def _restore(broker: Broker, spec: Spec, world: Mapping[str, Any], job: Job) -> Result:
    letters, decision, filter = letters_of(broker, spec), world["decision"], filter_of(spec)
    begun_before = _begin(job)
    if not begun_before:
        count, which = _discarded(letters, filter)
        if which != world["which"]:
            raise WorldMoved(
                f"other letters are discarded by now: {count:,}, where the preview found {world['letters']:,}. "
                "Preview it again."
            )
    count = letters.restore(filter, job.by, execute=True, decision=decision)
    count = _decided(letters, decision) if begun_before else count
    job.tell(count, count)
    return Result(
        f"{plural(count, 'letter')} of group {letters.group} {'is' if count == 1 else 'are'} dead again."
    )


RESTORE = Kind(
    name="restore",
    title="Take discarded letters back",
    verb="Restore",
    about="Call discarded dead letters dead again, so that they can be replayed.",
    form=LettersForm,
    subject=lambda spec: f"letters {spec['dlq']}",
    preview=_preview_restore,
    run=_restore,
    command=lambda spec: shell("dead-letters restore", quote(spec["dlq"]), *options(spec), "--execute"),
    contents=CONTENTS,
    resumable=True,
)

"""What a rule would have done: the same judgement over the history that the server keeps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dashboard.broker import broker
from dashboard.presenters.figures import moment, spell_duration
from dashboard.presenters.words import plural
from streamlab.errors import StreamlabError
from streamlab.metrics.history import History
from streamlab.metrics.rings import RESOLUTIONS
from streamlab.metrics.snapshot import Snapshot

from .conditions import CONDITIONS, Condition, of_value, seen
from .gather import Gatherer
from .judge import Event, Hold, Seen, State, step
from .models import Rule
from .world import matches, names_internal

RESOLUTION = "10s"
MOST_NAMES = 50
"""Groups or topics whose past is read; a preview of more would be slow, and says so."""
MOST_SHOWN = 20


@dataclass(frozen=True)
class Past:
    """One time that it would have fired."""

    subject: str
    opened: str
    lasted: str  # "" while it would still fire


@dataclass(frozen=True)
class Preview:
    now: list[str]  # sentences about what is beyond just now
    now_more: int
    subjects: int | None  # looked at now; None: they cannot be seen
    past: list[Past]  # newest first
    past_more: int
    span: str  # over which time; "" when no history is kept of it
    words: str  # the result in a sentence


def preview(rule: Rule) -> Preview:
    """Of a rule as a form has it; it need not be saved. Reads only."""
    condition = CONDITIONS[rule.condition]
    world, trouble = Gatherer().look([rule])
    found = condition.read(world, rule)
    readings = None if found is None else list(found)
    beyond = [r.says for r in readings or [] if seen(rule, condition, r) is Seen.BEYOND]
    try:
        names = _names(rule, condition, world.snapshot) if world.snapshot else []
        past = _past(rule, condition, names[:MOST_NAMES], world.now_ms)
    except StreamlabError as error:
        trouble.append(str(error))
        names, past = [], []
    ring = RESOLUTIONS[RESOLUTION]
    return Preview(
        now=beyond[:MOST_SHOWN],
        now_more=max(0, len(beyond) - MOST_SHOWN),
        subjects=None if readings is None else len(readings),
        past=past[:MOST_SHOWN],
        past_more=max(0, len(past) - MOST_SHOWN),
        span=spell_duration(ring.span_s * 1000) if condition.past else "",
        words=_words(readings is None, len(beyond), len(readings or []), trouble),
    )


def _words(blind: bool, beyond: int, subjects: int, trouble: Sequence[str]) -> str:
    if blind:
        return " ".join(trouble) or "It cannot be seen now."
    if not subjects:
        return "Nothing that it looks at is there now."
    return (
        f"{beyond:,} of {plural(subjects, 'subject')} {'is' if beyond == 1 else 'are'} beyond the limit now."
    )


def _names(rule: Rule, condition: Condition, snapshot: Snapshot) -> list[str]:
    """Whose past the rule is about."""
    kind = condition.past[0] if condition.past else ""
    if kind == "group":
        return sorted(name for name in snapshot.groups if matches(rule.scope, name))
    if kind == "topic":
        return sorted(
            name
            for name, topic in snapshot.topics.items()
            if matches(rule.scope, name) and (not topic.internal or names_internal(rule.scope))
        )
    return []


def _past(rule: Rule, condition: Condition, names: Iterable[str], now_ms: int) -> list[Past]:
    if condition.past is None:
        return []
    kind, field = condition.past
    since_ms = now_ms - RESOLUTIONS[RESOLUTION].span_s * 1000
    history = History(broker().connection)
    found = []
    for name, series in history.many(kind, names, [field], RESOLUTION, since_ms, now_ms).items():
        times = [int(t) for t in series["t"] if t is not None]
        for opened_ms, cleared_ms in fired(rule, condition, times, series[field]):
            lasted = "" if cleared_ms is None else spell_duration(cleared_ms - opened_ms)
            found.append((opened_ms, Past(f"{kind} {name}", moment(opened_ms).exact, lasted)))
    return [past for _, past in sorted(found, key=lambda pair: -pair[0])]


def fired(
    rule: Rule, condition: Condition, times_ms: Sequence[int], values: Sequence[float | None]
) -> list[tuple[int, int | None]]:
    """When it would have opened and cleared; None: it had not cleared at the last sample."""
    hold = Hold(rule.for_s * 1000, rule.clear_for_s * 1000)
    found: list[tuple[int, int | None]] = []
    state: State | None = None
    opened_ms: int | None = None
    for at_ms, value in zip(times_ms, values, strict=True):
        what = of_value(rule, condition.side, None if value is None else value * condition.scale)
        state, event = step(state, what, hold, at_ms)
        if event is Event.OPENED:
            opened_ms = at_ms
        elif event is Event.CLEARED and opened_ms is not None:
            found.append((opened_ms, at_ms))
            opened_ms = None
    return [*found, (opened_ms, None)] if opened_ms is not None else found

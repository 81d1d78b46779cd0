"""Burrow's verdict on a group in words: the status, the rule that decided, its numbers, and what to do next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from streamlab.metrics import burrow
from streamlab.metrics.burrow import HALF_A_WINDOW, LagStatus, Rule, Standing
from streamlab.metrics.commit_windows import Window
from streamlab.metrics.positions import GroupPartition
from streamlab.metrics.snapshot import GroupSnapshot

from .advice import FindingCard
from .figures import Figure, duration, spell_duration, unknown
from .trend import Direction
from .words import Status, Tone, plural

Windows = Mapping[str, Window]
"""A partition's name ("orders/3") -> its last commits."""
_NONE = Window()
CATCHING_UP = "By now the lag of the whole group falls: look again when this has lasted for some commits."

TONES = {
    LagStatus.OK: Tone.OK,
    LagStatus.UNKNOWN: Tone.IDLE,
    LagStatus.WARN: Tone.WARN,
    LagStatus.REWIND: Tone.BAD,
    LagStatus.STALL: Tone.BAD,
    LagStatus.STOP: Tone.BAD,
}


@dataclass(frozen=True)
class GroupStanding:
    """A group as its worst partition stands."""

    status: Status
    partition: str  # the worst one: "orders/3"; "" when the group reads nothing
    rule: str  # which rule decided
    numbers: str  # what it looked at, as a sentence
    next_step: str  # "" when there is nothing to do
    counts: list[tuple[Status, int]]  # partitions by status, the worst first
    commit_every: Figure  # time between two commits of a partition, as a rule
    look: Callable[[str], Standing | None]  # at one partition by its name; None: it is not one of the group's
    catching_up: bool = False  # its lag falls by now, though it did not at the commits of the window

    def of(self, partition: str) -> Status | None:
        """How that partition stands; None when it is not one of the group's."""
        found = self.look(partition)
        if found is None:
            return None
        return Status(found.status.value, TONES[found.status], f"{_rule(found)}. {numbers(found)}")


def of_group(
    group: GroupSnapshot, windows: Windows, now_ms: int, direction: Direction = Direction.UNKNOWN
) -> GroupStanding:
    """`direction` is where the group's lag is heading: it turns before the commits of a window do."""
    joined: dict[str, Window] = {}
    judged: dict[str, LagStatus] = {}
    positions: dict[str, GroupPartition] = {}
    for p in group.partitions:
        name = f"{p.topic}/{p.partition}"
        positions[name] = p
        window = joined[name] = windows.get(name, _NONE).with_newest(p)
        judged[name] = burrow.judge(window, p.lag, p.time_lag_ms, now_ms)[0]

    def look(name: str) -> Standing | None:
        p = positions.get(name)
        return None if p is None else burrow.standing(joined[name], p.lag, p.time_lag_ms, now_ms)

    by_status = Counter(judged.values())
    worst = burrow.worst(by_status)
    catching_up = worst is LagStatus.WARN and direction is Direction.FALLING
    name = max(
        (name for name, status in judged.items() if status is worst),
        key=lambda name: positions[name].lag or 0,
        default="",
    )
    standing = look(name)
    tone = Tone.NOTE if group.paused and worst in (LagStatus.STOP, LagStatus.STALL) else TONES[worst]
    counts = [
        (Status(status.value, TONES[status]), by_status[status])
        for status in burrow.WORST_FIRST
        if status in by_status
    ]
    return GroupStanding(
        status=Status(worst.value, tone, _rule(standing) if standing else ""),
        partition=name,
        rule=_rule(standing) if standing else "the group reads no partition yet",
        numbers=numbers(standing) if standing else "",
        next_step="" if not standing else CATCHING_UP if catching_up else _next_step(worst, group),
        counts=counts,
        commit_every=_commit_every(joined),
        look=look,
        catching_up=catching_up,
    )


def _rule(standing: Standing) -> str:
    """The rule in words that hold of the commits that it looked at, and say nothing of what comes."""
    if standing.rule is not Rule.NEVER_FALLS:
        return standing.rule.value
    span = spell_duration(standing.span_ms + standing.silent_ms)
    return f"at its commits of the last {span} the lag did not fall"


def explained(found: GroupStanding, advice: Sequence[FindingCard]) -> FindingCard | None:
    """The finding that says better than a rule of thumb why the group does not keep up; None when there is none."""
    if found.status.tone is not Tone.WARN or found.catching_up:
        return None
    return next((card for card in advice if card.tone in (Tone.BAD, Tone.WARN)), None)


def numbers(s: Standing) -> str:
    """What the rule looked at.

    >>> numbers(Standing(LagStatus.WARN, Rule.NEVER_FALLS, 10, 95, 5, 95, 45_000, 2_000))
    'Over 10 commits in 45 s the lag went from 5 to 95 and never fell.'
    """
    span, silent = spell_duration(s.span_ms), spell_duration(s.silent_ms)
    waits = f"{plural(s.lag, 'record')} waiting" if s.lag is not None else "the lag is not known"
    match s.rule:
        case Rule.CAUGHT_UP:
            return "No record waits."
        case Rule.TOO_FEW:
            known = plural(s.commits, "commit") if s.commits else "No commit"
            return f"{known} known, {HALF_A_WINDOW} are needed; {waits}."
        case Rule.SILENT:
            return f"The last commit was {silent} ago, the {s.commits} up to it span {span}; {waits}."
        case Rule.WENT_BACK:
            return f"Within the last {plural(s.commits, 'commit')} it stood further ahead; {waits}."
        case Rule.WAS_CAUGHT_UP:
            return f"At one of the last {plural(s.commits, 'commit')} nothing waited; now {waits}."
        case Rule.STANDS_STILL:
            return f"{plural(s.commits, 'commit')} in {span}, all at the same offset; {waits}."
        case Rule.NEVER_FALLS:
            went = f"went from {s.first_lag:,} to {s.last_lag:,}" if s.first_lag != s.last_lag else "stayed"
            at = "" if s.first_lag != s.last_lag else f" at {s.last_lag:,}"
            return f"Over {plural(s.commits, 'commit')} in {span} the lag {went}{at} and never fell."
        case Rule.FALLS:
            return f"Over {plural(s.commits, 'commit')} in {span} the lag went from {s.first_lag:,} to {s.last_lag:,}."


def _next_step(status: LagStatus, group: GroupSnapshot) -> str:
    if status in (LagStatus.STOP, LagStatus.STALL, LagStatus.WARN) and group.paused:
        return "It is paused: resume it when that is over."
    match status:
        case LagStatus.STOP if not group.members:
            return "It has no members: start its consumers."
        case LagStatus.STOP:
            return "See whether its members still call poll(), or a handler hangs."
        case LagStatus.STALL:
            return "See what its handler does with the record at the committed offset."
        case LagStatus.REWIND:
            return "See in its history whether somebody reset it; if not, who else commits for this group."
        case LagStatus.WARN if len(group.members) < len(group.partitions):
            return "Add members, up to one for each partition, or make its handler faster."
        case LagStatus.WARN:
            return "Every partition has its own member already: make the handler faster, or add partitions."
        case LagStatus.UNKNOWN:
            return "It fills in with the next commits."
        case _:
            return ""


def _commit_every(windows: Windows) -> Figure:
    gaps = [window.span_ms / (len(window) - 1) for window in windows.values() if len(window) > 1]
    return duration(median(gaps)) if gaps else unknown("Needs two commits of a partition")

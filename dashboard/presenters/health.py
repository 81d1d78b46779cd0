"""The broker's health in words: what is wrong, the worst first, each with the next step.

Rules, in order of what one should look at first:

1. lost records     retention removed records before a group read them
2. stopped group    records wait and the group has no members; a note when nothing more comes in
3. paused group     a note: an operator wants that its members read nothing, however long records wait
4. late group       the oldest unread record is old and the lag is not falling
5. behind           the lag rises, or the oldest unread record is old though the lag falls
6. orphaned         members are there, but some partitions that hold records belong to nobody
7. purged unread    a note: somebody deleted records that a group had not read
8. memory           Redis is above nine tenths of its limit
9. no AOF           Redis keeps nothing over a restart
10. dead letters    records died in the last 15 minutes, or wait for a decision
11. hot partition   one partition takes far more than its share
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from streamlab.metrics.snapshot import GroupSnapshot, ServerSnapshot, Snapshot, TopicSnapshot

from . import commands, groups, skew
from .figures import count, duration, percent, rate, size
from .trend import UNKNOWN, Trend
from .words import SEVERITY, Tone, Trouble, listed, plural, were

MEMORY_LIMIT_SHARE = 0.9
ORPHANED_AFTER_MS = 10_000
NO_TROUBLE = Trouble(None, None, None)


@dataclass(frozen=True)
class Finding:
    """One thing worth looking at. `page` and `name` say where: ("group", "inventory")."""

    tone: Tone
    headline: str
    detail: str
    next_step: str
    page: str = ""
    name: str = ""
    weight: float = 0  # among equals, more is worse
    operation: str = ""  # that is the next step, asked with the group of this name
    verb: str = ""  # what its link says


@dataclass(frozen=True)
class Verdict:
    """The sentence that a reader meets first."""

    tone: Tone
    headline: str
    detail: str
    first: Finding | None = None
    others: list[Finding] = field(default_factory=list)
    command: str = ""  # to type when there is nothing yet


def verdict(snapshot: Snapshot, trends: Mapping[str, Trend], trouble: Trouble = NO_TROUBLE) -> Verdict:
    """`trends` holds the trend of each group's lag by group name; a missing one is unknown."""
    found = sorted(
        [*findings(snapshot, trends), *_of_dead(trouble)], key=lambda f: (SEVERITY[f.tone], -f.weight)
    )
    if found and found[0].tone in (Tone.BAD, Tone.WARN):
        first, *others = found
        return Verdict(first.tone, first.headline, first.detail, first, others)
    return replace(_calm(snapshot), others=found)  # a note is worth a look, never the headline


def _calm(snapshot: Snapshot) -> Verdict:
    """When nothing is wrong: what there is, and what to do where there is nothing."""
    topics = [t for t in snapshot.topics.values() if not t.internal]
    if not topics:
        detail = "No topic exists. Send a first record, or play a file of them:"
        return Verdict(Tone.IDLE, "Nothing here yet", detail, command=commands.PLAY)
    if not snapshot.groups:
        detail = f"{plural(len(topics), 'topic')}, and no consumer group. Start one:"
        return Verdict(Tone.IDLE, "Nobody reads yet", detail, command=commands.consume(topics[0].topic))
    if not any(group.members for group in snapshot.groups.values()):
        return _asleep(snapshot)
    if all(group.paused for group in snapshot.groups.values() if group.members):
        return _all_paused(snapshot)
    if not any(_reads(group) for group in snapshot.groups.values()):
        return Verdict(Tone.NOTE, "Nothing is committed yet", "Lag is known from a group's first commit on.")
    return Verdict(Tone.OK, _all_well(snapshot), _calm_detail(snapshot))


def _asleep(snapshot: Snapshot) -> Verdict:
    waiting = sum(groups.waiting(group) for group in snapshot.groups.values())
    if not waiting:
        return Verdict(Tone.IDLE, "All groups are idle", "Nobody reads, and nothing waits.")
    wait = f"{plural(waiting, 'record')} {'waits' if waiting == 1 else 'wait'}"
    return Verdict(Tone.IDLE, "Nobody reads now", f"No group has members. {wait}, and nothing more comes in.")


def _all_paused(snapshot: Snapshot) -> Verdict:
    n = sum(1 for group in snapshot.groups.values() if group.members)
    detail = "Its members read nothing until it is resumed."
    if n == 1:
        return Verdict(Tone.NOTE, "The group that reads is paused", detail)
    return Verdict(Tone.NOTE, f"All {n:,} groups that read are paused", "Resume them when that is over.")


def _reads(group: GroupSnapshot) -> bool:
    return bool(group.members) and not group.paused and group.lag is not None


def _all_well(snapshot: Snapshot) -> str:
    n = sum(1 for group in snapshot.groups.values() if _reads(group))
    return "The group keeps up" if n == 1 else f"All {n:,} groups keep up"


def _calm_detail(snapshot: Snapshot) -> str:
    known = [g.time_lag_ms for g in snapshot.groups.values() if g.time_lag_ms is not None]
    if not known or not max(known):
        return "Every committed offset is at its log end."
    return f"The oldest unread record has waited {duration(max(known)).plain}."


def findings(snapshot: Snapshot, trends: Mapping[str, Trend]) -> Iterator[Finding]:
    for group in snapshot.groups.values():
        finding = _of_group(group, trends.get(group.group, UNKNOWN))
        if finding:
            yield finding
    yield from _of_server(snapshot.server)
    for topic in snapshot.topics.values():
        if not topic.internal and topic.skew and topic.skew.hot and (topic.rate or 0) > 0:
            yield _hot(topic)


def _of_group(group: GroupSnapshot, heading: Trend) -> Finding | None:
    status = groups.status(group, heading)
    lag = count(group.lag).plain
    here: dict[str, Any] = {"page": "group", "name": group.group, "weight": float(group.lag or 0)}
    where = (
        listed([str(t) for t in sorted(topic for topic, on in group.partitions.totals.items() if on.lag)])
        or "its topics"
    )
    if status.word == "lost records":
        return Finding(
            Tone.BAD,
            f"{group.group} lost {plural(groups.lost(group), 'record')}",
            f"Retention removed them before the group read them on {where}.",
            "Lengthen retention, or bring the group up to speed.",
            **here,
        )
    if status.word == "stopped":
        pace = f" and grows {heading.speed.plain}" if heading.per_s and heading.per_s > 1 else ""
        rest = " Nothing more comes in." if heading.at_rest else ""
        return Finding(
            status.tone,
            f"{group.group} is stopped",
            f"Lag {lag}{pace} on {where}; no member reads.{rest}",
            "Start its consumers again.",
            **here,
        )
    if status.word == "paused":
        return Finding(
            status.tone,
            f"{group.group} is paused",
            f"Lag {lag} on {where}; its members read nothing.",
            "Resume it when that is over.",
            operation="resume-group",
            verb="Resume",
            **here,
        )
    if status.word == "late":
        return Finding(
            Tone.BAD,
            f"{group.group} is {duration(group.time_lag_ms).plain} late",
            f"Lag {lag} on {where}, {heading.words}.",
            "Add members, or see which partition holds it up.",
            **here,
        )
    if status.word == "catching up":
        return Finding(
            Tone.WARN,
            f"{group.group} is {duration(group.time_lag_ms).plain} behind, catching up",
            f"Lag {lag} on {where}, {heading.words}.",
            "Watch its lag.",
            **here,
        )
    if status.word == "falling behind":
        return Finding(
            Tone.WARN,
            f"{group.group} is falling behind",
            f"Lag {lag} on {where}, {heading.words}.",
            "Add members, or make its handler faster.",
            **here,
        )
    if status.word == "nothing committed yet":
        return Finding(
            Tone.NOTE,
            f"{group.group} has committed nothing yet",
            "Its lag is known from its first commit on.",
            "See whether its consumers commit.",
            **here,
        )
    orphans = [p for p in groups.unread(group) if (p.time_lag_ms or 0) > ORPHANED_AFTER_MS]
    if group.members and orphans:
        names = listed([f"{p.topic}/{p.partition}" for p in orphans])
        return Finding(
            Tone.WARN,
            f"{plural(len(orphans), 'partition')} of {group.group} unread",
            f"{names}: records wait and no member owns them.",
            "See who is assigned to what.",
            **here,
        )
    if status.word == "purged unread":
        gone = group.partitions.purged
        return Finding(
            status.tone,
            f"{plural(gone, 'record')} {were(gone)} deleted before {group.group} read them",
            "Somebody asked for it; the group goes on with what is left.",
            "See in its topic's history who did.",
            **here,
        )
    return None


def _of_server(server: ServerSnapshot) -> Iterator[Finding]:
    if server.max_memory_bytes and server.used_memory_bytes > MEMORY_LIMIT_SHARE * server.max_memory_bytes:
        used = percent(server.used_memory_bytes / server.max_memory_bytes).plain
        amounts = f"{size(server.used_memory_bytes).plain} of {size(server.max_memory_bytes).plain}"
        yield Finding(
            Tone.BAD,
            f"Redis memory is {used} full",
            f"{amounts}; writes are refused when it is full.",
            "Shorten retention or raise maxmemory.",
        )
    if not server.aof:
        yield Finding(
            Tone.NOTE,
            "Redis keeps nothing over a restart",
            "The append-only file is off.",
            "Set appendonly yes to keep acknowledged records.",
        )


def _of_dead(trouble: Trouble) -> Iterator[Finding]:
    if trouble.lately:
        yield Finding(
            Tone.WARN if trouble.dead else Tone.NOTE,
            f"{plural(trouble.lately, 'record')} died in the last 15 minutes",
            f"{plural(trouble.dead, 'letter')} in all {'is' if trouble.dead == 1 else 'are'} dead now; nothing handles "
            f"{'it' if trouble.dead == 1 else 'them'}."
            if trouble.dead
            else "No letter is dead any more: all were replayed or discarded.",
            "See what they died of, mend it, and replay them." if trouble.dead else "See what they died of.",
            "dead-letters",
            weight=-1,  # a group that is behind comes first
        )
    elif trouble.dead:
        yield Finding(
            Tone.NOTE,
            f"{plural(trouble.dead, 'dead letter')} {'waits' if trouble.dead == 1 else 'wait'} for a decision",
            "Nothing handles them until they are replayed or discarded.",
            "See what they died of.",
            "dead-letters",
        )


def _hot(topic: TopicSnapshot) -> Finding:
    hot = topic.skew.hot if topic.skew else []
    return Finding(
        Tone.NOTE,
        f"{topic.topic} has {'a hot partition' if len(hot) == 1 else 'hot partitions'}",
        f"{skew.sentence(topic)}; {rate(topic.rate).plain} arrive.",
        "See how its keys spread.",
        "topic",
        topic.topic,
    )

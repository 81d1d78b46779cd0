"""From the evidence of one look and what stood before it to the advice. Pure.

A finding comes at once: its evidence is of half a minute. It goes when its limits' `leave` is reached, and LINGER_MS
after that, so that one odd look does not take it away; at once when something else explains the same.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import msgspec

from . import rules, words
from .finding import Advice, Finding, in_order
from .flows import LEAST_MS
from .world import World

LINGER_MS = 10_000
SWITCH_MS = 20_000
"""What explains a lag or retries is only replaced by another cause when it was not found for so long."""


def judge(world: World, before: Sequence[Finding] = (), missing: Sequence[str] = ()) -> Advice:
    """`before`: what stood at the last look. `missing`: what could not be read."""
    stood = {finding.key: finding for finding in before}
    found = {f.key: f for f in rules.find_all(world, lambda rule, subject: f"{rule} {subject}" in stood)}
    held = [old for old in before if _holds(old, found.values(), world.now_ms)]
    waiting = {(old.group, rule) for old in held for rule in rules.held_back(old.rule)}
    now = [
        _dated(finding, stood.get(key), world.now_ms)
        for key, finding in found.items()
        if (finding.group, finding.rule) not in waiting
    ]
    lingering = [
        old
        for key, old in stood.items()
        if key not in found
        and old not in held
        and 0 <= world.now_ms - old.seen_ms < LINGER_MS
        and not any(rules.contradicts(old, new) for new in now)
        and _still_there(world, old)
    ]
    return Advice(
        as_of_ms=world.now_ms,
        findings=in_order([*now, *held, *lingering]),
        looked_at=_looked_at(world),
        missing=[*missing, *_missing(world)],
    )


def _dated(finding: Finding, before: Finding | None, now_ms: int) -> Finding:
    """Its weight stays that of its first look, so that a list of findings keeps its order."""
    if before is None:
        return msgspec.structs.replace(finding, seen_ms=now_ms, since_ms=now_ms)
    return msgspec.structs.replace(finding, seen_ms=now_ms, since_ms=before.since_ms, weight=before.weight)


def _holds(old: Finding, found: Collection[Finding], now_ms: int) -> bool:
    """Whether the cause of a lag or of retries is kept although another one is found.

    Right after a remedy the evidence of the last half minute and that of now do not fit together.
    """
    again = any(f.key == old.key for f in found)
    others = {f.rule for f in found if f.group == old.group}
    fresh = 0 <= now_ms - old.seen_ms < SWITCH_MS
    return fresh and not again and bool(others & rules.held_back(old.rule))


def _still_there(world: World, old: Finding) -> bool:
    return (not old.group or old.group in world.snapshot.groups) and (
        not old.topic or old.topic in world.snapshot.topics
    )


def _looked_at(world: World) -> list[str]:
    groups = world.snapshot.groups.values()
    topics = [topic for topic in world.snapshot.topics.values() if not topic.internal]
    kinds = [client.kind for client in world.clients.values()]
    producers = kinds.count("producer")
    return [
        f"{words.many(len(groups), 'group')} with {words.many(sum(len(g.members) for g in groups), 'member')}: whether "
        "their lag rises and on which partitions, their rebalances, how close retention is",
        f"{words.many(len(topics), 'topic')} with "
        f"{words.many(sum(len(t.partitions) for t in topics), 'partition')}: how "
        "evenly records come in",
        f"{words.many(producers, 'producer')}: the size of their batches, how long requests take",
        f"{words.many(len(kinds) - producers, 'consumer')} and workers: their handlers, polls, fetches, attempts",
        f"{words.many(len(world.dead_letters), 'topic')} of dead letters, and "
        f"{words.many(len(world.changes), 'change')} of settings and schemas in the last minutes",
        "the server: its processor, memory, disk and slow commands",
    ]


def _missing(world: World) -> list[str]:
    said = []
    oldest = world.past[0].as_of_ms if world.past else world.now_ms
    if world.now_ms - oldest < LEAST_MS:
        said.append(f"Rises are not judged yet: that takes {LEAST_MS // 1000} s of measurements.")
    silent = sum(
        member.member_id not in world.members(name)
        for name, group in world.snapshot.groups.items()
        for member in group.members
    )
    if silent:
        tell = "tells nothing of itself" if silent == 1 else "tell nothing of themselves"
        said.append(f"{words.many(silent, 'member')} of groups {tell}: metrics_enabled is off, or just come.")
    if any(c.kind == "worker" and i not in world.attempts for i, c in world.clients.items()):
        said.append(
            "How many attempts of some workers fail is known from a second look on, 10 s after the first."
        )
    if world.server.slower_than_ms is None:
        said.append("The server does not show its slow log to us.")
    return said

"""Retention close to the lag: records will be removed before the group has read them, or are already."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ...metrics.positions import GroupPartition
from ...metrics.snapshot import GroupSnapshot, Snapshot, TopicSnapshot
from .. import words
from ..finding import Finding, Lever, Number, Urgency
from ..limits import Limit
from ..world import Kept, Standing, World

NAME = "retention-edge"
USED = Limit("retention used", 0.5, 0.4, "share", "of retention.ms that the oldest unread record has waited, or of "
             "retention.bytes that is unread")  # fmt: skip
LIMITS = (USED,)
CALM_SHARE = 0.75
"""Below this a lag that does not grow older is left alone."""
LOSS_COMES_FIRST = 1e6
"""Of what is as urgent, nothing else cannot be made good again."""


class Edge(NamedTuple):
    """The partition that is closest to losing records."""

    partition: int
    used: float  # share of what retention allows, 0..1 and more
    by: str  # retention.ms or retention.bytes
    waited_ms: int | None  # by the oldest unread record
    grows: float  # what `used` gains a second


def find(world: World, standing: Standing) -> Iterator[Finding]:
    for name, group in world.snapshot.groups.items():
        before = next((s for s in world.past if name in s.groups), None)
        for topic, now in group.partitions.totals.items():
            kept = world.kept.get(topic)
            if kept is None or topic not in world.snapshot.topics:
                continue
            lost = max(0, now.lost - before.groups[name].partitions.on_topic(topic).lost) if before else 0
            edge = nearest(world.snapshot, before, name, topic, kept) if now.lag else None
            stands = standing(NAME, f"group:{name} on {topic}")
            near = edge is not None and USED.beyond(edge.used, stands) and (
                stands or edge.grows > 0 or edge.used >= CALM_SHARE
            )  # fmt: skip
            if near or lost:
                yield _finding(world, group, topic, kept, edge, lost)


def nearest(
    now: Snapshot,
    before: Snapshot | None,
    group: str,
    topic: str,
    kept: Kept,
) -> Edge | None:
    """None: nothing waits, or nothing is ever removed."""
    if kept.ms <= 0 and kept.bytes <= 0:
        return None
    found = []
    for p in now.groups[group].partitions.on(topic):
        for by, used in _used(now.topics[topic], p, kept).items() if p.lag else ():
            found.append(Edge(p.partition, used, by, p.time_lag_ms, 0.0))
    edge = max(found, key=lambda edge: edge.used, default=None)
    if edge is None or before is None or topic not in before.topics:
        return edge
    was = next((p for p in before.groups[group].partitions.on(topic) if p.partition == edge.partition), None)
    then = _used(before.topics[topic], was, kept).get(edge.by) if was is not None else None
    over_s = (now.as_of_ms - before.as_of_ms) / 1000
    return edge if then is None or over_s <= 0 else edge._replace(grows=(edge.used - then) / over_s)


def _used(topic: TopicSnapshot, position: GroupPartition, kept: Kept) -> dict[str, float]:
    used = {}
    if kept.ms > 0 and position.time_lag_ms is not None:
        used["retention.ms"] = position.time_lag_ms / kept.ms
    log = topic.partitions[position.partition] if position.partition < len(topic.partitions) else None
    records = log.log_end - log.log_start if log else 0
    if kept.bytes > 0 and log and records > 0 and log.rate != 0:  # without new records none has to go
        unread = min(1.0, (position.lag or 0) / records) * log.size_bytes
        used["retention.bytes"] = unread / kept.bytes
    return used


def _finding(
    world: World, group: GroupSnapshot, topic: str, kept: Kept, edge: Edge | None, lost: int
) -> Finding:
    name = group.group
    left_s = (1 - edge.used) / edge.grows if edge and edge.grows > 0 and edge.used < 1 else None
    urgent = bool(lost) or (edge is not None and edge.used >= 0.9) or (left_s is not None and left_s < 600)
    limit = _limit(kept, edge)
    return Finding(
        rule=NAME,
        subject=f"group:{name} on {topic}",
        group=name,
        topic=topic,
        urgency=Urgency.NOW if urgent else Urgency.SOON,
        weight=1e9 + lost if lost else LOSS_COMES_FIRST + (edge.used if edge else 0.0),
        title=f"{name} loses records of {topic}" if lost else f"{name} is about to lose records of {topic}",
        symptom=_symptom(edge, lost, limit, left_s),
        cause=_cause(group, limit),
        judged=f"Records go unread, or {words.percent(USED.enter)} of retention.ms (or of retention.bytes) "
        "or more is used up "
        f"by what is unread and it grows, or {words.percent(CALM_SHARE)} if it does not; gone below "
        f"{words.percent(USED.leave)}.",
        numbers=(
            Number("removed unread", lost, "records"),
            *(_edge_numbers(edge, kept, left_s) if edge else ()),
        ),
        not_causes=(
            "A lag that stands still is no good sign here: as much is removed as comes in." if lost else
            "Not a full server: retention removes what is old, however much room there is.",
        ),
        levers=(
            Lever(
                "Keep records longer",
                f"{'retention.bytes' if edge and edge.by == 'retention.bytes' else 'retention.ms'} × 4: the danger is "
                "gone at once, the lag is not. It costs memory for as long.",
                what_if={}
                if kept.ms <= 0 or (edge and edge.by == "retention.bytes")
                else {"topic": topic, "group": name, "retention_ms": str(4 * kept.ms)},
            ),
            Lever("Resume the group", "Reading goes on where it stopped; the lag goes, and the danger with it.")
            if group.paused
            else Lever("Read faster", "More members, or a quicker handler: the lag goes, and the danger with it.",
                       what_if={"topic": topic, "group": name}),
        ),
    )  # fmt: skip


def _cause(group: GroupSnapshot, limit: str) -> str:
    if not group.members:
        return f"The group has no member, so nothing is read, and {limit} forgets all the same."
    if group.paused:
        return f"The group is paused, so nothing is read, and {limit} forgets all the same."
    return f"The group reads more slowly than {limit} forgets: what it has not read when its time is over is removed."


def _limit(kept: Kept, edge: Edge | None) -> str:
    if edge.by == "retention.bytes" if edge is not None else kept.ms <= 0:
        return f"retention.bytes ({words.size(kept.bytes)} a partition)"
    return f"retention.ms ({words.time(kept.ms)})"


def _symptom(edge: Edge | None, lost: int, limit: str, left_s: float | None) -> str:
    if lost:
        return f"{words.many(lost, 'record')} were removed in the last minute before the group had read them."
    assert edge is not None
    when = f" At this pace the first records are lost in {words.time(left_s * 1000)}." if left_s else ""
    return f"What is unread on partition {edge.partition} uses {words.percent(edge.used)} of {limit}.{when}"


def _edge_numbers(edge: Edge, kept: Kept, left_s: float | None) -> tuple[Number, ...]:
    return (
        Number(f"{edge.by} used", edge.used, "share", USED.enter),
        Number("oldest unread record waits", edge.waited_ms, "ms"),
        Number("records are kept", kept.ms if kept.ms > 0 else None, "ms"),
        Number("first loss in", None if left_s is None else left_s * 1000, "ms"),
    )

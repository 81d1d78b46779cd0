"""More members than partitions: some have nothing to do, and none that is added would have."""

from __future__ import annotations

from collections.abc import Iterator

from .. import words
from ..finding import Finding, Lever, Number, Urgency
from ..world import Standing, World
from . import handling
from .behind import JUDGED, Behind

NAME = "too-few-partitions"
IDLE = "idle-members"
LIMITS = ()


def cause(world: World, found: Behind) -> Finding | None:
    """The group falls behind, and there is no partition for another member."""
    partitions, members = world.partitions_of(found.group), len(found.group.members)
    if not partitions or members < partitions:
        return None
    time = handling.of_group(world, found.name)
    idle = sum(not member.owned for member in found.group.members)
    topic = found.flow.busiest_topic
    each = found.flow.out_rate / partitions
    needed = -(-found.flow.in_rate // each) if each else None
    return Finding(
        rule=NAME,
        subject=found.subject,
        group=found.name,
        topic=topic,
        weight=found.growing,
        title=f"{topic} has too few partitions for {found.name}",
        symptom=f"{found.symptom} {idle or 'None'} of {words.many(members, 'member')} "
        f"{'has' if idle == 1 else 'have'} nothing to do."
        if idle
        else found.symptom,
        cause=f"{words.many(partitions, 'partition')} can have no more than "
        f"{words.many(partitions, 'reader')}, and each of "
        f"them handles {words.rate(each)}: {handling.describe(time)}.",
        judged=f"{JUDGED} The group has as many members as partitions, or more.",
        numbers=(
            *found.numbers,
            Number("partitions", partitions, "partitions"),
            Number("members", members, "members"),
            Number("members without a partition", idle, "members"),
            Number("a partition's reader handles", each, "records/s"),
        ),
        not_causes=("Not the number of members: another one would have no partition to read.",
                    "Not skew: all partitions fall behind."),
        levers=(
            Lever(
                f"{needed:g} partitions or more" if needed else "More partitions",
                "Members that idle get work. Keys move, so their order breaks once, and what waits in the old "
                "partitions is still read by their owners alone.",
                what_if={"topic": topic, "group": found.name, "partitions": f"{max(needed or 0, 2 * partitions):g}"},
            ),
            Lever(
                "Several handlers at once in each member",
                f"concurrency=4 in the workers: up to four times {words.rate(each)} a partition where "
                "handlers wait for "
                "others; order within a partition goes unless ordering=“key”.",
            ),
        ),
    )  # fmt: skip


def find(world: World, standing: Standing) -> Iterator[Finding]:
    """Members without a partition where nothing is late: a hint."""
    for name, group in world.snapshot.groups.items():
        partitions, members = world.partitions_of(group), len(group.members)
        idle = [m for m in group.members if not m.owned and not m.assigned]
        if not partitions or members <= partitions or not idle or group.state != "Stable" or group.paused:
            continue
        yield Finding(
            rule=IDLE,
            subject=f"group:{name}",
            group=name,
            urgency=Urgency.HINT,
            weight=float(len(idle)),
            title=f"{words.many(len(idle), 'member')} of {name} {'has' if len(idle) == 1 else 'have'} nothing to read",
            symptom=f"{words.many(members, 'member')} share {words.many(partitions, 'partition')}: "
            f"{words.listed([m.client_id for m in idle])} own none.",
            cause="A partition has one reader, so members beyond the number of partitions wait.",
            judged="More members than partitions, in a group that is stable.",
            numbers=(
                Number("members", members, "members"),
                Number("partitions", partitions, "partitions"),
                Number("without a partition", len(idle), "members"),
            ),
            not_causes=(
                "Nothing is late because of it: each costs a heartbeat, and takes over when another dies.",
            ),
            levers=(
                Lever(f"{words.many(len(idle), 'member')} less", "Nothing is handled more slowly."),
                Lever(
                    f"{members} partitions",
                    "Everybody has work; keys move, so their order breaks once.",
                    what_if={"group": name, "partitions": str(members)},
                ),
            ),
        )

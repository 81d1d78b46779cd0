"""Nobody reads: records come in for a group that has no members, or is paused."""

from __future__ import annotations

from ..finding import Finding, Lever, Urgency
from ..world import World
from .behind import JUDGED, Behind

NAME = "nobody-reads"
LIMITS = ()


def cause(world: World, found: Behind) -> Finding | None:
    if found.group.members and not found.group.paused:
        return None
    paused = found.group.paused
    return Finding(
        rule=NAME,
        subject=found.subject,
        group=found.name,
        topic=found.flow.busiest_topic,
        urgency=Urgency.NOW,
        weight=found.growing,
        title=f"{found.name} is paused" if paused else f"Nobody reads for {found.name}",
        symptom=found.symptom,
        cause="An operator paused the group: its members read nothing until it is resumed."
        if paused
        else "The group has no member: its programs do not run, or cannot reach the server.",
        judged=f"{JUDGED} The group has no members, or is paused.",
        numbers=found.numbers,
        levers=(
            Lever("Resume the group", "Reading goes on where it stopped; the lag is worked off.")
            if paused
            else Lever(
                "Start its consumers", "Reading goes on at the committed offsets; nothing is skipped."
            ),
        ),
    )

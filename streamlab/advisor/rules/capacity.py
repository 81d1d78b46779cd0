"""Lag that rises wherever the group reads: its members cannot handle as much as comes in."""

from __future__ import annotations

from math import ceil

from .. import words
from ..finding import Experiment, Finding, Lever, Number
from ..world import World
from . import handling
from .behind import JUDGED, Behind

NAME = "capacity"
LIMITS = ()
LARGE_POLLS = 5_000
"""What an experiment with larger polls tries beside the value of now."""


def cause(world: World, found: Behind) -> Finding | None:
    """What is left when nothing more special explains it."""
    time = handling.of_group(world, found.name)
    members = max(1, len(found.group.members))
    each = found.flow.out_rate / members
    partitions = world.partitions_of(found.group)
    return Finding(
        rule=NAME,
        subject=found.subject,
        group=found.name,
        topic=found.flow.busiest_topic,
        weight=found.growing,
        title=f"{found.name} cannot keep up",
        symptom=found.symptom,
        cause=_cause(time, members, each),
        judged=f"{JUDGED} Nothing more special explains it.",
        numbers=(
            *found.numbers,
            Number("members", members, "members"),
            Number("partitions", partitions, "partitions"),
            Number("a member handles", each, "records/s"),
            Number("a record takes", time.record_ms, "ms"),
            Number("members without time left", time.busy if time.known else None, "members"),
        ),
        not_causes=_not(world, found, time),
        levers=_levers(world, found, time, members, each, partitions),
    )


def _cause(time: handling.Handling, members: int, each: float) -> str:
    one = members == 1
    who = words.many(members, "member")
    handle = f"{who} handles {words.rate(each)}" if one else f"{who} handle {words.rate(each)} each"
    if not time.known:
        tells = "It tells nothing of itself" if one else "They tell nothing of themselves"
        return f"{handle}, which is too little. {tells}, so not why."
    if time.saturated:
        at_once = f", {time.at_once} at once" if time.at_once > 1 else ""
        manage = "manages" if one else "manage"
        return f"The handlers are busy all the time: {handling.describe(time)}{at_once}, so {who} {manage} no more."
    waits = "waits" if one else "still wait"
    return f"{handle} and {waits} for records part of the time: not the handlers, but getting the records takes long."


def _not(world: World, found: Behind, time: handling.Handling) -> tuple[str, ...]:
    said = []
    if found.everywhere and len(found.flow.partitions) > 1:
        said.append("Not the keys: all members fall behind alike.")
    if time.saturated and (time.commit_ms or 0) * (time.commit_rate or 0) < 100:
        said.append("Not the size of polls: the time goes into the handler, and commits take hardly any.")
    cpu = world.snapshot.server.cpu_share
    if cpu is not None and cpu < 0.5:
        said.append(f"Not the server: its processor is at {words.percent(cpu)}.")
    return tuple(said)


def _levers(
    world: World, found: Behind, time: handling.Handling, members: int, each: float, partitions: int
) -> tuple[Lever, ...]:
    levers = []
    topic, group = found.flow.busiest_topic, found.name
    if each > 0 and partitions > members:
        wanted = min(partitions, ceil(found.flow.in_rate * 1.1 / each))
        spare = wanted * each - found.flow.in_rate
        effect = (
            f"{words.rate(wanted * each)} instead of {words.rate(found.flow.out_rate)}: the lag falls by about "
            f"{words.rate(spare)} and is gone in {words.time(found.flow.lag / spare * 1000)}."
            if spare > 0
            else f"{words.rate(wanted * each)} instead of {words.rate(found.flow.out_rate)}: one for each "
            "partition, and "
            "still not enough."
        )
        levers.append(
            Lever(
                f"{words.many(wanted, 'member')} instead of {members}",
                effect,
                what_if={"group": group, "topic": topic, "members": str(wanted)},
            )
        )
    if time.saturated and time.record_ms:
        enough_ms = time.record_ms * found.flow.out_rate / found.flow.in_rate * 0.9
        levers.append(
            Lever(
                "A quicker handler",
                f"{words.time(enough_ms)} a record instead of {words.time(time.record_ms)} is what keeping up needs.",
            )
        )
        if any(client.kind == "worker" for client in world.members(group).values()):
            levers.append(
                Lever(
                    "More handlers at once",
                    f"concurrency={2 * time.at_once} in the workers doubles it where handlers wait for others, and "
                    "does little where they compute.",
                )
            )
    if time.known and not time.saturated:
        now = next((c.values.get("max_poll_records") for c in world.members(group).values()), None)
        levers.append(
            Lever(
                "Larger fetches and polls",
                "Fewer round trips for as many records; more memory in each member.",
                Experiment(
                    f"group:{group}", "max_poll_records", (str(now or "-"), str(LARGE_POLLS)), topic, group
                ),
            )
        )
    return tuple(levers)

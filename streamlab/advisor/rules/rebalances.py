"""A rebalance storm: partitions move again and again, so that nobody gets on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from ...groups.rebalances import Rebalance
from ...groups.words import Cause
from .. import words
from ..finding import Experiment, Finding, Lever, Number, Urgency
from ..limits import Limit
from ..world import Standing, World, largest

NAME = "rebalance-storm"
WINDOW_S = 90
"""Rebalances of this long are counted."""
STRETCH_S, STRETCHES = 10, 5
"""A deployment is over within a stretch or two; in at least so many of them there must have been a rebalance."""
REBALANCES = Limit("rebalances", 8, 4, "rebalances", f"of a group in the last {WINDOW_S} s")
LIMITS = (REBALANCES,)


def find(world: World, standing: Standing) -> Iterator[Finding]:
    for group, recent in world.rebalances.items():
        lately = [r for r in recent if world.now_ms - r.at_ms <= WINDOW_S * 1000]
        stands = standing(NAME, f"group:{group}")
        if not REBALANCES.beyond(len(lately), stands):
            continue
        stretches = {(world.now_ms - r.at_ms) // (STRETCH_S * 1000) for r in lately}
        if stands or len(stretches) >= STRETCHES:
            yield _finding(world, group, lately)


def _finding(world: World, group: str, lately: Sequence[Rebalance]) -> Finding:
    causes = Counter(r.cause for r in lately)
    stood = [r.longest_standstill_ms for r in lately]
    snapshot = world.snapshot.groups.get(group)
    why, levers = _why(causes, group)
    flow = world.flow(group)
    return Finding(
        rule=NAME,
        subject=f"group:{group}",
        group=group,
        topic=flow.busiest_topic if flow else "",
        urgency=Urgency.SOON,
        weight=float(len(lately)),
        title=f"{group} rebalances all the time",
        symptom=f"{words.many(len(lately), 'rebalance')} in {WINDOW_S} s. Each time partitions change "
        "hands, they stand still.",
        cause=why,
        judged=f"{REBALANCES.enter:g} rebalances in {WINDOW_S} s or more, in {STRETCHES} stretches of {STRETCH_S} s at "
        f"least; gone at {REBALANCES.leave:g}.",
        numbers=(
            Number("rebalances", len(lately), f"in {WINDOW_S} s", REBALANCES.enter),
            *(
                Number(f"because members {_WORDS.get(c, c)}", n, "rebalances")
                for c, n in causes.most_common(3)
            ),
            Number("partitions moved", sum(len(r.moved) for r in lately), "moves"),
            Number("longest standstill", largest([None if ms is None else float(ms) for ms in stood]), "ms"),
            Number("members now", len(snapshot.members) if snapshot else None, "members"),
        ),
        not_causes=(
            "Not the group's assignor: it moves no more than members that come and go make necessary. Not the "
            "number of partitions.",
        ),
        levers=levers,
    )


_WORDS: dict[str, str] = {
    Cause.JOINED: "joined",
    Cause.LEFT: "left",
    Cause.EXPIRED: "were silent for too long",
    Cause.SUBSCRIPTION: "changed their subscription",
    Cause.STATIC_RETURN: "came back",
}


def _why(causes: Counter[str], group: str) -> tuple[str, tuple[Lever, ...]]:
    if causes[Cause.EXPIRED] > causes[Cause.LEFT]:
        return (
            "Members fall silent for longer than their session timeout and are taken for dead: they are paused "
            "(garbage collection, a busy machine), or cut off.",
            (
                Lever(
                    "A longer session timeout",
                    "A member that only pauses keeps its partitions; one that died is noticed later.",
                    Experiment(f"group:{group}", "session_timeout_ms", ("-", "90000"), group=group),
                ),
                Lever(
                    "Look at the machines of the members", "Silence has a reason: memory, processor, network."
                ),
            ),
        )
    if causes[Cause.LEFT] + causes[Cause.JOINED] > 0:
        return (
            "Members leave and come back: a program that crashes in a loop, a deployment that does not come to "
            "rest, or a handler that misses max_poll_interval_ms.",
            (
                Lever(
                    "Let the members stay",
                    "The epoch stands still, and partitions are read without a break.",
                ),
                Lever(
                    "Give each a group_instance_id",
                    "A member that restarts within its session timeout keeps its partitions: no rebalance at all.",
                ),
            ),
        )
    return (
        "Subscriptions or the assignor are changed again and again.",
        (Lever("Leave the settings as they are", "Without a change there is no rebalance."),),
    )

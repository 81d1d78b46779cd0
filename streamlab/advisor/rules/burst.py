"""A burst: far more comes in than a while ago, all of a sudden, and the group would have kept up with that before."""

from __future__ import annotations

from .. import flows, words
from ..finding import Finding, Lever, Number, Urgency
from ..limits import Limit
from ..world import World
from .behind import JUDGED, Behind

NAME = "burst"
TIMES = Limit(
    "burst",
    2.5,
    2.0,
    "times",
    "what came in right before a sudden rise in the last 15 minutes",
)
LIMITS = (TIMES,)
ROOM = 1.2
"""A group that handles so many times the calm rate would have kept up with it."""


def undecided(world: World, found: Behind) -> bool:
    """Whether far more comes in than some 20 s ago: whether that is a burst is known some seconds after its begin."""
    topic = found.flow.busiest_topic
    here = world.snapshot.topics.get(topic)
    if here is None or len(world.past) < 3:
        return False
    before, after, newest = world.past[-3:]
    then = _rate(flows.appended([before], after, topic))
    now = max(_rate(flows.appended([newest], world.snapshot, topic)), here.rate or 0.0)
    return now > TIMES.enter * then


def _rate(appended: tuple[int, float] | None) -> float:
    records, seconds = appended or (0, 1.0)
    return records / seconds


def cause(world: World, found: Behind, standing: bool) -> Finding | None:
    topic = found.flow.busiest_topic
    calm = world.calm_rates.get(topic)
    on_topic = [p for p in found.flow.partitions if p.topic == topic]
    here = world.snapshot.topics.get(topic)
    comes_in = max(
        sum(p.in_rate for p in on_topic),
        sum(p.recent_in_rate for p in on_topic),
        (here.rate or 0.0) if here else 0.0,  # of this second: a burst that has only begun
    )
    handled = max(sum(p.out_rate for p in on_topic), sum(p.recent_out_rate for p in on_topic))
    if not calm or not TIMES.beyond(comes_in / calm, standing) or handled < ROOM * calm:
        return None
    spare = handled - calm
    return Finding(
        rule=NAME,
        subject=found.subject,
        group=found.name,
        topic=topic,
        urgency=Urgency.HINT,
        weight=found.growing,
        title=f"A burst on {topic}",
        symptom=found.symptom,
        cause=f"{words.number(comes_in / calm)} times as much comes in as a while ago ({words.rate(calm)}). "
        "The log takes "
        "all of it at once; the readers need longer.",
        judged=f"{JUDGED} {TIMES.enter:g} times as much or more comes in as right before a rise within seconds in "
        f"the last 15 minutes, and the group handles {ROOM:g} times that rate.",
        numbers=(
            *found.numbers,
            Number("came in before", calm, "records/s"),
            Number("burst", comes_in / calm, "times", TIMES.enter),
        ),
        not_causes=(
            f"Not a slow handler: what comes in otherwise is handled {words.number(handled / calm)} times over.",
        ),
        levers=(
            Lever(
                "Wait",
                f"After the burst the lag falls by about {words.rate(spare)}: what waits now takes "
                f"{words.time(found.flow.lag / spare * 1000)}.",
                what_if={"group": found.name, "topic": topic},
            ),
            Lever(
                "More members while it lasts",
                f"Each adds about {words.rate(handled / max(1, len(found.group.members)))}, up to one for "
                "each partition.",
                what_if={
                    "group": found.name,
                    "topic": topic,
                    "members": str(2 * max(1, len(found.group.members))),
                },
            ),
        ),
    )

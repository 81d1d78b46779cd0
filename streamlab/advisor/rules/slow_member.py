"""One member is slower than the others: its partitions lag though no more comes in to them."""

from __future__ import annotations

from .. import words
from ..finding import Finding, Lever, Number
from ..limits import Limit
from ..world import World
from . import handling
from .behind import JUDGED, Behind

NAME = "slow-member"
SLOWER = Limit(
    "slower", 0.7, 0.7, "times", "what a late member handles, of what one that keeps up does or could do"
)
LIMITS = (SLOWER,)


def cause(world: World, found: Behind) -> Finding | None:
    """None when everybody is late, or the late ones have more to do than the others."""
    if not found.late or not found.well or len(found.late) > len(found.well):
        return None
    late = [p for partitions in found.late.values() for p in partitions]
    well = [p for partitions in found.well.values() for p in partitions]
    each = sum(p.out_rate for p in late) / len(found.late)
    others = sum(p.out_rate for p in well) / len(found.well)
    slow, quick = (handling.of_group(world, found.name, who) for who in (found.late, found.well))
    slower = (
        slow.record_ms is not None
        and quick.record_ms is not None
        and slow.record_ms * SLOWER.enter >= quick.record_ms
    )
    if not slower and each > others * SLOWER.enter:
        return None
    names = [_client_id(found, member) for member in found.late]
    return Finding(
        rule=NAME,
        subject=found.subject,
        group=found.name,
        topic=found.flow.busiest_topic,
        weight=found.growing,
        title=f"{words.listed(names)} {'is' if len(names) == 1 else 'are'} slower than the others",
        symptom=found.symptom,
        cause=f"{words.listed(names)} handles {words.rate(each)}, the others {words.rate(others)} each: "
        f"{handling.describe(slow)} there. Its machine is busy, or what it calls answers it slowly.",
        judged=f"{JUDGED} Only some members fall behind, at most half, and handle {SLOWER.enter:g} × what the others "
        "do, or less, or need as much longer for a record.",
        numbers=(
            *found.numbers,
            Number("a late member handles", each, "records/s"),
            Number("another one handles", others, "records/s"),
            Number("a record takes the late one", slow.record_ms, "ms"),
            Number("a record takes the others", quick.record_ms, "ms"),
        ),
        not_causes=("Not the keys: no more comes in to its partitions than to the others.",),
        levers=(
            Lever("Restart or move this member", "Its partitions go to the others meanwhile."),
            Lever(
                "Take it out of the group",
                "The others share its partitions; see whether they have time left.",
            ),
        ),
    )


def _client_id(found: Behind, member: str) -> str:
    return next((m.client_id for m in found.group.members if m.member_id == member), member)

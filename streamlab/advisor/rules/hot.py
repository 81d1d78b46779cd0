"""Lag on one partition: more of the records go there than its one reader can handle."""

from __future__ import annotations

from collections.abc import Sequence

from ...metrics import skew
from .. import words
from ..finding import Experiment, Finding, Lever, Number
from ..flows import PartitionFlow
from ..limits import Limit
from ..world import HeavyKey, World
from .behind import JUDGED, Behind

NAME = "hot-key"
PARTITION = "hot-partition"
KEY_SHARE = Limit("hot key", 0.4, 0.4, "share", "of a hot partition's newest records that one key has")
LIMITS = (KEY_SHARE,)
MOSTLY = 0.8
"""So much of the growth of the lag is with the owners of hot partitions."""


def hot_partitions(partitions: Sequence[PartitionFlow], span_s: float) -> list[PartitionFlow]:
    """Those that more comes in to than to the others of their topic, far beyond chance."""
    found = []
    for topic in {p.topic for p in partitions}:
        of_topic = [p for p in partitions if p.topic == topic]
        found += [of_topic[i] for i in skew.hot([round(p.in_rate * span_s) for p in of_topic])]
    return found


def cause(world: World, found: Behind) -> Finding | None:
    """One of two rules: one key that is heavy, or several on one partition."""
    hot = hot_partitions(found.flow.partitions, found.flow.span_ms / 1000)
    owners = {p.owner for p in hot}
    growth = {owner: max(0.0, sum(p.slope for p in parts)) for owner, parts in found.flow.by_owner().items()}
    with_hot = sum(growth.get(owner, 0.0) for owner in owners if owner is not None)
    if not hot or with_hot < MOSTLY * sum(growth.values()):
        return None
    hottest = max(hot, key=lambda p: p.in_rate)
    if found.everywhere and _would_be_read_alone(hottest, found):
        return None
    mean = sum(p.in_rate for p in found.flow.partitions if p.topic == hottest.topic) / sum(
        p.topic == hottest.topic for p in found.flow.partitions
    )
    heavy = [key for key in world.heavy_keys.get(hottest.topic, ()) if key.partition == hottest.partition]
    one_key = heavy[0] if heavy and _is_to_blame(heavy[0], hottest, found.flow.partitions) else None
    name = f"{hottest.topic}/{hottest.partition}"
    return Finding(
        rule=NAME if one_key else PARTITION,
        subject=found.subject,
        group=found.name,
        topic=hottest.topic,
        weight=found.growing,
        title=f"A hot key on {hottest.topic}" if one_key else f"Partition {name} is hot",
        symptom=f"{found.symptom} {name} alone gets {words.rate(hottest.in_rate)} and is the one that falls behind.",
        cause=_cause(one_key, hottest, mean),
        record_key=one_key.text if one_key else "",
        judged=f"{JUDGED} A partition gets far more than the others (mean of the others and 2 deviations, 1.5 × "
        f"their mean, beyond chance), {words.percent(MOSTLY)} or more of the growth is with its owner, and where no "
        "member keeps up more comes in to it than its owner handles. A key "
        f"is hot from {words.percent(KEY_SHARE.enter)} of the partition's newest records on, if without it the "
        "partition would be like the others.",
        numbers=(
            *found.numbers,
            Number(f"comes in to {name}", hottest.in_rate, "records/s"),
            Number("over the mean of partitions", hottest.in_rate / mean if mean else None, "times"),
            *((Number("share of the key", one_key.share, "share", KEY_SHARE.enter),) if one_key else ()),
            Number("members that keep up", len(found.well), "members"),
        ),
        not_causes=(
            "Not the number of members: a partition has one owner, and a key one partition. "
            + (f"{words.many(len(found.well), 'member')} of the group keep up." if found.well else ""),
        ),
        levers=_levers(found, hottest, one_key, len(found.flow.by_owner().get(hottest.owner or "", []))),
    )


def _would_be_read_alone(hottest: PartitionFlow, found: Behind) -> bool:
    """Whether its owner handles as much as comes in to it, were it not for its other partitions.

    Then more members help. Where others keep up there are enough of them.
    """
    return sum(p.out_rate for p in found.flow.by_owner().get(hottest.owner or "", [])) >= hottest.in_rate


def _is_to_blame(key: HeavyKey, hottest: PartitionFlow, partitions: Sequence[PartitionFlow]) -> bool:
    """A key with much of the partition, without which the partition would be like the others."""
    others = [p.in_rate for p in partitions if p.topic == hottest.topic and p is not hottest]
    without = hottest.in_rate * (1 - key.share)
    return KEY_SHARE.beyond(key.share, False) and without * len(others) <= skew.HOT_OVER_MEAN * sum(others)


def _cause(key: HeavyKey | None, hottest: PartitionFlow, mean: float) -> str:
    times = f"{words.number(hottest.in_rate / mean)} × the mean" if mean else "far above the others"
    if key is None:
        return f"Its keys are heavy, or happen to lie together: partition {hottest.partition} gets {times}."
    return (
        f"One key has {words.percent(key.share)} of the newest records of partition "
        f"{hottest.partition}, which gets {times}."
    )


def _levers(found: Behind, hottest: PartitionFlow, key: HeavyKey | None, owned: int) -> tuple[Lever, ...]:
    spread = Lever(
        "Spread the key" if key else "Another number of partitions",
        "Add something to it that tells its records apart (an order, a minute): they go to all partitions, and "
        "their order among each other goes."
        if key
        else "Keys fall otherwise; the what-if shows how, from the keys of now.",
        what_if={"topic": hottest.topic} if key else {"topic": hottest.topic, "group": found.name},
    )
    handlers = Lever(
        "Several handlers at once in its owner",
        "concurrency=4 with ordering=“key” helps where the partition has several keys, with “none” it helps a "
        "single key as well, whose records may then overtake each other.",
    )
    if owned < 2:
        return spread, handlers
    elsewhere = Lever(
        "Give its owner's other partitions away",
        f"The assignor lag-aware shares out by work: {found.name}'s owner of partition {hottest.partition} has "
        f"{words.many(owned - 1, 'other partition')}, which others could read. It gains what these cost, not more.",
        Experiment(f"group:{found.name}", "assignor", ("-", "lag-aware"), hottest.topic, found.name),
    )
    return spread, elsewhere, handlers

"""Shares partitions out by the work they are, not by their number. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import NamedTuple

from ..model import TopicPartition

TOLERANCE = 0.2
"""Two members whose loads differ by less than this part of the mean load are left as they are."""
_MEASURABLE = 0.01
"""No partition counts less than this part of the mean one, so that idle partitions are shared out, too."""

Shares = dict[str, list[TopicPartition]]
Subscriptions = Mapping[str, frozenset[str]]
Loads = Mapping[TopicPartition, float]


class _Step(NamedTuple):
    """A partition goes from the giver to the taker, and perhaps a lighter one comes back."""

    gain: float  # by how much the sum of the squares of the loads falls
    give: TopicPartition
    back: TopicPartition | None


def weights(partitions: list[TopicPartition], loads: Loads) -> dict[TopicPartition, float]:
    """Each partition's load, but at least a hundredth of the mean; 1 for all when nothing is known."""
    known = {p: max(loads.get(p, 0.0), 0.0) for p in partitions}
    mean = sum(known.values()) / len(known) if known else 0.0
    return {p: max(load, mean * _MEASURABLE) if mean > 0 else 1.0 for p, load in known.items()}


def balance(
    shares: Shares, homeless: list[TopicPartition], subscriptions: Subscriptions, loads: Loads
) -> None:
    """Give the homeless out, the heaviest first, then move or swap partitions as long as two members differ by more
    than the tolerance and a step brings them closer.

    Every step lowers the sum of the squares of the loads by a real amount, so it ends.

    >>> t = [TopicPartition("t", n) for n in range(4)]
    >>> shares = {"a": t[:3], "b": t[3:]}
    >>> balance(shares, [], dict.fromkeys("ab", frozenset("t")), {t[0]: 9.0, t[1]: 1.0, t[2]: 1.0, t[3]: 1.0})
    >>> {member: sorted(p.partition for p in share) for member, share in shares.items()}
    {'a': [0], 'b': [1, 2, 3]}
    """
    every = [*homeless, *(p for share in shares.values() for p in share)]
    weight = weights(every, loads)
    sums = {member: sum(weight[p] for p in share) for member, share in shares.items()}
    for partition in sorted(homeless, key=lambda p: (-weight[p], p)):
        takers = [m for m in shares if partition.topic in subscriptions[m]]
        taker = min(takers, key=lambda m: (sums[m], len(shares[m])))
        shares[taker].append(partition)
        sums[taker] += weight[partition]
    allowed = TOLERANCE * sum(sums.values()) / len(sums) if sums else 0.0
    least_gain = 1e-9 * (sum(sums.values()) + 1.0) ** 2
    while _improve(shares, sums, subscriptions, weight, allowed, least_gain):
        pass


def _improve(
    shares: Shares,
    sums: dict[str, float],
    subscriptions: Subscriptions,
    weight: Mapping[TopicPartition, float],
    allowed: float,
    least_gain: float,
) -> bool:
    """Make the best step between the fullest member and the emptiest that it can trade with."""
    by_load = sorted(shares, key=lambda m: sums[m])
    for giver in reversed(by_load):
        for taker in by_load:
            gap = sums[giver] - sums[taker]
            if gap <= allowed:
                break
            step = _best(
                shares[giver], shares[taker], gap, subscriptions[giver], subscriptions[taker], weight
            )
            if step is None or step.gain < least_gain:
                continue
            _make(step, shares, sums, giver, taker, weight)
            return True
    return False


def _best(
    mine: list[TopicPartition],
    theirs: list[TopicPartition],
    gap: float,
    my_topics: frozenset[str],
    their_topics: frozenset[str],
    weight: Mapping[TopicPartition, float],
) -> _Step | None:
    """A move if one helps, else a swap: a swap stops two partitions where a move stops one."""
    giveable = [p for p in mine if p.topic in their_topics]
    moves = [_Step(_gain(weight[p], gap), p, None) for p in giveable]
    best = max(moves, key=lambda step: (step.gain, -weight[step.give]), default=None)
    if best is not None and best.gain > 0:
        return best
    returnable = [p for p in theirs if p.topic in my_topics]
    swaps = (_Step(_gain(weight[p] - weight[q], gap), p, q) for p, q in product(giveable, returnable))
    return max(swaps, key=lambda step: step.gain, default=None)


def _gain(moved: float, gap: float) -> float:
    """(a² + b²) - ((a - w)² + (b + w)²) for a - b = gap."""
    return 2 * moved * (gap - moved)


def _make(
    step: _Step,
    shares: Shares,
    sums: dict[str, float],
    giver: str,
    taker: str,
    weight: Mapping[TopicPartition, float],
) -> None:
    for partition, source, goal in ((step.give, giver, taker), (step.back, taker, giver)):
        if partition is not None:
            shares[source].remove(partition)
            shares[goal].append(partition)
            sums[source] -= weight[partition]
            sums[goal] += weight[partition]

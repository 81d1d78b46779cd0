"""Shares partitions out by the work they are, not by their number. Pure."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Mapping
from typing import NamedTuple

from ..model import TopicPartition

TOLERANCE = 0.2
"""Two members whose loads differ by less than this part of the mean load are left as they are."""
_MEASURABLE = 0.01
"""No partition counts less than this part of the mean one, so that idle partitions are shared out, too."""

Shares = dict[str, list[TopicPartition]]
Subscriptions = Mapping[str, frozenset[str]]
Loads = Mapping[TopicPartition, float]


_Weighed = list[tuple[float, TopicPartition]]
"""The share of one member, the lightest first."""


class _Step(NamedTuple):
    """A partition goes from the giver to the taker, and perhaps a lighter one comes back."""

    give: tuple[float, TopicPartition]
    back: tuple[float, TopicPartition] | None

    @property
    def moved(self) -> float:
        return self.give[0] - (self.back[0] if self.back else 0.0)


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
    weight = weights([*homeless, *(p for share in shares.values() for p in share)], loads)
    weighed = {member: sorted((weight[p], p) for p in share) for member, share in shares.items()}
    sums = {member: sum(weight[p] for p in share) for member, share in shares.items()}
    for partition in sorted(homeless, key=lambda p: (-weight[p], p)):
        takers = [m for m in shares if partition.topic in subscriptions[m]]
        taker = min(takers, key=lambda m: (sums[m], len(weighed[m])))
        insort(weighed[taker], (weight[partition], partition))
        sums[taker] += weight[partition]
    total = sum(sums.values())
    allowed = TOLERANCE * total / len(sums) if sums else 0.0
    least_gain = 1e-9 * (total + 1.0) ** 2
    while True:
        stuck: set[str] = set()  # could give nothing to anybody; not asked again before the others are done
        if not _improve(weighed, sums, subscriptions, allowed, least_gain, stuck):
            break
        while _improve(weighed, sums, subscriptions, allowed, least_gain, stuck):
            pass
    for member, share in weighed.items():
        shares[member][:] = [partition for _, partition in share]


def _improve(
    weighed: dict[str, _Weighed],
    sums: dict[str, float],
    subscriptions: Subscriptions,
    allowed: float,
    least_gain: float,
    stuck: set[str],
) -> bool:
    """Make the best step between the fullest member and the emptiest that it can trade with."""
    by_load = sorted(sums, key=lambda m: sums[m])
    for giver in reversed(by_load):
        if giver in stuck:
            continue
        for taker in by_load:
            gap = sums[giver] - sums[taker]
            if gap <= allowed:
                break
            topics = subscriptions[giver], subscriptions[taker]
            step = _best(weighed[giver], weighed[taker], gap, *topics, least_gain)
            if step is not None:
                _make(step, weighed, sums, giver, taker)
                stuck.discard(taker)
                return True
        stuck.add(giver)
    return False


def _best(
    mine: _Weighed,
    theirs: _Weighed,
    gap: float,
    my_topics: frozenset[str],
    their_topics: frozenset[str],
    least_gain: float,
) -> _Step | None:
    """A move if one gains enough, else a swap: a swap stops two partitions where a move stops one."""
    giveable = mine if my_topics <= their_topics else [w for w in mine if w[1].topic in their_topics]
    best = _nearest(giveable, gap / 2)
    if best is None:
        return None
    if _gain(best[0], gap) >= least_gain:  # and not "best[0] < gap": a gain of rounding errors is none
        return _Step(best, None)
    returnable = theirs if their_topics <= my_topics else [w for w in theirs if w[1].topic in my_topics]
    swaps = (_Step(w, _nearest(returnable, w[0] - gap / 2)) for w in giveable) if returnable else ()
    step = max(swaps, key=lambda step: _gain(step.moved, gap), default=None)
    return step if step is not None and _gain(step.moved, gap) >= least_gain else None


def _nearest(weighed: _Weighed, wanted: float) -> tuple[float, TopicPartition] | None:
    """The one whose weight is closest to what is wanted, the lighter of two; None: there is none."""
    at = bisect_left(weighed, wanted, key=lambda w: w[0])
    around = weighed[max(at - 1, 0) : at + 1]
    return min(around, key=lambda w: abs(w[0] - wanted), default=None)


def _gain(moved: float, gap: float) -> float:
    """By how much the sum of the squares of two loads falls: (a² + b²) - ((a - w)² + (b + w)²) for a - b = gap."""
    return 2 * moved * (gap - moved)


def _make(step: _Step, weighed: dict[str, _Weighed], sums: dict[str, float], giver: str, taker: str) -> None:
    for one, source, goal in ((step.give, giver, taker), (step.back, taker, giver)):
        if one is not None:
            del weighed[source][bisect_left(weighed[source], one)]
            insort(weighed[goal], one)
            sums[source] -= one[0]
            sums[goal] += one[0]

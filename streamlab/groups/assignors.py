"""Which member gets which partition. Pure functions: the same input, the same assignment, on every member.

All are given the members' subscriptions, the topics' partition counts, who owns what now and how much work each
partition is, and answer with every partition of every subscribed topic given to exactly one member that subscribed to
it. The order of the members is that of the subscriptions (`target.in_order`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..model import TopicPartition
from . import lag_aware

Subscriptions = Mapping[str, frozenset[str]]
"""member id → topics."""
Counts = Mapping[str, int]
"""topic → number of partitions."""
Owners = Mapping[TopicPartition, str]
"""partition → member that owns it now."""
Loads = Mapping[TopicPartition, float]
"""partition → how much work it is, in any unit; what is missing counts as little."""
Assignment = dict[str, list[TopicPartition]]
Assignor = Callable[[Subscriptions, Counts, Owners, Loads], Assignment]

NO_LOADS: Loads = {}


def sticky(
    subscriptions: Subscriptions, counts: Counts, owners: Owners, loads: Loads = NO_LOADS
) -> Assignment:
    """Even to within one partition where subscriptions allow it, moving only what must move.

    Every partition stays where it is; those without an owner go to whoever has least; then, as long as some member
    has two more than another that could take one of its partitions, one moves. Each move lowers the sum of squares
    of the loads, so it ends.

    >>> here = {TopicPartition("t", n): "a" for n in range(4)}
    >>> two = {"a": frozenset("t"), "b": frozenset("t")}
    >>> {m: [p.partition for p in ps] for m, ps in sticky(two, {"t": 4}, here).items()}
    {'a': [0, 1], 'b': [2, 3]}
    """
    shares, homeless = _kept(subscriptions, counts, owners)
    for partition in homeless:
        takers = [m for m in shares if partition.topic in subscriptions[m]]
        shares[min(takers, key=lambda m: len(shares[m]))].append(partition)
    while _move_one(shares, subscriptions):
        pass
    return {member: sorted(partitions) for member, partitions in shares.items()}


def by_work(
    subscriptions: Subscriptions, counts: Counts, owners: Owners, loads: Loads = NO_LOADS
) -> Assignment:
    """Even by the work that the partitions are, not by their number: to within a fifth of the mean, where single
    partitions are not heavier than that. What moves in order to be more even than that is not worth its standstill.

    >>> t = [TopicPartition("t", n) for n in range(4)]
    >>> two, work = {"a": frozenset("t"), "b": frozenset("t")}, {t[0]: 90.0, t[1]: 30.0, t[2]: 30.0, t[3]: 30.0}
    >>> {m: [p.partition for p in ps] for m, ps in by_work(two, {"t": 4}, {}, work).items()}
    {'a': [0], 'b': [1, 2, 3]}
    """
    shares, homeless = _kept(subscriptions, counts, owners)
    lag_aware.balance(shares, homeless, subscriptions, loads)
    return {member: sorted(partitions) for member, partitions in shares.items()}


def _kept(
    subscriptions: Subscriptions, counts: Counts, owners: Owners
) -> tuple[Assignment, list[TopicPartition]]:
    """What stays with its owner, and what has none that wants it."""
    shares: Assignment = {member: [] for member in subscriptions}
    homeless = []
    for partition in _partitions(subscriptions, counts):
        owner = owners.get(partition)
        if owner in shares and partition.topic in subscriptions[owner]:
            shares[owner].append(partition)
        else:
            homeless.append(partition)
    return shares, homeless


def _move_one(shares: Assignment, subscriptions: Subscriptions) -> bool:
    """Move one partition from a fuller to an emptier member by two or more. False when all is balanced."""
    by_load = sorted(shares, key=lambda m: len(shares[m]))
    for giver in reversed(by_load):
        for taker in by_load:
            if len(shares[giver]) - len(shares[taker]) < 2:
                break
            mine, wanted = shares[giver], subscriptions[taker]
            for i in range(len(mine) - 1, -1, -1):
                if mine[i].topic in wanted:
                    shares[taker].append(mine.pop(i))
                    return True
    return False


def range_(
    subscriptions: Subscriptions, counts: Counts, owners: Owners, loads: Loads = NO_LOADS
) -> Assignment:
    """Each topic's partitions in contiguous runs over its members in order: the same numbers of two topics with as
    many partitions meet on one member. Source: org.apache.kafka.clients.consumer.RangeAssignor.

    >>> two = {"a": frozenset("t"), "b": frozenset("t")}
    >>> {m: [p.partition for p in ps] for m, ps in range_(two, {"t": 3}, {}).items()}
    {'a': [0, 1], 'b': [2]}
    """
    shares: Assignment = {member: [] for member in subscriptions}
    for topic in sorted({t for topics in subscriptions.values() for t in topics}):
        members = [m for m in shares if topic in subscriptions[m]]
        share, extra = divmod(counts.get(topic, 0), len(members))
        at = 0
        for i, member in enumerate(members):
            size = share + (1 if i < extra else 0)
            shares[member] += [TopicPartition(topic, n) for n in range(at, at + size)]
            at += size
    return shares


def round_robin(
    subscriptions: Subscriptions, counts: Counts, owners: Owners, loads: Loads = NO_LOADS
) -> Assignment:
    """All partitions in order, dealt out one by one to the members in order.

    >>> two = {"a": frozenset("t"), "b": frozenset("t")}
    >>> {m: [p.partition for p in ps] for m, ps in round_robin(two, {"t": 3}, {}).items()}
    {'a': [0, 2], 'b': [1]}
    """
    shares: Assignment = {member: [] for member in subscriptions}
    order = list(shares)
    at = 0
    for partition in _partitions(subscriptions, counts):
        while partition.topic not in subscriptions[order[at % len(order)]]:
            at += 1
        shares[order[at % len(order)]].append(partition)
        at += 1
    return shares


def _partitions(subscriptions: Subscriptions, counts: Counts) -> list[TopicPartition]:
    topics = sorted({topic for topics in subscriptions.values() for topic in topics})
    return [TopicPartition(topic, n) for topic in topics for n in range(counts.get(topic, 0))]


DEFAULT = "cooperative-sticky"
ASSIGNORS: dict[str, Assignor] = {
    "cooperative-sticky": sticky,
    "sticky": sticky,
    "range": range_,
    "roundrobin": round_robin,
    "lag-aware": by_work,
}
"""Handing over is always incremental here, so `sticky` and `cooperative-sticky` are one."""
BY_LOAD = frozenset(["lag-aware"])
"""Those that have to be told how much work each partition is."""

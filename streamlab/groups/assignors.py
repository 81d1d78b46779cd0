"""Which member gets which partition. Pure functions: the same input, the same assignment, on every member.

All are given the members' subscriptions, the topics' partition counts and who owns what now, and answer with every
partition of every subscribed topic given to exactly one member that subscribed to it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..model import TopicPartition

Subscriptions = Mapping[str, frozenset[str]]
"""member id → topics."""
Counts = Mapping[str, int]
"""topic → number of partitions."""
Owners = Mapping[TopicPartition, str]
"""partition → member that owns it now."""
Assignment = dict[str, list[TopicPartition]]
Assignor = Callable[[Subscriptions, Counts, Owners], Assignment]


def sticky(subscriptions: Subscriptions, counts: Counts, owners: Owners) -> Assignment:
    """Even to within one partition where subscriptions allow it, moving only what must move.

    Every partition stays where it is; those without an owner go to whoever has least; then, as long as some member
    has two more than another that could take one of its partitions, one moves. Each move lowers the sum of squares
    of the loads, so it ends.

    >>> here = {TopicPartition("t", n): "a" for n in range(4)}
    >>> two = {"a": frozenset("t"), "b": frozenset("t")}
    >>> {m: [p.partition for p in ps] for m, ps in sticky(two, {"t": 4}, here).items()}
    {'a': [0, 1], 'b': [2, 3]}
    """
    loads: Assignment = {member: [] for member in sorted(subscriptions)}
    homeless = []
    for partition in _partitions(subscriptions, counts):
        owner = owners.get(partition)
        if owner in loads and partition.topic in subscriptions[owner]:
            loads[owner].append(partition)
        else:
            homeless.append(partition)
    for partition in homeless:
        takers = [m for m in loads if partition.topic in subscriptions[m]]
        loads[min(takers, key=lambda m: (len(loads[m]), m))].append(partition)
    while _move_one(loads, subscriptions):
        pass
    return {member: sorted(partitions) for member, partitions in loads.items()}


def _move_one(loads: Assignment, subscriptions: Subscriptions) -> bool:
    """Move one partition from a fuller to an emptier member by two or more. False when all is balanced."""
    by_load = sorted(loads, key=lambda m: (len(loads[m]), m))
    for giver in reversed(by_load):
        for taker in by_load:
            if len(loads[giver]) - len(loads[taker]) < 2:
                break
            mine, wanted = loads[giver], subscriptions[taker]
            for i in range(len(mine) - 1, -1, -1):
                if mine[i].topic in wanted:
                    loads[taker].append(mine.pop(i))
                    return True
    return False


def range_(subscriptions: Subscriptions, counts: Counts, owners: Owners) -> Assignment:
    """Each topic's partitions in contiguous runs over its members in order: the same numbers of two topics with as
    many partitions meet on one member. Source: org.apache.kafka.clients.consumer.RangeAssignor.

    >>> two = {"a": frozenset("t"), "b": frozenset("t")}
    >>> {m: [p.partition for p in ps] for m, ps in range_(two, {"t": 3}, {}).items()}
    {'a': [0, 1], 'b': [2]}
    """
    loads: Assignment = {member: [] for member in sorted(subscriptions)}
    for topic in sorted({t for topics in subscriptions.values() for t in topics}):
        members = [m for m in loads if topic in subscriptions[m]]
        share, extra = divmod(counts.get(topic, 0), len(members))
        at = 0
        for i, member in enumerate(members):
            size = share + (1 if i < extra else 0)
            loads[member] += [TopicPartition(topic, n) for n in range(at, at + size)]
            at += size
    return loads


def round_robin(subscriptions: Subscriptions, counts: Counts, owners: Owners) -> Assignment:
    """All partitions in order, dealt out one by one to the members in order.

    >>> two = {"a": frozenset("t"), "b": frozenset("t")}
    >>> {m: [p.partition for p in ps] for m, ps in round_robin(two, {"t": 3}, {}).items()}
    {'a': [0, 2], 'b': [1]}
    """
    loads: Assignment = {member: [] for member in sorted(subscriptions)}
    order = list(loads)
    at = 0
    for partition in _partitions(subscriptions, counts):
        while partition.topic not in subscriptions[order[at % len(order)]]:
            at += 1
        loads[order[at % len(order)]].append(partition)
        at += 1
    return loads


def _partitions(subscriptions: Subscriptions, counts: Counts) -> list[TopicPartition]:
    topics = sorted({topic for topics in subscriptions.values() for topic in topics})
    return [TopicPartition(topic, n) for topic in topics for n in range(counts.get(topic, 0))]


DEFAULT = "cooperative-sticky"
ASSIGNORS: dict[str, Assignor] = {
    "cooperative-sticky": sticky,
    "sticky": sticky,
    "range": range_,
    "roundrobin": round_robin,
}
"""Handing over is always incremental here, so `sticky` and `cooperative-sticky` are one."""

"""Computes the target assignment of a group: by whoever sees an epoch without one, or to show what would come."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import msgspec

from ..connection import Connection
from ..model import TopicPartition
from ..topics import Topics
from . import assignors, load
from .assignors import Assignment, Counts, Owners
from .words import Member


class Target(NamedTuple):
    """Who shall own what, and what that was made of."""

    assignor: str
    counts: dict[str, int]  # partitions of each subscribed topic
    assignment: Assignment

    @property
    def arguments(self) -> list[Any]:
        """Of `assign.lua` and `rebalance.lua`: member id, JSON of its partitions, member id, …"""
        pairs: list[Any] = []
        for member_id, partitions in self.assignment.items():
            pairs += [member_id, msgspec.json.encode([str(p) for p in partitions])]
        return pairs


def known_counts(topics: Topics, wanted: Iterable[str]) -> dict[str, int]:
    """Partitions of those topics that exist."""
    specs = topics.all()
    return {topic: specs[topic].partitions for topic in sorted(set(wanted)) if topic in specs}


def compute(
    connection: Connection,
    topics: Topics,
    group_id: str,
    assignor: str,
    members: Iterable[Member],
    owners: Owners,
) -> Target:
    """Raises KeyError for an assignor that this version does not know."""
    topics.all(fresh=True)
    known = in_order(members)
    counts = known_counts(topics, (topic for member in known for topic in member.topics))
    subscriptions = {m.member_id: frozenset(t for t in m.topics if t in counts) for m in known}
    loads: Mapping[TopicPartition, float] = {}
    if assignor in assignors.BY_LOAD:
        loads = load.measure(connection, group_id, _partitions(counts))
    return Target(assignor, counts, assignors.ASSIGNORS[assignor](subscriptions, counts, owners, loads))


def in_order(members: Iterable[Member]) -> list[Member]:
    """Static members first, by instance id, then the others by member id: a static member's share is the same after
    its restart. Source: org.apache.kafka.clients.consumer.internals.AbstractPartitionAssignor.MemberInfo."""
    return sorted(members, key=lambda m: (m.instance_id is None, m.instance_id or "", m.member_id))


def _partitions(counts: Counts) -> list[TopicPartition]:
    return [TopicPartition(topic, n) for topic, count in counts.items() for n in range(count)]

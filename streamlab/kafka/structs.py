"""Kafka's small words. Those of the core are the core's own."""

from __future__ import annotations

from enum import IntEnum, StrEnum

from ..consumer import ConsumerGroupMetadata
from ..model import OffsetAndMetadata, OffsetAndTimestamp, OffsetSpec, OffsetTimestamp, TopicPartition
from ..subscription import ConsumerRebalanceListener


class IsolationLevel(IntEnum):
    """Accepted and without effect: there are no transactions, so everything that can be read is committed."""

    READ_UNCOMMITTED = 0
    READ_COMMITTED = 1


class GroupState(StrEnum):
    """The states of a group, as Kafka's group protocol names them."""

    ASSIGNING = "Assigning"
    DEAD = "Dead"
    EMPTY = "Empty"
    RECONCILING = "Reconciling"
    STABLE = "Stable"


class NewTopic:
    """A topic to be made. kafka-python prefers `create_topics({"orders": {"num_partitions": 6}})` now."""

    def __init__(
        self,
        name: str,
        num_partitions: int = -1,
        replication_factor: int = -1,
        replica_assignments: dict[int, list[int]] | None = None,
        topic_configs: dict[str, str] | None = None,
    ):
        self.name = name
        self.num_partitions = num_partitions
        self.replication_factor = replication_factor
        self.replica_assignments = replica_assignments or {}
        self.topic_configs = topic_configs or {}


class MemberToRemove:
    """A member to be taken out of its group: by its member id or, a static one, by its instance id."""

    def __init__(
        self, member_id: str | None = None, group_instance_id: str | None = None, reason: str | None = None
    ):
        self.member_id = member_id
        self.group_instance_id = group_instance_id
        self.reason = reason


class NewPartitions:
    """The total that a topic shall grow to. kafka-python prefers `create_partitions({"orders": 12})` now."""

    def __init__(self, total_count: int, new_assignments: list[list[int]] | None = None):
        self.total_count = total_count
        self.new_assignments = new_assignments


__all__ = [
    "ConsumerGroupMetadata",
    "ConsumerRebalanceListener",
    "GroupState",
    "IsolationLevel",
    "MemberToRemove",
    "NewPartitions",
    "NewTopic",
    "OffsetAndMetadata",
    "OffsetAndTimestamp",
    "OffsetSpec",
    "OffsetTimestamp",
    "TopicPartition",
]

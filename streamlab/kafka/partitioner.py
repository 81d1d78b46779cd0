"""kafka-python's partitioners: objects that see the whole record and the topic's partitions."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from typing import Any

from ..partitioner import partition_for
from ..topics import Topics


class ClusterMetadata:
    """What a partitioner may ask about topics. Every partition is available: the server has all of them or none."""

    def __init__(self, topics: Topics):
        self._topics = topics

    def topics(self) -> set[str]:
        return set(self._topics.all())

    def partitions_for_topic(self, topic: str) -> set[int] | None:
        """None when there is no such topic."""
        spec = self._topics.get(topic)
        return set(range(spec.partitions)) if spec else None

    def available_partitions_for_topic(self, topic: str) -> set[int] | None:
        return self.partitions_for_topic(topic)


class Partitioner(ABC):
    """Chooses the partition of a record that is sent without one."""

    @abstractmethod
    def partition(
        self,
        topic: str,
        key: Any,
        serialized_key: bytes | None,
        value: Any,
        serialized_value: bytes | None,
        cluster: ClusterMetadata,
    ) -> int:
        """The number of the partition."""


class DefaultPartitioner(Partitioner):
    """murmur2 of the key, any partition without a key. (A producer without a partitioner is sticky without a key.)"""

    def partition(
        self,
        topic: str,
        key: Any,
        serialized_key: bytes | None,
        value: Any,
        serialized_value: bytes | None,
        cluster: ClusterMetadata,
    ) -> int:
        partitions = sorted(cluster.partitions_for_topic(topic) or {0})
        if serialized_key is None:
            return random.choice(partitions)
        return partition_for(serialized_key, len(partitions))


__all__ = ["ClusterMetadata", "DefaultPartitioner", "Partitioner"]

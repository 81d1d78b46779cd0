"""The operator's verbs on topics and their records, with kafka-python's names and return types."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any

from . import growth
from .config import TOPIC
from .configs.store import Configs
from .connection import Connection
from .delivery import leftovers
from .errors import StreamlabError
from .log import PartitionLog
from .model import PartitionOffsets, TopicPartition
from .topics import Topics, is_internal

log = logging.getLogger(__name__)


class TopicAdmin:
    """The part of the admin that speaks of topics."""

    def __init__(self, connection: Connection):
        self._connection = connection
        self._topics = Topics(connection, max_age_ms=0)
        self._log = PartitionLog(connection, self._topics)

    # -- topics ---------------------------------------------------------------------------------------------------

    def list_topics(self) -> list[str]:
        return list(self._topics.all())

    def describe_topics(self, topics: Iterable[str] | None = None) -> list[dict[str, Any]]:
        """Each with name, is_internal, partitions ({partition_index, …}) and configs that differ from the defaults.

        Raises UnknownTopicOrPartitionError.
        """
        names = self.list_topics() if topics is None else list(topics)
        found = []
        for name in names:
            spec = self._topics.require(name)
            found.append(
                {
                    "name": name,
                    "is_internal": is_internal(name),
                    "created_ms": spec.created_ms,
                    "configs": dict(spec.configs),
                    "partitions": [{"partition_index": n, "leader_id": 0} for n in range(spec.partitions)],
                }
            )
        return found

    def create_topics(
        self,
        new_topics: Mapping[str, Mapping[str, Any]] | Iterable[str],
        timeout_ms: int | None = None,
        validate_only: bool = False,
        raise_errors: bool = True,
    ) -> dict[str, Any]:
        """`{"orders": {"num_partitions": 6, "configs": {"retention.ms": 3600000}}}`, or names alone.

        Raises TopicAlreadyExistsError, InvalidTopicError, InvalidPartitionsError, InvalidConfigurationError.
        With `raise_errors` False what went wrong stands in the answer.
        """
        wanted = new_topics if isinstance(new_topics, Mapping) else {name: {} for name in new_topics}
        return {
            "topics": [self._create(n, options, validate_only, raise_errors) for n, options in wanted.items()]
        }

    def _create(
        self, name: str, options: Mapping[str, Any], validate_only: bool, raise_errors: bool
    ) -> dict[str, Any]:
        partitions = options.get("num_partitions", -1)
        if partitions == -1:
            partitions = self._topics.defaults().partitions
        try:
            if validate_only:
                self._topics.validate(name, partitions, options.get("configs"))
            else:
                self._topics.create(name, partitions, options.get("configs"))
        except StreamlabError as error:
            if raise_errors:
                raise
            return {"name": name, "error": type(error).__name__, "error_message": str(error)}
        return {"name": name, "error": None, "error_message": None, "num_partitions": partitions}

    def delete_topics(
        self, topics: Iterable[str], timeout_ms: int | None = None, raise_errors: bool = True
    ) -> dict[str, Any]:
        """Remove topics with all their records and commits, and what waits to be tried again. Dead letters that are
        still on their way arrive first, where the server takes them: those are records of another topic.

        Raises UnknownTopicOrPartitionError.
        """
        results = []
        for name in topics:
            try:
                self._carry_on(name)
                self._topics.delete(name)
                results.append({"name": name, "error": None})
            except StreamlabError as error:
                if raise_errors:
                    raise
                results.append({"name": name, "error": type(error).__name__})
        return {"responses": results}

    def _carry_on(self, topic: str) -> None:
        try:
            leftovers.carry_on_from(self._connection, self._topics, topic)
        except StreamlabError as error:  # a server that is full must not keep a topic from being deleted
            log.warning("What was on its way from %r goes with it: %s", topic, error)

    def preview_partitions(self, topic: str, total: int) -> growth.Growth:
        """How many of the recent keys would move if the topic grew to that total. Changes nothing.

        Raises UnknownTopicOrPartitionError, InvalidPartitionsError.
        """
        return growth.preview(self._connection, topic, total)

    def create_partitions(
        self, topic_partitions: Mapping[str, Any], timeout_ms: int | None = None, **_: Any
    ) -> dict[str, Any]:
        """`{"orders": 12}` or `{"orders": {"count": 12}}`: grow to that total.

        The answer says of each topic how many of its recent keys (`keys`) go elsewhere from now on (`moving_keys`), and
        the `warning` for whoever relies on the order within a key. Raises UnknownTopicOrPartitionError,
        InvalidPartitionsError.
        """
        results = []
        for name, wanted in topic_partitions.items():
            total = wanted["count"] if isinstance(wanted, Mapping) else wanted
            expected = growth.preview(self._connection, name, total)
            self._topics.add_partitions(name, total)
            about = {"keys": expected.keys, "moving_keys": expected.moving_keys, "warning": expected.warning}
            results.append({"name": name, "error": None, **about})
        return {"results": results}

    def configure_topic(
        self, topic: str, configs: Mapping[str, Any], unset: Iterable[str] = (), by: str = ""
    ) -> dict[str, Any]:
        """Set some of a topic's settings, and take others back. Returns those that differ from the defaults.

        Raises UnknownTopicOrPartitionError, InvalidConfigurationError.
        """
        Configs(self._connection).change(f"topic:{topic}", configs, unset, by)
        return dict(self._topics.require(topic).configs)

    def describe_topic_configs(self, topic: str) -> list[dict[str, Any]]:
        """Every setting in force: name, value, `source` (topic, server or default), default and meaning.

        Raises UnknownTopicOrPartitionError.
        """
        spec, server = self._topics.require(topic), self._topics.defaults().configs
        found = []
        for name, setting in sorted(TOPIC.items()):
            source = "topic" if name in spec.configs else "server" if name in server else "default"
            found.append(
                {
                    "name": name,
                    "value": spec.config(name),
                    "source": source,
                    "default": setting.default,
                    "meaning": setting.meaning,
                }
            )
        return found

    # -- records --------------------------------------------------------------------------------------------------

    def partition_offsets(
        self, partitions: Iterable[TopicPartition]
    ) -> dict[TopicPartition, PartitionOffsets]:
        """Where each partition begins and ends and what it holds."""
        return self._log.offsets(partitions)

    def list_partition_offsets(self, topic: str) -> dict[TopicPartition, PartitionOffsets]:
        """Likewise for all partitions of a topic."""
        spec = self._topics.require(topic)
        return self._log.offsets(TopicPartition(topic, n) for n in range(spec.partitions))

    def delete_records(
        self, records_to_delete: Mapping[TopicPartition, int], **_: Any
    ) -> dict[TopicPartition, int]:
        """Delete what lies before the offset (-1: everything). Returns each partition's log start after it."""
        wanted = {TopicPartition(*p): offset for p, offset in records_to_delete.items()}
        edges = self._log.offsets(wanted)
        starts = self._log.delete_before(
            {p: edges[p].log_end if o == -1 else min(o, edges[p].log_end) for p, o in wanted.items()}
        )
        self._say_deleted(edges, starts)
        return starts

    def _say_deleted(
        self, edges: Mapping[TopicPartition, PartitionOffsets], starts: Mapping[TopicPartition, int]
    ) -> None:
        deletions: dict[str, list[dict[str, int]]] = {}
        for partition, start in starts.items():
            before = edges[partition].log_start
            if start > before and not is_internal(partition.topic):
                said = {"partition": partition.partition, "before": before, "after": start}
                deletions.setdefault(partition.topic, []).append(said)
        for topic, its in deletions.items():
            at_ms = self._connection.server_time_ms()
            self._topics.say(topic, "records.deleted", {"deletions": its, "at_ms": at_ms})

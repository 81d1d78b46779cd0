"""KafkaAdminClient: the core's admin with kafka-python's arguments and the shapes of its answers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

from ..admin import Admin
from ..config import CLIENT, resolved
from ..configs.resources import (
    AlterConfigOp,
    ConfigFilterType,
    ConfigResource,
    ConfigResourceType,
    ConfigSourceType,
    ConfigType,
)
from ..errors import (
    IllegalArgumentError,
    InvalidPartitionsError,
    KafkaTimeoutError,
    StreamlabError,
    UnknownMemberIdError,
    UnknownTopicOrPartitionError,
)
from ..model import OffsetAndTimestamp, TopicPartition
from .absent import ABSENT
from .address import broker_at
from .errors import (
    InvalidReplicationAssignmentError,
    InvalidReplicationFactorError,
    NoError,
    UnsupportedVersionError,
    code_of,
)
from .structs import (
    GroupState,
    IsolationLevel,
    MemberToRemove,
    NewPartitions,
    NewTopic,
    OffsetSpec,
    OffsetTimestamp,
)

_READY_POLL_S = 0.05
_ONLY_LOOKED_UP = (OffsetSpec.MAX_TIMESTAMP, OffsetSpec.LATEST_TIERED)
"""Positions that are the admin's to look up, and no target of a reset."""


class KafkaAdminClient(Admin):
    """kafka-python's KafkaAdminClient. What Redis has no meaning for raises UnsupportedVersionError and says why."""

    DEFAULT_CONFIG: ClassVar[dict[str, Any]] = {name: setting.default for name, setting in CLIENT.items()}

    def __init__(self, **configs: Any):
        """`bootstrap_servers="redis://host:port/0"` or a list of it. Raises KafkaConfigurationError."""
        self.config = resolved(configs, CLIENT)
        self._broker = broker_at(configs.get("bootstrap_servers"))
        super().__init__(self._broker.connection)

    def close(self) -> None:
        self._broker.close()

    def __enter__(self) -> KafkaAdminClient:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name not in ABSENT:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

        def refuse(*_: Any, **__: Any) -> Any:
            raise UnsupportedVersionError(f"{name}() is not there: {ABSENT[name]}")

        return refuse

    # -- topics ---------------------------------------------------------------------------------------------------

    def describe_topics(self, topics: Iterable[str] | None = None) -> list[dict[str, Any]]:
        """Each with name, partitions ({partition_index, leader_id, …}) and `error_code` 0, or 3 where there is none."""
        found = []
        for name in self.list_topics() if topics is None else topics:
            try:
                topic = super().describe_topics([name])[0] | {"error_code": 0}
            except UnknownTopicOrPartitionError:
                topic = {"name": name, "error_code": code_of(UnknownTopicOrPartitionError), "partitions": []}
            found.append(topic | {"partitions": [p | {"error_code": 0} for p in topic["partitions"]]})
        return found

    def create_topics(
        self,
        new_topics: Any,
        timeout_ms: int | None = None,
        validate_only: bool = False,
        raise_errors: bool = True,
        wait_for_metadata: bool = False,
    ) -> dict[str, Any]:
        """Names, `{"orders": {"num_partitions": 6, "configs": {…}}}`, or NewTopic objects. A topic is ready at once.

        Raises InvalidReplicationFactorError for a factor other than 1, and what the core's create_topics() raises.
        """
        wanted = {name: _checked(options) for name, options in _topics_wanted(new_topics).items()}
        done = super().create_topics(wanted, timeout_ms, validate_only, raise_errors)
        return {"topics": [_with_code(topic) for topic in done["topics"]]}

    def wait_for_topics(self, topic_names: Iterable[str], timeout_ms: int = 10_000) -> None:
        """Wait until all of these exist. Raises KafkaTimeoutError."""
        missing, deadline = set(topic_names), time.monotonic() + timeout_ms / 1000
        while missing := missing - set(self.list_topics()):
            if time.monotonic() >= deadline:
                raise KafkaTimeoutError(f"Not there after {timeout_ms} ms: {', '.join(sorted(missing))}.")
            time.sleep(_READY_POLL_S)

    def delete_topics(
        self, topics: Iterable[str], timeout_ms: int | None = None, raise_errors: bool = True
    ) -> dict[str, Any]:
        done = super().delete_topics(topics, timeout_ms, raise_errors)
        return {"topics": [_with_code(topic) for topic in done["responses"]]}

    def create_partitions(
        self,
        topic_partitions: Mapping[str, Any],
        timeout_ms: int | None = None,
        validate_only: bool = False,
        raise_errors: bool = True,
        **_: Any,
    ) -> dict[str, Any]:
        """`{"orders": 12}`, `{"orders": {"count": 12}}` or `{"orders": NewPartitions(12)}`: grow to that total."""
        results = []
        for name, wanted in topic_partitions.items():
            try:
                self._grow(name, _total(wanted), validate_only)
                results.append({"name": name, "error_code": 0, "error_message": None})
            except StreamlabError as error:
                if raise_errors:
                    raise
                results.append(
                    {"name": name, "error_code": code_of(type(error)), "error_message": str(error)}
                )
        return {"results": results}

    def _grow(self, name: str, total: int, validate_only: bool) -> None:
        if not validate_only:
            super().create_partitions({name: total})
            return
        there = len(super().describe_topics([name])[0]["partitions"])
        if total <= there:
            raise InvalidPartitionsError(
                f"{name!r} has {there} partitions already; partitions cannot be taken away."
            )

    # -- records --------------------------------------------------------------------------------------------------

    def delete_records(
        self,
        records_to_delete: Mapping[TopicPartition, int],
        timeout_ms: int | None = None,
        partition_leader_id: int | None = None,
        **_: Any,
    ) -> dict[TopicPartition, Any]:
        """Delete what lies before each offset. Returns each partition with its `low_watermark`, the log start."""
        starts = super().delete_records(records_to_delete)
        return {
            p: {"partition_index": p.partition, "low_watermark": start, "error_code": 0}
            for p, start in starts.items()
        }

    def list_partition_offsets(  # type: ignore[override]  # the core's is asked by topic
        self,
        topic_partition_specs: Mapping[TopicPartition, int],
        isolation_level: IsolationLevel = IsolationLevel.READ_UNCOMMITTED,
        timeout_ms: int | None = None,
    ) -> dict[TopicPartition, OffsetAndTimestamp]:
        """Each partition's offset for an OffsetSpec, or for a moment in ms; offset -1 where there is none.

        Raises UnknownTopicOrPartitionError, UnsupportedVersionError for LATEST_TIERED.
        """
        specs = {TopicPartition(*p): spec for p, spec in topic_partition_specs.items()}
        if OffsetSpec.LATEST_TIERED in specs.values():
            raise UnsupportedVersionError("There is no tiered storage: all of a log is in Redis.")
        edges = self._log.offsets(specs)
        newest = {p: edges[p].last_append_ms for p, spec in specs.items() if spec == OffsetSpec.MAX_TIMESTAMP}
        moments = {p: int(spec) for p, spec in specs.items() if spec >= 0} | {
            p: ms for p, ms in newest.items() if ms
        }
        found = self._log.at_time(moments)
        answer = {}
        for p, spec in specs.items():
            if spec == OffsetSpec.LATEST:
                answer[p] = OffsetAndTimestamp(edges[p].log_end, -1)
            elif spec in (OffsetSpec.EARLIEST, OffsetSpec.EARLIEST_LOCAL):
                answer[p] = OffsetAndTimestamp(edges[p].log_start, -1)
            else:
                answer[p] = found.get(p) or OffsetAndTimestamp(-1, -1)
        return answer

    # -- groups ---------------------------------------------------------------------------------------------------

    def list_groups(
        self,
        broker_ids: Any = None,
        states_filter: Iterable[str] | None = None,
        types_filter: Iterable[str] | None = None,
    ) -> list[dict[str, Any]]:
        """Every group with group_id, protocol_type, group_state; of the states asked for, all by default."""
        groups = super().list_groups()
        if states_filter is not None:
            wanted = {_plain(state) for state in states_filter}
            groups = [g for g in groups if _plain(g["group_state"]) in wanted]
        if types_filter is not None and "consumer" not in {_plain(kind) for kind in types_filter}:
            return []
        return [g | {"group_type": "consumer"} for g in groups]

    def describe_groups(
        self,
        group_ids: Iterable[str],
        group_coordinator_id: int | None = None,
        include_authorized_operations: bool = False,
    ) -> dict[str, dict[str, Any]]:
        return {name: group | {"error": None} for name, group in super().describe_groups(group_ids).items()}

    def alter_group_offsets(
        self, group_id: str, offsets: Mapping[TopicPartition, Any], group_coordinator_id: int | None = None
    ) -> dict[TopicPartition, Any]:
        """Set committed offsets. Returns NoError for each; raises NonEmptyGroupError while the group has members."""
        return dict.fromkeys(super().alter_group_offsets(group_id, offsets), NoError)

    def reset_group_offsets(
        self,
        group_id: str,
        offset_specs: Mapping[TopicPartition, int],
        group_coordinator_id: int | None = None,
    ) -> dict[TopicPartition, Any]:
        """To an OffsetSpec, an OffsetTimestamp, or a plain offset, clamped to what the log holds.

        Returns each partition with `error` (NoError) and the `offset` that was committed. The commits' metadata stays.
        Raises NonEmptyGroupError, StalePlanError, UnsupportedVersionError for LATEST_TIERED.
        """
        specs = {TopicPartition(*p): spec for p, spec in offset_specs.items()}
        newest = {p: spec for p, spec in specs.items() if spec in _ONLY_LOOKED_UP}
        specs |= (
            {p: found.offset for p, found in self.list_partition_offsets(newest).items()} if newest else {}
        )
        done = self._reset(group_id, specs, keep_metadata=True)
        return {p: {"error": row["error"] or NoError, "offset": row["offset"]} for p, row in done.items()}

    def remove_group_members(
        self, group_id: str, members: Iterable[MemberToRemove], group_coordinator_id: int | None = None
    ) -> dict[MemberToRemove, Any]:
        """Take members out. Returns NoError or UnknownMemberIdError for each. One that lives joins again."""
        done: dict[MemberToRemove, Any] = {}
        for member in members:
            name = member.group_instance_id or member.member_id
            if name is None:
                raise IllegalArgumentError("A MemberToRemove needs a member_id or a group_instance_id.")
            try:
                self.remove_group_member(group_id, name)
                done[member] = NoError
            except UnknownMemberIdError:
                done[member] = UnknownMemberIdError
        return done

    def delete_groups(  # type: ignore[override]  # the core's raises, kafka-python's tells
        self, group_ids: Iterable[str], group_coordinator_id: int | None = None
    ) -> dict[str, str]:
        """Forget groups and their commits. Returns "OK" or the name of the error for each."""
        done = {}
        for group_id in group_ids:
            try:
                super().delete_groups([group_id])
                done[group_id] = "OK"
            except StreamlabError as error:
                done[group_id] = type(error).__name__
        return done


def _topics_wanted(new_topics: Any) -> dict[str, dict[str, Any]]:
    if isinstance(new_topics, Mapping):
        return {name: dict(options) for name, options in new_topics.items()}
    return dict(_topic_wanted(topic) for topic in new_topics)


def _topic_wanted(topic: Any) -> tuple[str, dict[str, Any]]:
    if isinstance(topic, str):
        return topic, {}
    return topic.name, {
        "num_partitions": topic.num_partitions,
        "replication_factor": topic.replication_factor,
        "assignments": topic.replica_assignments,
        "configs": topic.topic_configs,
    }


def _checked(options: dict[str, Any]) -> dict[str, Any]:
    factor = options.pop("replication_factor", -1)
    if factor not in (-1, 1):
        raise InvalidReplicationFactorError(
            f"replication_factor {factor}: Redis replicates whole servers, not topics. Leave it out or give 1, and "
            "add replicas to the server."
        )
    if options.pop("assignments", None):
        raise InvalidReplicationAssignmentError(
            "Redis replicates whole servers: leave replica assignments out."
        )
    return options


def _total(wanted: Any) -> int:
    if isinstance(wanted, NewPartitions):
        wanted = {"count": wanted.total_count, "assignments": wanted.new_assignments}
    if isinstance(wanted, Mapping):
        if wanted.get("assignments"):
            raise InvalidReplicationAssignmentError("Redis replicates whole servers: leave assignments out.")
        wanted = wanted["count"]
    return int(wanted)


def _with_code(result: dict[str, Any]) -> dict[str, Any]:
    """kafka-python's `error_code` beside the name of the error."""
    from . import errors

    name = result.get("error")
    code = code_of(getattr(errors, name)) if name else 0
    return result | {"error_code": code, "error_message": result.get("error_message")}


def _plain(state: Any) -> str:
    """Kafka's tools write states in several ways.

    >>> _plain("PREPARING_REBALANCE") == _plain("preparing-rebalance") == _plain("PreparingRebalance")
    True
    """
    return str(getattr(state, "value", state)).replace("-", "").replace("_", "").lower()


__all__ = [
    "AlterConfigOp",
    "ConfigFilterType",
    "ConfigResource",
    "ConfigResourceType",
    "ConfigSourceType",
    "ConfigType",
    "GroupState",
    "IsolationLevel",
    "KafkaAdminClient",
    "MemberToRemove",
    "NewPartitions",
    "NewTopic",
    "OffsetSpec",
    "OffsetTimestamp",
]

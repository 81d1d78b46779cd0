"""The operator's verbs, with kafka-python's names and return types."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from . import keys
from .admin_topics import TopicAdmin
from .configs.admin import ConfigAdmin
from .configs.entity import group as configs_of_group
from .configs.store import Configs
from .delivery import leftovers
from .errors import UnknownTopicOrPartitionError, translated
from .groups import control, describe, offsets, rebalances, reset
from .groups.offsets import NewCommit
from .model import (
    OffsetAndMetadata,
    OffsetAndTimestamp,
    OffsetSpec,
    OffsetTimestamp,
    TopicPartition,
)

_OWNER = "admin"


class Admin(TopicAdmin, ConfigAdmin):
    """kafka-python's KafkaAdminClient, as far as Redis has a meaning for it."""

    def close(self) -> None:
        """Nothing to close: the connections are the broker's."""

    # -- groups ---------------------------------------------------------------------------------------------------

    def list_groups(self) -> list[dict[str, Any]]:
        found = []
        for name in describe.names(self._connection):
            group = describe.describe(self._connection, name)
            found.append({"group_id": name, "protocol_type": "consumer", "group_state": str(group.state)})
        return found

    def describe_groups(self, group_ids: Iterable[str]) -> dict[str, dict[str, Any]]:
        """Each with group_state, protocol_data (the assignor), generation_id (the epoch) and members. State Dead
        when nothing is known of the group."""
        return {group_id: self._describe(group_id) for group_id in group_ids}

    def _describe(self, group_id: str) -> dict[str, Any]:
        group = describe.describe(self._connection, group_id)
        owned: dict[str, list[TopicPartition]] = {}
        for partition, member in sorted(group.owners.items()):
            owned.setdefault(member, []).append(partition)
        return {
            "group_id": group_id,
            "group_state": str(group.state),
            "protocol_type": "consumer",
            "protocol_data": group.assignor,
            "generation_id": group.epoch,
            "cause": group.cause,
            "members": [
                {
                    "member_id": m.member_id,
                    "group_instance_id": m.instance_id,
                    "client_id": m.client_id,
                    "client_host": m.host,
                    "member_metadata": {"topics": m.topics},
                    "member_assignment": owned.get(m.member_id, []),
                    "target_assignment": group.target.get(m.member_id, []),
                }
                for m in group.members.values()
            ],
        }

    def list_group_offsets(self, group_specs: Any) -> dict[str, dict[TopicPartition, OffsetAndMetadata]]:
        """Of one group, a list of groups, or `{group: [partitions] or None for all}`."""
        if isinstance(group_specs, str):
            group_specs = [group_specs]
        specs = group_specs if isinstance(group_specs, Mapping) else dict.fromkeys(group_specs)
        answer = {}
        for group_id, partitions in specs.items():
            wanted = (
                [TopicPartition(*p) for p in partitions] if partitions is not None else self._all_partitions()
            )
            found = offsets.fetch(self._connection, group_id, wanted)
            answer[group_id] = {p: OffsetAndMetadata(c.offset, c.metadata) for p, c in found.items()}
        return answer

    def alter_group_offsets(
        self, group_id: str, new: Mapping[TopicPartition, Any]
    ) -> dict[TopicPartition, int]:
        """Set a group's committed offsets. Raises NonEmptyGroupError while it has running members."""
        wanted = {
            TopicPartition(*p): (o, "") if isinstance(o, int) else (o.offset, o.metadata)
            for p, o in new.items()
        }
        self._log.offsets(wanted)  # all of them must exist
        epochs = {p: reset.fence(self._connection, group_id) for p in wanted}
        offsets.claim(self._connection, group_id, _OWNER, epochs)
        commits = {p: NewCommit(o, None, epochs[p], _OWNER, meta) for p, (o, meta) in wanted.items()}
        results = offsets.commit(self._connection, group_id, commits)
        with translated():
            self._connection.client.sadd(keys.GROUPS, group_id)
        for result in results.values():
            if isinstance(result, Exception):
                raise result
        return {p: o for p, (o, _) in wanted.items()}

    def reset_group_offsets(
        self, group_id: str, offset_specs: Mapping[TopicPartition, OffsetSpec | OffsetTimestamp | int]
    ) -> dict[TopicPartition, dict[str, Any]]:
        """Move a group to an end of the log, a time or an offset; what lies outside the log is clamped, and a
        negative offset is the log end.

        Returns `{partition: {"error": None or an error class, "offset": as committed}}`. The metadata of the commits
        before is dropped, since it spoke of another position. Raises NonEmptyGroupError while the group has running
        members, StalePlanError when it commits at the same moment, UnknownTopicOrPartitionError,
        NoOffsetForPartitionError for an OffsetSpec that Streamlab cannot look up.
        """
        return self._reset(group_id, offset_specs, keep_metadata=False)

    def _reset(
        self,
        group_id: str,
        offset_specs: Mapping[TopicPartition, OffsetSpec | OffsetTimestamp | int],
        keep_metadata: bool,
    ) -> dict[TopicPartition, dict[str, Any]]:
        if not offset_specs:
            return {}
        targets: dict[TopicPartition, reset.Target] = {}
        for partition, spec in offset_specs.items():
            if not isinstance(spec, int) or isinstance(spec, bool):
                raise TypeError(
                    f"{partition} is reset to an OffsetSpec, an OffsetTimestamp or an offset, not {spec!r}."
                )
            bare = not isinstance(spec, (OffsetSpec, OffsetTimestamp))
            targets[TopicPartition(*partition)] = OffsetSpec.LATEST if bare and spec < 0 else spec
        plan = reset.plan(self._connection, self._log, group_id, targets)
        done = reset.execute(self._connection, self._log, plan, keep_metadata=keep_metadata)
        new = plan.new
        return {p: {"error": type(e) if e else None, "offset": new[p]} for p, e in done.items()}

    def delete_groups(self, group_ids: Iterable[str], by: str = "an operator") -> dict[str, None]:
        """Forget groups, all their commits, and the records that wait in their retry queues. Dead letters and events
        that are still on their way arrive first.

        Raises NonEmptyGroupError, GroupIdNotFoundError.
        """
        done: dict[str, None] = {}
        for group_id in group_ids:
            control.require_deletable(self._connection, group_id)
            leftovers.carry_on(self._connection, self._topics, group_id)
            control.delete_group(self._connection, self._topics, group_id, by)
            done[group_id] = None
        return done

    def pause_group(self, group_id: str, reason: str = "", for_ms: int = 0, by: str = "an operator") -> None:
        """Have the group's members finish, commit, and read nothing until resume_group(), or for that time.

        Raises GroupPausedError when it is paused already, GroupIdNotFoundError.
        """
        control.pause_group(self._connection, group_id, by, reason, for_ms)

    def resume_group(self, group_id: str, by: str = "an operator") -> bool:
        """False when it was not paused."""
        return control.resume_group(self._connection, group_id, by)

    def preview_rebalance(self, group_id: str, assignor: str | None = None) -> control.Preview:
        """What rebalance_group() would do, with another assignor if one is named. Changes nothing.

        Raises GroupIdNotFoundError, IllegalArgumentError for an assignor that there is not or a group without members.
        """
        return control.preview_rebalance(self._connection, group_id, assignor)

    def rebalance_group(self, preview: control.Preview, by: str = "") -> int:
        """Do exactly what the preview shows. Returns the new epoch. Raises StalePlanError if the group moved."""
        epoch = control.rebalance(self._connection, preview)
        if preview.chosen:  # it is; and the group's settings say so
            self.choose_assignor(preview.group_id, preview.target.assignor, by)
        return epoch

    def remove_group_member(self, group_id: str, member: str) -> str:
        """Take a member out, by its id or group_instance_id. Returns its member id. Raises UnknownMemberIdError.

        One that lives joins again at its next poll().
        """
        return control.remove_member(self._connection, group_id, member)

    def choose_assignor(self, group_id: str, assignor: str, by: str = "") -> bool:
        """The assignor of that group from now on, whatever its members ask for: the group's setting `assignor`.

        Returns whether it is another one than before. Raises IllegalArgumentError.
        """
        changed = control.choose_assignor(self._connection, group_id, control.check_assignor(assignor))
        Configs(self._connection).set(configs_of_group(group_id), {"assignor": assignor}, by=by)
        return changed

    def list_rebalances(self, group_id: str, most: int = 20) -> list[rebalances.Rebalance]:
        """What the group's last rebalances were, the newest first."""
        return rebalances.recent(self._connection, group_id, most)

    def offsets_for_times(
        self, moments: Mapping[TopicPartition, int]
    ) -> dict[TopicPartition, OffsetAndTimestamp | None]:
        """The first record appended at or after each moment (ms); None when there is none."""
        wanted = {TopicPartition(*p): ms for p, ms in moments.items()}
        self._log.offsets(wanted)  # all of them must exist
        return self._log.at_time(wanted)

    def times_for_offsets(self, positions: Mapping[TopicPartition, int]) -> dict[TopicPartition, int | None]:
        """When the record at each offset was appended (ms); None where there is no such record.

        Raises UnknownTopicOrPartitionError.
        """
        found = self._log.locate({TopicPartition(*p): offset for p, offset in positions.items()})
        times = {}
        for partition, place in found.items():
            if isinstance(place, UnknownTopicOrPartitionError):
                raise place
            times[partition] = place.entry.append_ms if place.entry else None
        return times

    def _all_partitions(self) -> list[TopicPartition]:
        return [
            TopicPartition(t, n) for t, spec in self._topics.all().items() for n in range(spec.partitions)
        ]

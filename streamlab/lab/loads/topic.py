"""A load's topic: made, kept as the load says, and made anew where it must begin with fewer partitions.

Its group has the settings that the load says, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ... import keys
from ...configs.store import Configs
from ...connection import Connection
from ...errors import IllegalStateError, TopicAlreadyExistsError, translated
from ...topics import Topics, TopicSpec
from .load import Load


def prepare(
    connection: Connection, load: Load, *, starting: bool, group_before: Mapping[str, Any] | None = None
) -> None:
    """Let the topic be what the load needs. `starting`: the load begins, so its topic may begin anew.

    `group_before`: the settings of the group that it was prepared with last; None: not known.

    Raises IllegalStateError when a topic of that name is not the lab's, and StreamlabErrors.
    """
    topics = Topics(connection, max_age_ms=0)
    spec = topics.get(load.topic_name)
    if spec is not None and not _is_ours(connection, load.topic_name):
        raise IllegalStateError(
            f"There is a topic {load.topic_name} that the lab did not make. Give the load another name."
        )
    if spec is not None and starting and spec.partitions > load.partitions:
        topics.delete(load.topic_name, by="lab")
        spec = None
    if spec is None:
        spec = _created(connection, topics, load)
    if spec.partitions < load.partitions:
        spec = topics.add_partitions(load.topic_name, load.partitions, by="lab")
    wanted = load.topic_settings
    if spec.configs != wanted:
        topics.change_configs(load.topic_name, lambda configs: wanted)
    _prepare_group(connection, load, starting, group_before)


def _prepare_group(
    connection: Connection, load: Load, starting: bool, before: Mapping[str, Any] | None
) -> None:
    """A load begins the same way each time; while it runs, what somebody else sets in its group stays."""
    configs, who = Configs(connection), f"group:{load.group_id}"
    stored, wanted = configs.get(who).values, configs.checked(who, load.group)
    if starting:
        before = stored
    elif before is None:
        before = {name: wanted[name] for name in stored if name in wanted}
    values = {name: value for name, value in wanted.items() if before.get(name) != value}
    gone = [name for name in before if name not in wanted and name in stored]
    if values or gone:
        configs.change(who, values, gone, by="lab", reason=f"load {load.name}")


def _created(connection: Connection, topics: Topics, load: Load) -> TopicSpec:
    with translated():
        connection.client.sadd(keys.LAB_TOPICS, load.topic_name)
    try:
        return topics.create(load.topic_name, load.partitions, load.topic_settings, by="lab")
    except TopicAlreadyExistsError:
        return topics.require(load.topic_name)


def _is_ours(connection: Connection, topic: str) -> bool:
    with translated():
        return bool(connection.client.sismember(keys.LAB_TOPICS, topic))

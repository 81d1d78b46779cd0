"""A load's topic: made, kept as the load says, and made anew where it must begin with fewer partitions.

Topic and group have the settings that the load says. What somebody else sets there while it runs stays as they set it,
until the load itself says otherwise: so an experiment on them is not disturbed by a lab that begins again.
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


def prepare(connection: Connection, load: Load, before: Load | None) -> None:
    """Let topic and group be what the load needs.

    `before`: the load as they were prepared for it last. None: it begins, so its topic may begin anew.

    Raises IllegalStateError when a topic of that name is not the lab's, and StreamlabErrors.
    """
    topics = Topics(connection, max_age_ms=0)
    spec = topics.get(load.topic_name)
    if spec is not None and not _is_ours(connection, load.topic_name):
        raise IllegalStateError(
            f"There is a topic {load.topic_name} that the lab did not make. Give the load another name."
        )
    if spec is not None and before is None and spec.partitions > load.partitions:
        topics.delete(load.topic_name, by="lab")
        spec = None
    if spec is None:
        spec = _created(connection, topics, load)
    if spec.partitions < load.partitions:
        topics.add_partitions(load.topic_name, load.partitions, by="lab")
    configs = Configs(connection)
    _configure(
        configs,
        load,
        f"topic:{load.topic_name}",
        load.topic_settings,
        before.topic_settings if before else None,
    )
    _configure(configs, load, f"group:{load.group_id}", load.group, before.group if before else None)


def _configure(
    configs: Configs, load: Load, who: str, settings: Mapping[str, Any], before: Mapping[str, Any] | None
) -> None:
    """`settings` of this entity are those of the load, `before` those that it was prepared with last."""
    stored, wanted = configs.get(who).values, configs.checked(who, settings)
    values, gone = _steps(stored, wanted, None if before is None else configs.checked(who, before))
    if values or gone:
        configs.change(who, values, gone, by="lab", reason=f"load {load.name}")


def _steps(
    stored: Mapping[str, Any], wanted: Mapping[str, Any], before: Mapping[str, Any] | None
) -> tuple[dict[str, Any], list[str]]:
    """What to set and what to take out of the stored settings.

    A load begins the same way each time (`before` None); while it runs only what it says otherwise is changed.

    >>> _steps({"a": 7, "b": 2}, {"a": 1}, {"a": 1, "b": 2})
    ({}, ['b'])
    >>> _steps({"a": 7, "b": 2}, {"a": 1}, None)
    ({'a': 1}, ['b'])
    """
    said = stored if before is None else before
    values = {name: value for name, value in wanted.items() if name not in said or said[name] != value}
    return values, [name for name in said if name not in wanted and name in stored]


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

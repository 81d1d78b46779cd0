"""A load's topic: made, kept as the load says, and made anew where it must begin with fewer partitions."""

from __future__ import annotations

from ... import keys
from ...connection import Connection
from ...errors import IllegalStateError, TopicAlreadyExistsError, translated
from ...topics import Topics, TopicSpec
from .load import Load


def prepare(connection: Connection, load: Load, *, starting: bool) -> None:
    """Let the topic be what the load needs. `starting`: the load begins, so its topic may begin anew.

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

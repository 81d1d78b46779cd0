"""What is set for the whole server and holds for topics that say nothing else."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import NamedTuple

from .config import BROKER, TOPIC, TopicValue, topic_configs
from .errors import InvalidConfigurationError

log = logging.getLogger(__name__)


class ServerDefaults(NamedTuple):
    """What holds for topics unless they or their creator say otherwise."""

    auto_create: bool = bool(BROKER["auto.create.topics.enable"].default)
    partitions: int = int(BROKER["num.partitions"].default)
    configs: dict[str, TopicValue] = {}  # noqa: RUF012  # only what differs from the built-in defaults


def server_defaults(stored: Iterable[tuple[bytes, bytes]]) -> ServerDefaults:
    """A value that is not one of this version's is passed over."""
    texts = {name.decode(): text.decode() for name, text in stored}
    configs: dict[str, TopicValue] = {}
    for name in texts.keys() & TOPIC.keys():
        try:
            configs |= topic_configs({name: texts[name]})
        except InvalidConfigurationError as error:
            log.warning("A default of the server is passed over: %s", error)
    auto_create = texts.get("auto.create.topics.enable", str(ServerDefaults().auto_create))
    partitions = texts.get("num.partitions", "")
    return ServerDefaults(
        auto_create.lower() != "false",
        int(partitions) if partitions.isdecimal() and int(partitions) else ServerDefaults().partitions,
        configs,
    )

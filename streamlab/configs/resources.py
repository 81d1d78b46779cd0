"""Kafka's words for settings, in the names of kafka-python 3: what is configured, whose a value is, what is done."""

from __future__ import annotations

from enum import IntEnum
from typing import Any, TypeVar

from ..errors import IllegalArgumentError
from .entity import BROKER, Entity, group, topic

E = TypeVar("E", bound="_ByName")


class _ByName(IntEnum):
    @classmethod
    def build_from(cls: type[E], given: Any) -> E:
        """Of a member, its number, or its name in any case. Raises ValueError.

        >>> ConfigResourceType.build_from("topic")
        <ConfigResourceType.TOPIC: 2>
        """
        if isinstance(given, str):
            try:
                return cls[given.upper()]
            except KeyError:
                known = ", ".join(member.name for member in cls)
                raise ValueError(f"{given!r} is none of {known}.") from None
        return cls(given)

    @classmethod
    def value_for(cls, given: Any) -> int:
        return cls.build_from(given).value


class AlterConfigOp(_ByName):
    SET = 0
    DELETE = 1  # what is less near holds again
    APPEND = 2  # to a list, such as cleanup.policy
    SUBTRACT = 3


class ConfigFilterType(_ByName):
    """Which settings describe_configs() returns."""

    ALL = 0
    DYNAMIC = 1  # those that can be changed, here all
    MODIFIED = 2  # those that the resource has of its own
    DEFAULT = 3  # the others
    STATIC = 4  # those of a server's file, here none


class ConfigResourceType(_ByName):
    UNKNOWN = 0
    TOPIC = 2
    BROKER = 4
    BROKER_LOGGER = 8
    CLIENT_METRICS = 16
    GROUP = 32


class ConfigSourceType(_ByName):
    UNKNOWN = 0
    DYNAMIC_TOPIC_CONFIG = 1
    DYNAMIC_BROKER_CONFIG = 2
    DYNAMIC_DEFAULT_BROKER_CONFIG = 3
    STATIC_BROKER_CONFIG = 4
    DEFAULT_CONFIG = 5
    DYNAMIC_BROKER_LOGGER_CONFIG = 6
    DYNAMIC_CLIENT_METRICS_CONFIG = 7
    DYNAMIC_GROUP_CONFIG = 8


class ConfigType(_ByName):
    UNKNOWN = 0
    BOOLEAN = 1
    STRING = 2
    INT = 3
    SHORT = 4
    LONG = 5
    DOUBLE = 6
    LIST = 7
    CLASS = 8
    PASSWORD = 9


class ConfigResource:
    """`ConfigResource("TOPIC", "orders", {"retention.ms": 60_000})`; `configs` may be names alone where values are not
    needed, None for all."""

    def __init__(self, resource_type: ConfigResourceType | str, name: str, configs: Any = None):
        self.resource_type = (
            resource_type
            if isinstance(resource_type, ConfigResourceType)
            else ConfigResourceType[str(resource_type).upper()]
        )
        self.name = name
        self.configs = configs

    def __repr__(self) -> str:
        return f"ConfigResource({self.resource_type.name}, {self.name!r}, {self.configs})"


def entity_of(resource: ConfigResource) -> Entity:
    """Whose settings a resource is. There is one broker, whatever its number.

    Raises IllegalArgumentError for what has none here: client ids are configured through `broker.configs()`.
    """
    if resource.resource_type is ConfigResourceType.BROKER:
        return BROKER
    if resource.resource_type is ConfigResourceType.TOPIC:
        return topic(str(resource.name))
    if resource.resource_type is ConfigResourceType.GROUP:
        return group(str(resource.name))
    why = {
        ConfigResourceType.CLIENT_METRICS: "every client pushes all of its figures, there is nothing to subscribe to",
        ConfigResourceType.BROKER_LOGGER: "there is no broker process that would log",
    }.get(resource.resource_type, "there is no such thing")
    raise IllegalArgumentError(f"{resource.resource_type.name} has no settings here: {why}.")

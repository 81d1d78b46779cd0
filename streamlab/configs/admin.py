"""The admin's verbs on settings, with kafka-python's names, arguments and return types."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from ..config import TOPIC, Setting
from ..connection import Connection
from ..errors import IllegalArgumentError, StreamlabError
from .entity import BROKER, Entity, EntityKind
from .resources import (
    AlterConfigOp,
    ConfigFilterType,
    ConfigResource,
    ConfigResourceType,
    ConfigSourceType,
    ConfigType,
    entity_of,
)
from .settings import TABLES, as_text, named
from .store import Configs

_SOURCES = {
    EntityKind.TOPIC: ConfigSourceType.DYNAMIC_TOPIC_CONFIG,
    EntityKind.GROUP: ConfigSourceType.DYNAMIC_GROUP_CONFIG,
    EntityKind.BROKER: ConfigSourceType.DYNAMIC_BROKER_CONFIG,
}
_LISTS = ("cleanup.policy",)


class ConfigAdmin:
    """The part of the admin that speaks of settings."""

    _connection: Connection

    def describe_configs(
        self,
        config_resources: Iterable[ConfigResource],
        include_synonyms: bool = False,
        config_filter: ConfigFilterType | str = "modified",
    ) -> dict[str, dict[str, dict[str, dict[str, Any]]]]:
        """`{"topic": {"orders": {"retention.ms": {"value": "60000", "config_source": …}}}}`; values are text.

        Raises UnknownTopicOrPartitionError, and IllegalArgumentError for resources that have no settings here.
        """
        configs, wanted = Configs(self._connection), ConfigFilterType.build_from(config_filter)
        server = configs.get(BROKER).values
        found: dict[str, dict[str, Any]] = defaultdict(dict)
        for resource in config_resources:
            who = entity_of(resource)
            own = configs.get(who).values
            names = TABLES[who.kind] if resource.configs is None else list(resource.configs)
            described = {}
            for name in names:
                entry = _described(who, named(who, name), own, server, include_synonyms)
                if _is_wanted(wanted, name in own):
                    described[name] = entry
            found[resource.resource_type.name.lower()][resource.name] = described
        return dict(found)

    def alter_configs(
        self,
        config_resources: Iterable[ConfigResource],
        validate_only: bool = False,
        raise_on_unknown: bool = True,
        incremental: bool | None = None,
    ) -> dict[str, dict[str, str]]:
        """Set, or with `(AlterConfigOp.DELETE, None)` take back; what is not named stays. Running clients follow.

        Returns `{"group": {"revenue": "OK"}}`, or what is wrong in place of OK. Raises KafkaConfigurationError, a
        ValueError, for an unknown setting unless `raise_on_unknown` is False.
        """
        configs = Configs(self._connection)
        results: dict[str, dict[str, str]] = defaultdict(dict)
        changes = [(resource, resource.configs or {}) for resource in config_resources]
        for resource, wanted in changes if raise_on_unknown else []:
            for name in wanted:
                named(entity_of(resource), name)
        for resource, wanted in changes:
            kind = resource.resource_type.name.lower()
            try:
                _alter(configs, entity_of(resource), wanted, validate_only)
                results[kind][resource.name] = "OK"
            except StreamlabError as error:
                results[kind][resource.name] = str(error)
        return dict(results)

    incremental_alter_configs = alter_configs

    def reset_configs(
        self,
        config_resources: Iterable[ConfigResource],
        validate_only: bool = False,
        raise_on_unknown: bool = True,
        incremental: bool | None = None,
    ) -> dict[str, dict[str, str]]:
        """Take back those that are named in `configs`, all that the resource has when none are. As alter_configs()."""
        configs = Configs(self._connection)
        resources = []
        for resource in config_resources:
            names = list(resource.configs or configs.get(entity_of(resource)).values)
            gone = dict.fromkeys(names, (AlterConfigOp.DELETE, None))
            resources.append(ConfigResource(resource.resource_type, resource.name, gone))
        return self.alter_configs(resources, validate_only, raise_on_unknown)

    def list_config_resources(
        self, resource_types: Iterable[ConfigResourceType | str] | None = None
    ) -> dict[str, list[str]]:
        """Names of the resources that have settings of their own; the broker is `0`."""
        types = (ConfigResourceType.TOPIC, ConfigResourceType.BROKER, ConfigResourceType.GROUP)
        wanted = [ConfigResourceType.build_from(kind) for kind in resource_types or types]
        found: dict[str, list[str]] = {kind.name.lower(): [] for kind in wanted}
        for who in Configs(self._connection).entities():
            if who.kind in found:
                found[who.kind].append(who.name or "0")
        return found


def _alter(configs: Configs, who: Entity, wanted: Mapping[str, Any], validate_only: bool) -> None:
    values: dict[str, Any] = {}
    gone: list[str] = []
    for name, given in wanted.items():
        how, value = given if isinstance(given, tuple) else (AlterConfigOp.SET, given)
        how = AlterConfigOp.build_from(how)
        if how is AlterConfigOp.DELETE:
            gone.append(named(who, name))
        elif how is AlterConfigOp.SET:
            values[name] = value
        else:
            values[name] = _list_changed(configs, who, name, how, value)
    configs.checked(who, values)
    if not validate_only:
        configs.change(who, values, gone, by="admin")


def _list_changed(configs: Configs, who: Entity, name: str, how: AlterConfigOp, value: Any) -> str:
    if named(who, name) not in _LISTS:
        raise IllegalArgumentError(f"{name} is no list, so nothing can be appended or taken from it: SET it.")
    now = str(configs.get(who).values.get(name, TOPIC[name].default)).split(",")
    given = str(value).split(",")
    return ",".join({*now, *given} if how is AlterConfigOp.APPEND else {*now} - {*given})


def _described(
    who: Entity, name: str, own: Mapping[str, Any], server: Mapping[str, Any], synonyms: bool
) -> dict[str, Any]:
    """One setting: its value in force, whose it is, and on demand whose else there are, nearest first."""
    setting = TABLES[who.kind][name]
    known: list[tuple[Any, ConfigSourceType]] = [(own[name], _SOURCES[who.kind])] if name in own else []
    if who != BROKER and name in server:
        known.append((server[name], ConfigSourceType.DYNAMIC_DEFAULT_BROKER_CONFIG))
    known.append((setting.default, ConfigSourceType.DEFAULT_CONFIG))
    value, source = known[0]
    entry = {
        "value": as_text(value),
        "read_only": False,
        "config_source": source.name,
        "is_sensitive": False,
        "config_type": _type_of(name, setting).name,
        "documentation": setting.meaning,
    }
    if synonyms:
        entry["synonyms"] = [{"name": name, "value": as_text(v), "source": s.name} for v, s in known]
    return entry


def _type_of(name: str, setting: Setting) -> ConfigType:
    if name in _LISTS:
        return ConfigType.LIST
    if isinstance(setting.default, bool):
        return ConfigType.BOOLEAN
    if isinstance(setting.default, float):
        return ConfigType.DOUBLE
    return ConfigType.LONG if isinstance(setting.default, int) and not setting.choices else ConfigType.STRING


def _is_wanted(wanted: ConfigFilterType, modified: bool) -> bool:
    if wanted is ConfigFilterType.MODIFIED:
        return modified
    if wanted is ConfigFilterType.DEFAULT:
        return not modified
    return wanted is not ConfigFilterType.STATIC

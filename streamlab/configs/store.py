"""The stored settings: read, changed by whoever looked at them last, and what was changed when, by whom and why.

Settings of the broker, groups and clients stand in one small hash an entity and change through one script, which
counts the versions and writes down the change in the same moment. Settings of topics stay in the registry of topics;
their change is written down right after it.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from .. import keys
from ..config import TOPIC
from ..connection import Connection
from ..errors import StaleConfigError, StreamlabError, translated
from ..topics import Topics
from .entity import Entity, EntityKind, entity
from .settings import TABLES, as_text, named, parsed, value_of

if TYPE_CHECKING:
    from .agent import Watch

EVENTS_KEPT = 10_000

_NOTHING = ("0", "")


class Settings(NamedTuple):
    """What one entity has of its own."""

    entity: Entity
    version: int  # of its last change, to be given as `expected`; 0: it never had any
    values: dict[str, Any]


class Changed(NamedTuple):
    """What became of a change."""

    entity: Entity
    version: (
        int  # the configuration's, which clients have applied when they say this or a later one; 0: no change
    )
    names: list[str]  # of settings that have another value now


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One setting that got another value."""

    entity_type: str
    entity: str  # "" of the broker
    name: str
    before: str | None = None  # None: it was not set
    after: str | None = None  # None: it is not set any more
    by: str | None = None
    reason: str | None = None
    revision: int  # the configuration's version; changes made at once share it
    at_ms: int  # server time


_change_decoder = msgspec.json.Decoder(Change)


class Configs:
    """Settings of one server. Safe to share between threads."""

    def __init__(self, connection: Connection):
        self._connection = connection
        self._topics = Topics(connection, max_age_ms=0)

    # -- looking --------------------------------------------------------------------------------------------------

    def version(self) -> int:
        """Of the configuration as a whole; rises with every change."""
        with translated():
            return int(self._connection.client.get(keys.CONFIG_VERSION) or 0)

    def get(self, of: Entity | str) -> Settings:
        """What the entity has of its own; an entity that has nothing is no error, a topic that does not exist is."""
        who = entity(of)
        if who.kind is EntityKind.TOPIC:
            configs = dict(self._topics.require(who.name).configs)
            return Settings(who, _fingerprint(configs), configs)
        return self.read([who])[1][who]

    def read(self, of: Iterable[Entity]) -> tuple[int, dict[Entity, Settings]]:
        """The configuration's version, and what these have, as of one moment. Not for topics."""
        wanted = list(dict.fromkeys(of))
        names = [keys.config_of(str(who)) for who in wanted]
        version, *hashes = self._connection.run("configs/read", [keys.CONFIG_VERSION, *names])
        return version, {who: _settings(who, flat) for who, flat in zip(wanted, hashes, strict=True)}

    def entities(self) -> list[Entity]:
        """Every entity that has settings of its own."""
        with translated():
            found = self._connection.client.smembers(keys.CONFIG_ENTITIES)
        stored = [entity(text.decode()) for text in found]  # type: ignore[union-attr]
        topics = [Entity(EntityKind.TOPIC, name) for name, spec in self._topics.all().items() if spec.configs]
        return sorted([*stored, *topics])

    def history(self, of: Entity | str | None = None, most: int = 100) -> list[Change]:
        """The newest changes first, of one entity or of all. The last 10,000 are kept."""
        who = None if of is None else entity(of)
        with translated():
            entries: Any = self._connection.client.xrevrange(keys.CONFIG_EVENTS, count=None if who else most)
        found: list[Change] = []
        for _, fields in entries:
            change = _change_decoder.decode(fields[b"data"])
            if who is None or (change.entity_type, change.entity) == (who.kind, who.name):
                found.append(change)
                if len(found) >= most:
                    break
        return found

    def watch(self, of: Entity | str, told: Callable[[dict[str, Any]], None]) -> Watch:
        """Call `told` with what an entity has of its own, soon and whenever it has changed, until close().

        In a thread of the configuration's own, so it must be quick. Not for topics, which clients look at anyway.
        """
        from . import agent  # which reads through this module

        return agent.watch(self._connection, entity(of), told)

    # -- changing -------------------------------------------------------------------------------------------------

    def checked(self, of: Entity | str, values: Mapping[str, Any]) -> dict[str, Any]:
        """The values under the names of the tables.

        Raises KafkaConfigurationError (InvalidConfigurationError for a topic): which name was meant, which range
        holds, or what kind of entity has such a setting.
        """
        who = entity(of)
        found = {}
        for given, value in values.items():
            name = named(who, given)
            found[name] = value_of(who, name, value)
        return found

    def set(
        self,
        of: Entity | str,
        values: Mapping[str, Any],
        by: str = "",
        reason: str = "",
        expected: int | None = None,
    ) -> Changed:
        """Give settings a value, which running clients take within a second. See `change`."""
        return self.change(of, values, (), by, reason, expected)

    def unset(
        self,
        of: Entity | str,
        names: Iterable[str],
        by: str = "",
        reason: str = "",
        expected: int | None = None,
    ) -> Changed:
        """Take settings back: what is less near holds again, in the end what the program gave its client."""
        return self.change(of, {}, names, by, reason, expected)

    def change(
        self,
        of: Entity | str,
        values: Mapping[str, Any],
        unset: Iterable[str] = (),
        by: str = "",
        reason: str = "",
        expected: int | None = None,
    ) -> Changed:
        """Set and unset at once. `expected` is the `Settings.version` that the caller looked at, None for any.

        Raises StaleConfigError when the entity was changed since, what `checked` raises, and for a topic
        UnknownTopicOrPartitionError.
        """
        who = entity(of)
        wanted = self.checked(who, values)
        gone = [named(who, name) for name in unset]
        if who.kind is EntityKind.TOPIC:
            return self._change_topic(who, wanted, gone, by, reason, expected)
        steps = [(name, "set", as_text(value)) for name, value in wanted.items()]
        steps += [(name, "unset", "") for name in gone if name not in wanted]
        done, version, changed = self._connection.run(
            "configs/change",
            [
                keys.CONFIG_VERSION,
                keys.CONFIG_ENTITIES,
                keys.config_of(str(who)),
                keys.CONFIG_EVENTS,
                keys.CONFIG_WAKE,
            ],
            [
                *(str(who), who.kind, who.name, "" if expected is None else expected, by, reason),
                EVENTS_KEPT,
                *(part for step in steps for part in step),
            ],
        )
        if not done:
            raise _stale(who)
        if who.kind is EntityKind.GROUP and any(name == "assignor" for name, _, _ in steps):
            self._choose_assignor(who.name, wanted.get("assignor"), by)
        return Changed(who, version if changed else 0, sorted(name.decode() for name in changed))

    def _choose_assignor(self, group_id: str, assignor: str | None, by: str) -> None:
        """The group itself keeps which assignor it has; without one from here, the next first member chooses."""
        from ..groups import control, describe

        if assignor is not None:
            control.choose_assignor(self._connection, group_id, assignor, by or "operator")
        elif now := describe.describe(self._connection, group_id).assignor:
            control.choose_assignor(self._connection, group_id, now, "member")

    def _change_topic(
        self,
        who: Entity,
        wanted: dict[str, Any],
        gone: list[str],
        by: str,
        reason: str,
        expected: int | None,
    ) -> Changed:
        before: dict[str, Any] = {}

        def changed(configs: Mapping[str, Any]) -> dict[str, Any]:
            if expected is not None and expected != _fingerprint(configs):
                raise _stale(who)
            before.clear()
            before.update(configs)
            return {name: value for name, value in configs.items() if name not in gone} | wanted

        after = self._topics.change_configs(who.name, changed).configs
        names = sorted(name for name in {*before, *after} if before.get(name) != after.get(name))
        if not names:
            return Changed(who, 0, [])
        parts = [(name, *_told(before, name), *_told(after, name)) for name in names]
        version = self._connection.run(
            "configs/note",
            [keys.CONFIG_VERSION, keys.CONFIG_EVENTS, keys.CONFIG_WAKE],
            [who.kind, who.name, by, reason, EVENTS_KEPT, *(part for five in parts for part in five)],
        )
        return Changed(who, version, names)


def _settings(who: Entity, flat: list[bytes]) -> Settings:
    """A setting that this version of Streamlab does not know is passed over."""
    stored = {n.decode(): text.decode() for n, text in zip(flat[::2], flat[1::2], strict=True)}
    version = int(stored.pop("@version", 0))
    values = {
        name: stored_value(who, name, text) for name, text in stored.items() if name in TABLES[who.kind]
    }
    return Settings(who, version, values)


def stored_value(who: Entity, name: str, text: str) -> Any:
    """The value that stored text stands for; text that is no value any more is left for the client to refuse."""
    if name in TOPIC:
        try:
            return value_of(who, name, text)
        except StreamlabError:
            return text
    return parsed(TABLES[who.kind][name], text)


def _told(configs: Mapping[str, Any], name: str) -> tuple[str, str]:
    return ("1", as_text(configs[name])) if name in configs else _NOTHING


def _fingerprint(configs: Mapping[str, Any]) -> int:
    """Stands for a version where only the settings themselves are kept; 0 for none."""
    return zlib.crc32(msgspec.json.encode(dict(sorted(configs.items())))) if configs else 0


def _stale(who: Entity) -> StaleConfigError:
    return StaleConfigError(
        f"The settings of {who} were changed since you looked. Nothing was changed; look again."
    )

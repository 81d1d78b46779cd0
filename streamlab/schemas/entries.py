"""What the registry writes into its topic: one record a fact, the newest of each key counts.

key                                                         value
{"keytype": "SCHEMA", "subject": "orders-value", "version": 3}   the version, or none: it is gone for good
{"keytype": "CONFIG", "subject": "orders-value"}            its compatibility level; without a subject the global one
{"keytype": "MODE", "subject": "orders-value"}              its mode; likewise
{"keytype": "LAST_ID"}                                      the highest id ever given, which no later schema gets

The names are those of Confluent's `_schemas` topic.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from .model import Level, Mode, Version


class KeyType(StrEnum):
    SCHEMA = "SCHEMA"
    CONFIG = "CONFIG"
    MODE = "MODE"
    LAST_ID = "LAST_ID"


class Key(msgspec.Struct, frozen=True, omit_defaults=True):
    keytype: KeyType
    subject: str | None = None  # None: the whole registry
    version: int | None = None


class LevelValue(msgspec.Struct, frozen=True):
    compatibilityLevel: Level


class ModeValue(msgspec.Struct, frozen=True):
    mode: Mode


class LastIdValue(msgspec.Struct, frozen=True):
    id: int


Value = Version | LevelValue | ModeValue | LastIdValue | None
Entry = tuple[Key, Value]

_VALUES = {
    KeyType.SCHEMA: Version,
    KeyType.CONFIG: LevelValue,
    KeyType.MODE: ModeValue,
    KeyType.LAST_ID: LastIdValue,
}


def of_version(version: Version) -> Entry:
    return Key(KeyType.SCHEMA, version.subject, version.version), version


def gone(version: Version) -> Entry:
    return Key(KeyType.SCHEMA, version.subject, version.version), None


def of_level(subject: str | None, level: Level | None) -> Entry:
    return Key(KeyType.CONFIG, subject), None if level is None else LevelValue(level)


def of_mode(subject: str | None, mode: Mode | None) -> Entry:
    return Key(KeyType.MODE, subject), None if mode is None else ModeValue(mode)


def of_last_id(id: int) -> Entry:
    return Key(KeyType.LAST_ID), LastIdValue(id)


def encode(entry: Entry) -> tuple[bytes, bytes | None]:
    """Key and value of a record."""
    key, value = entry
    return msgspec.json.encode(key), None if value is None else msgspec.json.encode(value)


def decode(key: bytes | None, value: bytes | None) -> Entry:
    """Raises msgspec.MsgspecError for what the registry did not write."""
    known = msgspec.json.decode(key or b"", type=Key)
    return known, None if value is None else msgspec.json.decode(value, type=_VALUES[known.keytype])

"""What the registry knows: its topic, replayed from the beginning."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from .entries import Entry, KeyType, LastIdValue, LevelValue, ModeValue
from .errors import (
    SchemaNotFoundError,
    SubjectNotFoundError,
    VersionNotFoundError,
)
from .model import DEFAULT_LEVEL, DEFAULT_MODE, Level, Mode, Reference, Version

T = TypeVar("T")


class State:
    """Subjects, ids, levels and modes. Deleted versions stay until they are deleted for good."""

    def __init__(self) -> None:
        self.last_id = 0
        self.levels: dict[str | None, Level] = {}  # None: the global one
        self.modes: dict[str | None, Mode] = {}
        self._subjects: dict[str, dict[int, Version]] = {}
        self._ids: dict[int, dict[tuple[str, int], Version]] = {}
        self._fingerprints: dict[str, int] = {}

    def copy(self) -> State:
        """One of its own, to be changed while others read this one."""
        made = State()
        made.last_id = self.last_id
        made.levels, made.modes = dict(self.levels), dict(self.modes)
        made._subjects = {name: dict(versions) for name, versions in self._subjects.items()}
        made._ids = {id: dict(users) for id, users in self._ids.items()}
        made._fingerprints = dict(self._fingerprints)
        return made

    def apply(self, entry: Entry) -> None:
        """Take in one fact; facts come in the order of the log."""
        key, value = entry
        if key.keytype is KeyType.SCHEMA:
            assert key.subject is not None and key.version is not None
            self._forget(key.subject, key.version)
            if isinstance(value, Version):
                self._remember(value)
        elif key.keytype is KeyType.CONFIG:
            _set(
                self.levels, key.subject, value.compatibilityLevel if isinstance(value, LevelValue) else None
            )
        elif key.keytype is KeyType.MODE:
            _set(self.modes, key.subject, value.mode if isinstance(value, ModeValue) else None)
        elif isinstance(value, LastIdValue):
            self.last_id = max(self.last_id, value.id)

    def _remember(self, version: Version) -> None:
        self._subjects.setdefault(version.subject, {})[version.version] = version
        self._ids.setdefault(version.id, {})[version.subject, version.version] = version
        self._fingerprints[version.fingerprint] = version.id
        self.last_id = max(self.last_id, version.id)

    def _forget(self, subject: str, number: int) -> None:
        version = self._subjects.get(subject, {}).pop(number, None)
        if version is None:
            return
        if not self._subjects[subject]:
            del self._subjects[subject]
        users = self._ids[version.id]
        del users[subject, number]
        if not users:
            del self._ids[version.id]
            self._fingerprints.pop(version.fingerprint, None)

    # -- asking ---------------------------------------------------------------------------------------------------

    def subjects(self, deleted: bool = False) -> list[str]:
        return sorted(name for name in self._subjects if deleted or self.active(name))

    def all_versions(self, subject: str) -> list[Version]:
        """In order, those deleted softly too; none when there is no such subject."""
        return [version for _, version in sorted(self._subjects.get(subject, {}).items())]

    def active(self, subject: str) -> list[Version]:
        return [version for version in self.all_versions(subject) if not version.deleted]

    def versions(self, subject: str, deleted: bool = False) -> list[Version]:
        """Raises SubjectNotFoundError when there is none."""
        found = self.all_versions(subject) if deleted else self.active(subject)
        if not found:
            raise SubjectNotFoundError(f"There is no subject {subject!r}.")
        return found

    def version(self, subject: str, number: int | None, deleted: bool = False) -> Version:
        """None is the latest. Raises SubjectNotFoundError, VersionNotFoundError."""
        found = self.versions(subject, deleted)
        if number is None:
            return found[-1]
        for version in found:
            if version.version == number:
                return version
        raise VersionNotFoundError(f"{subject!r} has no version {number}.")

    def uses(self, id: int) -> list[Version]:
        """Every version that is this schema, in the order of registration. Raises SchemaNotFoundError."""
        if id not in self._ids:
            raise SchemaNotFoundError(f"There is no schema with id {id}.")
        return sorted(self._ids[id].values(), key=lambda v: (v.registered_ms, v.subject, v.version))

    def knows(self, id: int) -> bool:
        return id in self._ids

    def id_of(self, fingerprint: str) -> int | None:
        return self._fingerprints.get(fingerprint)

    def referring(self, versions: Iterable[Version]) -> list[Version]:
        """The versions, of all subjects, that refer to any of these."""
        wanted = {(version.subject, version.version) for version in versions}
        return [
            version
            for name in self.subjects(deleted=True)
            for version in self.all_versions(name)
            if any((r.subject, r.version) in wanted for r in version.schema.references)
        ]

    def resolve(self, reference: Reference) -> Version:
        return self.version(reference.subject, reference.version, deleted=True)

    def level(self, subject: str) -> Level:
        return self.levels.get(subject, self.levels.get(None, DEFAULT_LEVEL))

    def mode(self, subject: str) -> Mode:
        everywhere = self.modes.get(None, DEFAULT_MODE)
        return everywhere if everywhere is Mode.READONLY_OVERRIDE else self.modes.get(subject, everywhere)


def _set(table: dict[str | None, T], name: str | None, value: T | None) -> None:
    if value is None:
        table.pop(name, None)
    else:
        table[name] = value

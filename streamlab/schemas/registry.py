"""The schema registry: subjects, their versions, and whether a new one fits the old ones.

    registry = SchemaRegistry(broker.connection)
    registered = registry.register("orders-value", Schema(text))
    registry.check("orders-value", Schema(changed))      # every reason why it would be refused

A version's life: registered → deleted softly (no longer offered, still read by its id) → deleted permanently.
Registering a softly deleted schema again makes a new version with the old id. An id is never given twice.

There is no registry process: everybody who has a connection reads the same topic, and writes by compare and append.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from copy import copy
from typing import Self

from ..clock import SYSTEM_CLOCK, Clock
from ..connection import Connection
from ..events import SchemaDeleted, SchemaRegistered
from . import compatibility, entries, parsing
from .compatibility import Older, Parsed
from .entries import Entry
from .errors import (
    IncompatibleSchemaError,
    LevelNotConfiguredError,
    ModeNotConfiguredError,
    SchemaNotFoundError,
    SubjectNotSoftDeletedError,
    SubjectSoftDeletedError,
    VersionNotSoftDeletedError,
    VersionSoftDeletedError,
)
from .guards import check_deletable, check_subject, check_writable, deletion
from .model import DEFAULT_LEVEL, DEFAULT_MODE, Incompatibility, Level, Mode, Reference, Schema, Version
from .state import State
from .store import Store

MAX_AGE_S = 5.0
"""How old the latest version may be for those who ask often. What has an id never changes."""
_KEPT_PARSED = 1_000


class SchemaRegistry:
    """Safe to share between threads. What it changes is told from an outbox, in the same moment.

    Every method raises StreamlabError when the server does not answer.
    """

    def __init__(self, connection: Connection, by: str | None = None, clock: Clock = SYSTEM_CLOCK):
        """`by` is who it acts for, as the events say it."""
        self._store = Store(connection, clock)
        self._by = by
        self._parsed: dict[int, Parsed] = {}  # by id
        self._generation = 0  # of the store, that they are of
        self._lock = threading.Lock()

    def acting_for(self, by: str | None) -> SchemaRegistry:
        """The same registry, with the same copy in memory, for somebody else."""
        other = copy(self)
        other._by = by
        return other

    # -- reading --------------------------------------------------------------------------------------------------

    def subjects(self, prefix: str = "", deleted: bool = False) -> list[str]:
        """Sorted. `deleted`: those too whose versions are all deleted softly."""
        return [name for name in self._store.state().subjects(deleted) if name.startswith(prefix)]

    def versions(self, subject: str, deleted: bool = False, max_age_s: float = 0.0) -> list[Version]:
        """In order. Raises SubjectNotFoundError."""
        return self._store.state(max_age_s).versions(subject, deleted)

    def version(
        self, subject: str, number: int | None = None, deleted: bool = False, max_age_s: float = 0.0
    ) -> Version:
        """None is the latest. Raises SubjectNotFoundError, VersionNotFoundError."""
        return self._store.state(max_age_s).version(subject, number, deleted)

    def uses(self, id: int, deleted: bool = False) -> list[Version]:
        """The versions that are this schema. Raises SchemaNotFoundError."""
        return [version for version in self._store.state().uses(id) if deleted or not version.deleted]

    def schema(self, id: int) -> Schema:
        """Raises SchemaNotFoundError."""
        return self._store.state().uses(id)[0].schema

    def known(self, id: int) -> Version:
        """The first version that is this schema, from memory where it is there. Raises SchemaNotFoundError."""
        return self._state_with(id).uses(id)[0]

    def parsed(self, id: int) -> Parsed:
        """The schema of that id, ready for use; asked of the server once. Raises SchemaNotFoundError."""
        if self._generation != self._store.generation:
            self._generation, self._parsed = self._store.generation, {}
        known = self._parsed.get(id)
        if known is None:
            state = self._state_with(id)
            known = parsing.parse(state.uses(id)[0].schema, state.resolve)
            with self._lock:
                if len(self._parsed) >= _KEPT_PARSED:
                    self._parsed.clear()
                self._parsed[id] = known
        return known

    def last_id(self) -> int:
        """The highest id ever given; 0 before the first."""
        return self._store.state().last_id

    def lookup(self, subject: str, schema: Schema, deleted: bool = False) -> Version:
        """The version of the subject that is this schema, however it is spelled.

        Raises SubjectNotFoundError, SchemaNotFoundError, InvalidSchemaError.
        """
        state = self._store.state()
        versions = state.versions(subject, deleted)
        wanted = parsing.fingerprint(schema, parsing.parse(schema, state.resolve))
        for version in reversed(versions):
            if version.fingerprint == wanted:
                return version
        raise SchemaNotFoundError(f"That schema is not registered under {subject!r}.")

    def referenced_by(self, subject: str, number: int | None = None) -> list[Version]:
        """The versions that refer to this one. Raises SubjectNotFoundError, VersionNotFoundError."""
        state = self._store.state()
        return [v for v in state.referring([state.version(subject, number, deleted=True)]) if not v.deleted]

    def resolve(self, reference: Reference) -> Version:
        """What a reference leads to. Raises SubjectNotFoundError, VersionNotFoundError."""
        return self._store.state(MAX_AGE_S).resolve(reference)

    # -- registering ----------------------------------------------------------------------------------------------

    def register(self, subject: str, schema: Schema, normalize: bool = False) -> Version:
        """The version of the subject that is this schema: the one that is there, else a new one.

        Raises InvalidSchemaError, IncompatibleSchemaError, InvalidSubjectError, OperationNotPermittedError.
        """
        check_subject(subject)

        def decide(state: State) -> tuple[Version, Sequence[Entry]]:
            return self._decide(state, subject, schema, normalize)

        def tell(registered: Version) -> SchemaRegistered:
            return SchemaRegistered(
                at_ms=self._store.now_ms(),
                schema_subject=subject,
                schema_version=registered.version,
                schema_id=registered.id,
                schema_type=registered.schema.type,
                by=self._by,
            )

        return self._store.change(decide, tell)

    def _decide(
        self, state: State, subject: str, schema: Schema, normalize: bool
    ) -> tuple[Version, Sequence[Entry]]:
        parsed = parsing.parse(schema, state.resolve)
        fingerprint = parsing.fingerprint(schema, parsed)
        for version in state.active(subject):
            if version.fingerprint == fingerprint:
                return version, ()
        check_writable(state, subject)
        self._check_level(state, subject, parsed)
        id = state.id_of(fingerprint) or state.last_id + 1
        number = max((version.version for version in state.all_versions(subject)), default=0) + 1
        kept = parsing.normalized(schema, parsed) if normalize else schema
        new = Version(subject, number, id, kept, fingerprint, registered_ms=self._store.now_ms())
        return new, [entries.of_version(new), entries.of_last_id(max(id, state.last_id))]

    def _check_level(self, state: State, subject: str, parsed: Parsed) -> None:
        level = state.level(subject)
        found = compatibility.check(level, parsed, self._older(state, state.active(subject)))
        if found:
            raise IncompatibleSchemaError(
                f"The schema is not {level.lower().replace('_', ' ')} compatible with {subject!r}: "
                + "; ".join(f"version {one.version} {one}" for one in found[:5]),
                found,
            )

    def _older(self, state: State, versions: Sequence[Version]) -> list[Older]:
        return [Older(v.version, self._parsed_of(state, v)) for v in versions]

    def _parsed_of(self, state: State, version: Version) -> Parsed:
        known = self._parsed.get(version.id) if self._generation == self._store.generation else None
        return known or parsing.parse(version.schema, state.resolve)

    def check(self, subject: str, schema: Schema, number: int | None = None) -> list[Incompatibility]:
        """Every reason why the schema would be refused; empty when it would be taken.

        With `number` it is held against that version alone, whatever the level says of others.
        Raises InvalidSchemaError, and with `number` SubjectNotFoundError and VersionNotFoundError.
        """
        state = self._store.state()
        older = state.active(subject) if number is None else [state.version(subject, number)]
        parsed = parsing.parse(schema, state.resolve)
        return compatibility.check(state.level(subject), parsed, self._older(state, older))

    # -- deleting -------------------------------------------------------------------------------------------------

    def delete_version(self, subject: str, number: int | None, permanent: bool = False) -> Version:
        """None is the latest. Softly, unless `permanent`; permanently only what was deleted softly.

        Raises SubjectNotFoundError, VersionNotFoundError, VersionSoftDeletedError, VersionNotSoftDeletedError,
        ReferenceExistsError, OperationNotPermittedError.
        """

        def decide(state: State) -> tuple[Version, Sequence[Entry]]:
            version = state.version(subject, number, deleted=True if number is not None else permanent)
            if permanent and not version.deleted:
                raise VersionNotSoftDeletedError(
                    f"Version {version.version} of {subject!r} is in use; delete it softly first."
                )
            if version.deleted and not permanent:
                raise VersionSoftDeletedError(
                    f"Version {version.version} of {subject!r} is deleted already; delete it permanently."
                )
            check_deletable(state, subject, [version], permanent)
            return version, [deletion(version, permanent)]

        return self._store.change(decide, lambda v: self._deleted(subject, v.version, v.id, permanent))

    def delete_subject(self, subject: str, permanent: bool = False) -> list[Version]:
        """Every version of it, and its own level and mode. Softly, unless `permanent`.

        Raises SubjectNotFoundError, SubjectSoftDeletedError, SubjectNotSoftDeletedError, ReferenceExistsError,
        OperationNotPermittedError.
        """

        def decide(state: State) -> tuple[list[Version], Sequence[Entry]]:
            active = state.active(subject)
            if permanent and active:
                raise SubjectNotSoftDeletedError(f"{subject!r} is in use; delete it softly first.")
            if not active and not permanent and state.all_versions(subject):
                raise SubjectSoftDeletedError(f"{subject!r} is deleted already; delete it permanently.")
            going = state.versions(subject, deleted=permanent)
            check_deletable(state, subject, going, permanent)
            written = [deletion(version, permanent) for version in going]
            written += [entries.of_level(subject, None)] if subject in state.levels else []
            written += [entries.of_mode(subject, None)] if subject in state.modes else []
            return going, written

        return self._store.change(decide, lambda _: self._deleted(subject, None, None, permanent))

    def _deleted(self, subject: str, number: int | None, id: int | None, permanent: bool) -> SchemaDeleted:
        return SchemaDeleted(
            at_ms=self._store.now_ms(),
            schema_subject=subject,
            schema_version=number,
            schema_id=id,
            permanent=permanent,
            by=self._by,
        )

    # -- levels and modes -----------------------------------------------------------------------------------------

    def level(self, subject: str | None = None, default_to_global: bool = True) -> Level:
        """Raises LevelNotConfiguredError when the subject has none of its own and the global one is not wanted."""
        levels = self._store.state().levels
        if subject is None or (subject not in levels and default_to_global):
            return levels.get(None, DEFAULT_LEVEL)
        if subject not in levels:
            raise LevelNotConfiguredError(f"{subject!r} has no compatibility level of its own.")
        return levels[subject]

    def set_level(self, level: Level, subject: str | None = None) -> Level:
        """None: of all subjects that have none of their own. Raises InvalidSubjectError, OperationNotPermittedError."""
        if subject is not None:
            check_subject(subject)

        def decide(state: State) -> tuple[Level, Sequence[Entry]]:
            check_writable(state, subject)
            return level, () if state.levels.get(subject) is level else [entries.of_level(subject, level)]

        return self._store.change(decide)

    def unset_level(self, subject: str | None = None) -> Level:
        """Returns what it was. Raises LevelNotConfiguredError for a subject without one."""

        def decide(state: State) -> tuple[Level, Sequence[Entry]]:
            if subject is not None and subject not in state.levels:
                raise LevelNotConfiguredError(f"{subject!r} has no compatibility level of its own.")
            was = state.levels.get(subject, DEFAULT_LEVEL)
            return was, [entries.of_level(subject, None)] if subject in state.levels else ()

        return self._store.change(decide)

    def mode(self, subject: str | None = None, default_to_global: bool = True) -> Mode:
        """Raises ModeNotConfiguredError when the subject has none of its own and the global one is not wanted."""
        modes = self._store.state().modes
        if subject is None or (subject not in modes and default_to_global):
            return modes.get(None, DEFAULT_MODE)
        if subject not in modes:
            raise ModeNotConfiguredError(f"{subject!r} has no mode of its own.")
        return modes[subject]

    def set_mode(self, mode: Mode, subject: str | None = None) -> Mode:
        """None: of all subjects that have none of their own. Raises InvalidSubjectError."""
        if subject is not None:
            check_subject(subject)
        return self._store.change(lambda state: (mode, [entries.of_mode(subject, mode)]))

    def unset_mode(self, subject: str | None = None) -> Mode:
        """Returns what it was. Raises ModeNotConfiguredError for a subject without one."""

        def decide(state: State) -> tuple[Mode, Sequence[Entry]]:
            if subject is not None and subject not in state.modes:
                raise ModeNotConfiguredError(f"{subject!r} has no mode of its own.")
            was = state.modes.get(subject, DEFAULT_MODE)
            return was, [entries.of_mode(subject, None)] if subject in state.modes else ()

        return self._store.change(decide)

    # -- ending ---------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Nothing to close: the connections are the broker's."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _state_with(self, id: int) -> State:
        """A state that knows the id; brought up to date only when the copy does not know it."""
        state = self._store.state(float("inf"))
        return state if state.knows(id) else self._store.state()

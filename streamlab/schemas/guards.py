"""What the registry asks before it changes anything."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from . import entries
from .entries import Entry
from .errors import InvalidSubjectError, OperationNotPermittedError, ReferenceExistsError
from .model import DEFAULT_MODE, Mode, Version
from .state import State

MAX_SUBJECT = 512


def check_subject(subject: str) -> None:
    """Raises InvalidSubjectError."""
    if not subject or len(subject) > MAX_SUBJECT or not subject.isprintable():
        raise InvalidSubjectError(
            f"{subject[:80]!r} is no subject: use 1 to {MAX_SUBJECT} printable characters."
        )


def check_writable(state: State, subject: str | None) -> None:
    mode = state.mode(subject) if subject is not None else state.modes.get(None, DEFAULT_MODE)
    if mode is not Mode.READWRITE:
        raise OperationNotPermittedError(f"{subject!r} is in mode {mode}; set it to READWRITE first.")


def check_deletable(state: State, subject: str, going: Sequence[Version], permanent: bool) -> None:
    check_writable(state, subject)
    own = {(version.subject, version.version) for version in going}
    others = [
        version
        for version in state.referring(going)
        if (version.subject, version.version) not in own and (permanent or not version.deleted)
    ]
    if others:
        one = others[0]
        raise ReferenceExistsError(
            f"{one.subject!r} version {one.version} refers to {subject!r}; delete it first."
        )


def deletion(version: Version, permanent: bool) -> Entry:
    if permanent:
        return entries.gone(version)
    return entries.of_version(msgspec.structs.replace(version, deleted=True))

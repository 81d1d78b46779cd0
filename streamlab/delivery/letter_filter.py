"""Which dead letters somebody means: by error, time, key, partition, schema version, cause, state or text."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from .dead_letter import Cause, LetterAddress
from .letter_reader import Letter
from .letter_states import LetterState


class LetterFilter(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All that is given must hold; nothing given is every letter. Of several values one must hold."""

    error_classes: list[
        str
    ] = []  # whole name, or its last part: KeyError, shop.errors.OutOfStock, OutOfStock
    fingerprints: list[str] = []  # whole, or how they begin
    since_ms: int | None = None  # died then or later
    until_ms: int | None = None  # died before then
    key: bytes | None = None  # of the record; the empty key is not "no filter"
    partitions: list[int] = []  # of the topic
    schema_versions: list[int] = []
    causes: list[Cause] = []
    states: list[LetterState] = []
    text: str | None = (
        None  # in the error's class or message, or in the record's key, value or headers; any case
    )
    letters: list[LetterAddress] = []  # exactly these
    record_ids: list[str] = []
    decisions: list[str] = []  # discarded or restored by a decision of this name, and not touched since

    @property
    def only_partitions(self) -> list[int] | None:
        """The partitions that have to be looked at; None: all."""
        named = {letter.partition for letter in self.letters}
        if self.partitions:
            named = named & set(self.partitions) if self.letters else set(self.partitions)
        return sorted(named) if self.partitions or self.letters else None

    def takes(self, letter: Letter) -> bool:
        """Whether the letter is meant."""
        dead, status = letter.letter, letter.status
        return (
            (not self.states or status.state in self.states)
            and (not self.letters or letter.address in self.letters)
            and (not self.partitions or letter.address.partition in self.partitions)
            and (not self.causes or dead.cause in self.causes)
            and (not self.fingerprints or dead.fingerprint.startswith(tuple(self.fingerprints)))
            and (not self.error_classes or any(_named(dead.error_class, name) for name in self.error_classes))
            and (not self.schema_versions or dead.schema_version in self.schema_versions)
            and (not self.record_ids or dead.record_id in self.record_ids)
            and (not self.decisions or status.decision in self.decisions)
            and (self.key is None or dead.key == self.key)
            and (self.since_ms is None or dead.died_ms >= self.since_ms)
            and (self.until_ms is None or dead.died_ms < self.until_ms)
            and (self.text is None or _has_text(letter, self.text))
        )

    def in_words(self) -> str:
        """For people: `error KeyError, partition 3`; `all` when nothing is given.

        >>> LetterFilter(error_classes=["KeyError"], partitions=[3]).in_words()
        'error KeyError, partition 3'
        >>> LetterFilter().in_words()
        'all'
        """
        key = None if self.key is None else self.key.decode("utf-8", "backslashreplace")
        parts = [
            ("letter", " or ".join(map(str, self.letters))),
            ("error", " or ".join(self.error_classes)),
            ("fingerprint", " or ".join(self.fingerprints)),
            ("since", _moment(self.since_ms)),
            ("until", _moment(self.until_ms)),
            ("key", None if key is None else repr(key)),
            ("partition", " or ".join(map(str, self.partitions))),
            ("schema version", " or ".join(map(str, self.schema_versions))),
            ("cause", " or ".join(self.causes)),
            ("state", " or ".join(self.states)),
            ("record", " or ".join(self.record_ids)),
            ("decision", " or ".join(self.decisions)),
            ("text", None if self.text is None else repr(self.text)),
        ]
        return ", ".join(f"{name} {value}" for name, value in parts if value) or "all"


def _moment(ms: int | None) -> str | None:
    try:
        return None if ms is None else datetime.fromtimestamp(ms / 1000, UTC).isoformat()
    except (ValueError, OverflowError, OSError):
        return f"{ms} ms"


def _named(error_class: str, name: str) -> bool:
    return error_class == name or error_class.endswith("." + name)


def _has_text(letter: Letter, text: str) -> bool:
    dead, wanted = letter.letter, text.casefold()
    if wanted in dead.error_class.casefold() or wanted in dead.error_message.casefold():
        return True
    parts = [dead.key, dead.value, dead.record_id.encode()]
    parts += [part for name, value in dead.headers for part in (name.encode("utf-8", "replace"), value)]
    return any(part and wanted in part.decode("utf-8", "replace").casefold() for part in parts)

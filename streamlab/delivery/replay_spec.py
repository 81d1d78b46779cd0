"""What a replay is to do: which letters, where to, changed how, how fast, and when to stop by itself."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET, UnsetType

from ..errors import IllegalArgumentError, StreamlabError
from ..model import Headers
from .dead_letter import DeadLetter
from .letter_filter import LetterFilter
from .letter_headers import REPLAY_NAMES

GUARD_PERCENT = 20.0
GUARD_SAMPLE = 20
_TOPIC_PREFIX = "topic:"


class Target(StrEnum):
    GROUP = "group"  # into the failing group's retry queue: no other group sees it
    SOURCE = "source"  # appended to the topic that the group reads: every group of that topic sees it
    TOPIC = "topic"  # appended to another topic


class UnfitLetterError(StreamlabError):
    """Raised when a letter cannot be replayed as asked: a merge needs a value that is a JSON object, and a replay to
    the group a letter that says where the group read its record."""


class EditedRecord(NamedTuple):
    """What is replayed. `changed` names what differs from the letter: value, key, header:<name>."""

    key: bytes | None
    value: bytes | None
    headers: Headers
    changed: list[str]


class Edit(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How the replayed records differ from their letters; what is not given stays. The letters stay as they are."""

    value: bytes | UnsetType | None = UNSET  # None makes it a tombstone
    merge: dict[str, Any] | None = None  # JSON Merge Patch (RFC 7396) of a value that is a JSON object
    key: bytes | UnsetType | None = UNSET
    set_headers: dict[str, bytes | None] = {}  # each replaces all of that name, or is added
    remove_headers: list[str] = []

    def __post_init__(self) -> None:
        if self.value is not UNSET and self.merge is not None:
            raise IllegalArgumentError("Give the new value or what to merge into it, not both.")
        try:
            msgspec.json.encode(self.merge)
        except UnicodeEncodeError as error:
            raise IllegalArgumentError(f"What is to be merged holds what is no character: {error}") from error
        clash = set(self.set_headers) & set(self.remove_headers)
        if clash:
            raise IllegalArgumentError(f"Header {min(clash)!r} is to be set and to be removed.")

    def apply(self, letter: DeadLetter) -> EditedRecord:
        """Raises UnfitLetterError.

        >>> letter = DeadLetter(key=b"k", value=b'{"a": 1, "b": 2}', topic="t", partition=0, offset=0,
        ...     record_id="t/0@0", read_topic="t", read_partition=0, read_offset=0, group="g")
        >>> Edit(merge={"b": None, "c": 3}).apply(letter).value
        b'{"a":1,"c":3}'
        """
        value = self._value(letter)
        key = letter.key if isinstance(self.key, UnsetType) else self.key
        headers = self._headers(letter)
        names = sorted({n for n, _ in headers} | {n for n, _ in letter.headers})
        changed = ["value"] * (value != letter.value) + ["key"] * (key != letter.key)
        changed += [f"header:{n}" for n in names if _of(headers, n) != _of(letter.headers, n)]
        return EditedRecord(key, value, headers, changed)

    def _value(self, letter: DeadLetter) -> bytes | None:
        if self.merge is not None:
            try:
                before = msgspec.json.decode(letter.value or b"")
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                raise UnfitLetterError(f"The value is no JSON: {error}") from error
            if not isinstance(before, dict):
                raise UnfitLetterError("The value is no JSON object.")
            return msgspec.json.encode(merged(before, self.merge))
        return letter.value if isinstance(self.value, UnsetType) else self.value

    def _headers(self, letter: DeadLetter) -> Headers:
        gone = {*self.remove_headers, *self.set_headers}
        kept = [header for header in letter.headers if header[0] not in gone]
        return kept + list(self.set_headers.items())


def merged(before: Any, patch: Any) -> Any:
    """RFC 7396.

    >>> merged({"a": {"x": 1, "y": 2}, "b": 1}, {"a": {"y": None}, "b": [2]})
    {'a': {'x': 1}, 'b': [2]}
    """
    if not isinstance(patch, dict):
        return patch
    result = dict(before) if isinstance(before, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value)
    return result


def _of(headers: Headers, name: str) -> list[bytes | None]:
    return [value for n, value in headers if n == name]


class ReplaySpec(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a replay needs to know; stored with the job, so that another process can go on with it."""

    dlq: str
    topic: str  # whose letters these are
    group: str
    filter: LetterFilter = LetterFilter()
    target: Target = Target.GROUP
    to_topic: str | None = None  # Target.TOPIC: its name
    edit: Edit | None = None
    rate: float | None = None  # letters a second; None: as fast as it goes
    guard_percent: float = GUARD_PERCENT  # stop when more of those settled failed again; 100: never
    guard_sample: int = GUARD_SAMPLE  # but not before so many are settled

    def __post_init__(self) -> None:
        if self.rate is not None and not 0 < self.rate <= 1_000_000:
            raise IllegalArgumentError("A rate is more than 0 and at most 1,000,000 letters a second.")
        if not 0 <= self.guard_percent <= 100 or self.guard_sample < 1:
            raise IllegalArgumentError("The guard takes 0 to 100 percent and a sample of at least 1.")
        if (self.target is Target.TOPIC) != (self.to_topic is not None):
            raise IllegalArgumentError("A replay into another topic names it; others do not.")
        if self.to_topic == self.dlq:
            raise IllegalArgumentError("Letters are not replayed into their own dead-letter topic.")

    @property
    def goes_to(self) -> str | None:
        """The topic that records are appended to; None: they go into the group's retry queue."""
        return {Target.GROUP: None, Target.SOURCE: self.topic, Target.TOPIC: self.to_topic}[self.target]

    @property
    def to_in_words(self) -> str:
        return f"topic {self.to_topic}" if self.target is Target.TOPIC else str(self.target)

    def record(self, letter: DeadLetter) -> EditedRecord:
        """What is replayed of a letter, without what earlier replays put behind its headers.

        Raises UnfitLetterError.
        """
        if self.target is Target.GROUP and (letter.read_topic != self.topic or letter.read_offset < 0):
            raise UnfitLetterError("The letter does not say where the group read its record.")
        headers = [header for header in letter.headers if header[0] not in REPLAY_NAMES]
        plain = msgspec.structs.replace(letter, headers=headers)
        return (self.edit or Edit()).apply(plain)


def target_of(to: str) -> tuple[Target, str | None]:
    """What `--to` and `to=` mean: group, source, or the name of a topic (`topic:source` where it is called so).

    >>> target_of("group"), target_of("orders-repaired"), target_of("topic:source")
    ((<Target.GROUP: 'group'>, None), (<Target.TOPIC: 'topic'>, 'orders-repaired'), (<Target.TOPIC: 'topic'>, 'source'))
    """
    if to in (Target.GROUP, Target.SOURCE):
        return Target(to), None
    return Target.TOPIC, to.removeprefix(_TOPIC_PREFIX)

"""What every event of the broker's own history has: a type, an id, a moment, and what it speaks of.

An event's id is derived from what it speaks of, not drawn: whoever says the same thing again after a crash says it
under the same id, and readers know it for a repeat.
"""

from __future__ import annotations

from typing import ClassVar, TypeVar

import msgspec

PREFIX = "streamlab."

E = TypeVar("E", bound="type[Event]")

TYPES: dict[str, type[Event]] = {}
"""Every event by its type, in the order of docs/events.md."""


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened. What subclasses add stands in docs/events.md, field by field."""

    type: ClassVar[str] = ""  # CloudEvents `type`, e.g. "streamlab.record.retried"

    at_ms: int  # when it happened, ms since 1970, by the clock of whoever saw it

    @property
    def id(self) -> str:
        """CloudEvents `id`: the same for the same happening."""
        return f"{self.type.removeprefix(PREFIX)}:{self.identity}"

    @property
    def identity(self) -> str:
        """What tells this happening from all others of its type."""
        raise NotImplementedError

    @property
    def source(self) -> str:
        """CloudEvents `source`: a path below /streamlab, such as /streamlab/groups/revenue."""
        raise NotImplementedError

    @property
    def subject(self) -> str:
        """CloudEvents `subject`: what it happened to, such as a record, a member, a setting."""
        raise NotImplementedError

    @property
    def order_key(self) -> str:
        """Key of the record on the topic: events of one key are read in the order in which they were written."""
        return self.source


def event_type(name: str):  # type: ignore[no-untyped-def]  # a decorator that keeps the class as it is
    """Enter a class under `streamlab.<name>`."""

    def enter(cls: E) -> E:
        cls.type = PREFIX + name
        TYPES[cls.type] = cls
        return cls

    return enter


def full_type(name: str) -> str:
    """
    >>> full_type("record.retried"), full_type("streamlab.record.retried")
    ('streamlab.record.retried', 'streamlab.record.retried')
    """
    return name if name.startswith(PREFIX) else PREFIX + name

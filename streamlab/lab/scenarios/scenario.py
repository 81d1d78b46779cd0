"""A scenario: a load that shows one thing, where to see it, and what helps."""

from __future__ import annotations

import msgspec

from ..loads.load import Load


class Look(msgspec.Struct, frozen=True):
    """Where to look, and at what."""

    page: str  # topic, group, clients, retries, dead-letters, records, overview
    at: str  # a sentence


class Lever(msgspec.Struct, frozen=True):
    """What helps, or makes it worse; done while the load runs."""

    says: str  # "Two more readers"
    changes: dict[str, str]  # of the load, as `streamlab lab change` takes them
    then: str  # what should be seen after it


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    load: Load
    about: str  # what goes on, in a sentence or two
    look: tuple[Look, ...]
    expect: tuple[str, ...]  # what should be seen, in the order in which it comes
    levers: tuple[Lever, ...]

    @property
    def name(self) -> str:
        return self.load.name

    @property
    def title(self) -> str:
        return self.load.title

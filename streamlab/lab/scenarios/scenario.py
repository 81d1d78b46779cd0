"""A scenario: a load that shows one thing, where to see it, what can happen, and what helps.

Told as a story it waits until what it speaks of is really seen: a `Sight` is that as a number.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from ..loads.files import text_at
from ..loads.load import Load


class Sight(msgspec.Struct, frozen=True, kw_only=True):
    """What can be seen in the figures of the load; both bounds belong to it."""

    figure: str  # one of `FIGURES`
    least: float | None = None  # None: no bound
    most: float | None = None

    def holds(self, value: float | None) -> bool:
        """
        >>> Sight(figure="lag", least=100).holds(120), Sight(figure="lag", most=5).holds(None)
        (True, False)
        """
        if value is None:
            return False
        return (self.least is None or value >= self.least) and (self.most is None or value <= self.most)


def at_least(figure: str, least: float) -> Sight:
    return Sight(figure=figure, least=least)


def at_most(figure: str, most: float) -> Sight:
    return Sight(figure=figure, most=most)


LAG_FALLS = at_most("lag_change", -1)
"""What a remedy does to a group that was behind."""

FIGURES = {
    "rate": ("In", "records/s"),
    "consumed_rate": ("Out", "records/s"),
    "lag": ("Lag", "records"),
    "lag_change": ("Lag changes by", "records/s"),  # negative: it falls
    "time_lag": ("Time lag", "s"),
    "members": ("Readers", "readers"),
    "partitions": ("Partitions", "partitions"),
    "skew": ("Skew", "times the mean"),
    "epoch": ("Epoch of the group", "epochs"),
    "batch_records": ("Records a batch", "records in a batch"),  # of its producers, the mean
    "record_bytes": ("Bytes a record", "bytes"),
    "request_ms": ("Request, p95", "ms"),  # of its producers, in the last half minute
    "poll_ms": ("Between polls, at most", "ms"),  # of its readers, likewise
    "retrying": ("Retrying", "records"),
    "dead": ("Dead letters", "letters"),
    "dying": ("Deaths a minute", "letters"),  # by those of the last seconds
    "rebalances": ("Rebalances in 20 s", "rebalances"),
    "vain": ("Vain fetches a second", "fetches"),  # of its readers, at most
    "lost": ("Lost", "records"),
}
"""What a sight may speak of: its label, its unit."""

TOLD_BY_CLIENTS = frozenset({"request_ms", "poll_ms", "vain", "batch_records"})
"""Figures that are not in a snapshot: whoever wants them asks the clients' telemetry."""
RECENT = frozenset({"dying", "rebalances"})
"""Nor these: they are of the last seconds."""


class Look(msgspec.Struct, frozen=True):
    """Where to look, and at what."""

    page: str  # topic, group, clients, retries, dead-letters, records, overview
    at: str  # a sentence


class Expect(msgspec.Struct, frozen=True):
    """What should be seen."""

    says: str  # a sentence
    seen: Sight | None = None  # that it is so; None: no figure says so


class Lever(msgspec.Struct, frozen=True):
    """What may be done while the load runs."""

    says: str  # "Two more readers"
    changes: dict[str, str]  # of the load, as `streamlab lab change` takes them
    then: str  # what should be seen after it
    seen: Sight | None = None  # that it is; None: no figure says so
    role: Literal["helps", "no help", "happens"] = "helps"
    """no help: nothing comes of it, or worse; happens: nobody pulls it, it befalls them."""
    afresh: bool = False
    """Shown on the fault itself: what helped before it is taken back first, and the fault has to be seen again."""


class Trial(msgspec.Struct, frozen=True):
    """An experiment worth making while the load runs."""

    says: str  # "batch_size over five values"
    of: Literal["producer", "group"]  # whose setting
    setting: str
    values: tuple[int | str, ...]  # the first is what the others are compared with
    window_s: float | None = None  # None: as an experiment has it unless told otherwise

    def entity(self, load: Load) -> str:
        """
        >>> Trial("", "producer", "linger_ms", (0, 50)).entity(Load(name="a"))
        'client:lab-a-producer-1'
        """
        if self.of == "group":
            return f"group:{load.group_id}"
        return f"client:{load.topic_name}-producer-1"


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    load: Load
    about: str  # what goes on, in a sentence or two
    look: tuple[Look, ...]
    expect: tuple[Expect, ...]  # in the order in which it comes
    levers: tuple[Lever, ...]  # in the order in which a story comes to them
    trials: tuple[Trial, ...] = ()

    @property
    def name(self) -> str:
        return self.load.name

    @property
    def title(self) -> str:
        return self.load.title

    def taken_back(self, number: int) -> dict[str, str]:
        """Changes that take back what helped before this lever (from 0); {} when it goes on from there.

        Partitions stay: there is no way back for them.
        """
        lever = self.levers[number]
        if not lever.afresh:
            return {}
        helped = [one for one in self.levers[:number] if one.role == "helps"]
        places = {place for one in helped for place in one.changes} - {"partitions"}
        return {place: text_at(self.load, place) for place in sorted(places)}

    @property
    def sights(self) -> list[Sight]:
        """All that can be waited for, in the order of the story."""
        told = (*(e.seen for e in self.expect), *(lever.seen for lever in self.levers))
        return [sight for sight in told if sight is not None]

"""What the advisor says: a symptom with its numbers, the likely cause, what is not the cause, and what helps."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Literal

import msgspec


class Urgency(StrEnum):
    """How soon somebody should look, the worst first."""

    NOW = "now"  # records are being lost, or nobody reads them
    SOON = "soon"  # it gets worse by itself
    HINT = "hint"  # it costs something, and nothing breaks


class Number(msgspec.Struct, frozen=True):
    """One figure that a finding rests on."""

    name: str  # "comes in"
    value: float | None  # None: not known
    unit: str = ""  # records/s, records, ms, s, bytes, share (0..1), times, or a noun
    limit: float | None = None  # what it was held against, in the same unit; None: it only explains

    @property
    def shown_unit(self) -> str:
        """Without a noun that the name says already.

        >>> Number("members now", 3, "members").shown_unit, Number("members", 3, "share").shown_unit
        ('', 'share')
        """
        said = self.unit.endswith("s") and len(self.unit) > 2 and self.unit in self.name.split()
        return "" if said and self.unit not in ("bytes", "times") else self.unit


class Experiment(msgspec.Struct, frozen=True):
    """An experiment of the lab that would show whether a lever helps."""

    entity: str  # "group:revenue"
    setting: str
    values: tuple[str, ...]  # the first one is what holds now
    topic: str = ""
    group: str = ""


class Lever(msgspec.Struct, frozen=True):
    """What helps, and by how much to expect it."""

    says: str  # "A second member"
    effect: str  # what to expect, as a sentence
    experiment: Experiment | None = None
    what_if: dict[
        str, str
    ] = {}  # of the what-if page's address: {"group": …, "members": "3"}; {}: nothing there
    look: Literal["", "dead-letters", "retries", "history"] = ""  # where it begins with a look


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    rule: str  # its name in docs/advisor.md
    subject: str  # what it is about: group:revenue, client:shop, topic:orders, broker
    title: str  # a headline of a few words
    symptom: str  # what can be seen
    cause: str  # the likely reason
    record_key: str = ""  # of the records that the cause speaks of; masking rules may hide it from a reader
    judged: str  # the rule, in words, with its limits
    numbers: tuple[Number, ...] = ()
    not_causes: tuple[str, ...] = ()  # sentences
    levers: tuple[Lever, ...] = ()
    urgency: Urgency = Urgency.SOON
    weight: float = 0.0  # when it was found first; among those as urgent more comes first
    group: str = ""  # on whose page it stands as well
    topic: str = ""  # likewise
    since_ms: int = 0  # server time of the look that found it first
    seen_ms: int = 0  # of the newest look that found it

    @property
    def key(self) -> str:
        """Stands for the same finding at another look."""
        return f"{self.rule} {self.subject}"


class Advice(msgspec.Struct, frozen=True, kw_only=True):
    """What one look found."""

    as_of_ms: int  # server time
    findings: list[Finding]  # what to look at first comes first
    looked_at: list[str]  # sentences: what was there to be judged
    missing: list[str]  # sentences: what could not be judged, and why

    def of_group(self, group: str) -> list[Finding]:
        return [finding for finding in self.findings if finding.group == group]

    def of_topic(self, topic: str) -> list[Finding]:
        return [finding for finding in self.findings if finding.topic == topic]


_RANK = {urgency: place for place, urgency in enumerate(Urgency)}


def in_order(findings: Sequence[Finding]) -> list[Finding]:
    """What to look at first comes first; equals by their names, so that nothing jumps."""
    return sorted(findings, key=lambda f: (_RANK[f.urgency], -f.weight, f.key))
